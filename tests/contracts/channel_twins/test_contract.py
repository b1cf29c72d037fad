"""What is true of every registered channel twin, once it has learnt what it can on a packaged site."""

import copy
import dataclasses

import gymnasium
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.envs.reality.twin_error import commissioned, measure
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS
from twin_envs.twin.learning import learnt
from twin_envs.twin.protocol import (
    ChannelTwin,
    ExpectsPaths,
    GivesBeamPower,
    GivesChannels,
    GivesLinks,
    LearnsKnowledge,
)
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import load_site

PLACES = 30
NAMES = list(KNOWLEDGE_FIELDS)


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def held_out(site):
    return measure(site, "reality", 150, 11)


@pytest.fixture(scope="module", params=channel_twins.names())
def raw(request, site):
    return channel_twins.get(request.param)(site, "twin", site.device)


@pytest.fixture(scope="module")
def twin(raw, site):
    return commissioned(raw, site, "reality", PLACES)


def at(sensed, position_m):
    return dataclasses.replace(sensed, position_m=position_m)


def test_it_predicts_knowledge_that_can_be(twin, held_out):
    assert isinstance(twin, ChannelTwin)
    said = twin.predict(held_out.sensed, held_out.ap)
    links = len(held_out.ap)
    assert said.covered.shape == (links,)
    assert said.values.shape == said.std.shape == (links, len(NAMES))
    assert said.values.dtype == said.std.dtype == torch.float32
    assert ((said.covered >= 0) & (said.covered <= 1 + 1e-5)).all()
    assert (said.covered > 0).float().mean() > 0.7
    assert said.values.isfinite().all()
    assert (said.std.isfinite() & (said.std >= 0)).all()
    for name in NAMES:
        if "spread" in name or "coherence" in name:
            assert (said[name] >= 0).all(), name
        if "azimuth" in name:
            assert said[name].abs().max() <= torch.pi + 1e-4, name
    assert ((said["los_probability"] >= 0) & (said["los_probability"] <= 1)).all()
    assert said["coherence_time_s"].max() <= 10


def test_its_ninety_percent_intervals_hold_where_nothing_was_measured(twin, held_out):
    said = twin.predict(held_out.sensed, held_out.ap)
    known = said.covered > 0
    off_db = (said["gain_db"] - held_out.values[:, NAMES.index("gain_db")]).abs()[known]
    assert 0.8 < float((off_db <= 1.645 * said.uncertainty("gain_db")[known]).float().mean()) < 0.98


def test_a_link_is_answered_as_in_any_batch(twin, held_out):
    whole = twin.predict(held_out.sensed, held_out.ap)
    some = torch.arange(len(held_out.ap) - 1, 0, -7)
    part = twin.predict(held_out.sensed.of(some), held_out.ap[some])
    torch.testing.assert_close(part.values, whole.values[some], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(part.std, whole.std[some], rtol=1e-4, atol=1e-5)


def test_nobody_is_answered_with_nothing(twin, held_out):
    nobody = twin.predict(held_out.sensed.of(torch.arange(0)), held_out.ap[:0])
    assert nobody.values.shape == (0, len(NAMES))


def test_off_the_site_nothing_is_covered(twin, held_out):
    said = twin.predict(at(held_out.sensed, held_out.sensed.position_m + 1e4), held_out.ap)
    assert (said.covered == 0).all()
    assert said.values.isfinite().all()


def test_learning_leaves_the_twin_as_it_was_and_no_global_generator_moves(raw, twin, site, held_out):
    before, state = raw.predict(held_out.sensed, held_out.ap), torch.random.get_rng_state()
    again = commissioned(raw, site, "reality", PLACES).predict(held_out.sensed, held_out.ap)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(raw.predict(held_out.sensed, held_out.ap).values, before.values)
    assert torch.equal(again.values, twin.predict(held_out.sensed, held_out.ap).values)


def test_what_learns_refuses_too_few_places(raw, site):
    if isinstance(raw, LearnsKnowledge):
        with pytest.raises(ConfigurationError, match="commissioning_places must be 10 or more"):
            commissioned(raw, site, "reality", 9)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: m.values[3].fill_(torch.nan), "must be .* to .*, got nan"),
        (lambda m: m.values[3, :1].fill_(1e30), "gain_db .* must be -250 to"),
        (lambda m: m.sensed.position_m[3].fill_(torch.nan), "position_m .* must be finite numbers"),
        (lambda m: m.sensed.velocity_m_s[3].fill_(torch.nan), "velocity_m_s .* must be -1000 to 1000, got nan"),
        (lambda m: m.ap[3:4].fill_(99), "ap of a measurement must be 0 to .*, got 99"),
        (lambda m: m.place[3:4].fill_(-1), "place of a measurement must be 0 to .*, got -1"),
    ],
)
def test_nothing_is_learnt_from_what_cannot_be(raw, site, held_out, spoil, message):
    measured = copy.deepcopy(held_out)
    spoil(measured)
    with pytest.raises(ConfigurationError, match=message):
        learnt(raw, measured, site.geometry)


def test_its_paths_carry_its_channel(twin, site, held_out):
    """Where a twin gives paths, channels, links and beams, their powers are one another's."""
    if not isinstance(twin, GivesChannels):
        return
    position_m = site.geometry.ground.place(held_out.sensed.position_m[:40])
    ap, offset_hz = held_out.ap[:40], torch.linspace(-9e6, 9e6, 8)
    paths = twin.paths(position_m, ap)
    waves, steering = twin.waves(paths, offset_hz)
    channel = twin.channel(position_m, ap, offset_hz)
    torch.testing.assert_close(waves @ steering, channel, rtol=1e-3, atol=1e-9)
    assert isinstance(twin, GivesLinks)
    links = twin.links(position_m, offset_hz)
    torch.testing.assert_close(links[torch.arange(40), ap], channel, rtol=1e-3, atol=1e-9)
    assert isinstance(twin, ExpectsPaths)
    torch.testing.assert_close(twin.expected_paths(position_m, ap).power, paths.power, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("name", channel_twins.names())
@pytest.mark.parametrize(("env", "few"), [("FeedbackInterval", {"estimator": "ls"}), ("ApAssociation", {})])
def test_environments_that_need_no_paths_run_with_it(name, env, few):
    options = {"channel_twin": name, "commissioning_places": PLACES, "num_ue": 2, "device": "cpu", **few}
    made = gymnasium.make(f"twin_envs/{env}-v1", **options)
    first, _ = made.reset(seed=3)
    assert made.observation_space.contains(first)
    observation, reward, *_ = made.step(made.action_space.sample())
    assert made.observation_space.contains(observation)
    assert reward == reward


@pytest.mark.parametrize("name", channel_twins.names())
@pytest.mark.parametrize("env", ["FeedbackInterval", "BeamSelection"])
def test_environments_that_need_paths_or_beams_run_with_it(name, env):
    options = {"channel_twin": name, "commissioning_places": PLACES, "num_ue": 2, "device": "cpu"}
    made = gymnasium.make(f"twin_envs/{env}-v1", **options)
    first, _ = made.reset(seed=0)
    assert made.observation_space.contains(first)
    observation, *_ = made.step(3)
    assert made.observation_space.contains(observation)


def test_it_expects_paths_and_gives_beams(twin, site, held_out):
    """Beams of an orthogonal codebook are together as strong as the paths, antenna by antenna."""
    assert isinstance(twin, ExpectsPaths)
    assert isinstance(twin, GivesBeamPower)
    position_m = site.geometry.ground.place(held_out.sensed.position_m[:40])
    power = twin.expected_paths(position_m, held_out.ap[:40]).power.sum(-1)
    codebook = Codebook(site.recipe.array)
    beams, sight = twin.beam_power(position_m, held_out.ap[:40], codebook)
    torch.testing.assert_close(beams.sum(-1), codebook.beams * power, rtol=1e-3, atol=1e-20)
    assert sight.dtype == torch.bool
