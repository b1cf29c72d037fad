"""The two-worlds rule for channel twins: what they know of reality is what was measured there, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from competitors import competitors
from poison import poisoned, secrets
from reachable import reachable

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.envs.reality.twin_error import measure
from twin_envs.envs.registry import specification
from twin_envs.twin.learning import learnt
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site, load_site

POLICIES = {"ApSelection": "twin-fused", "FeedbackInterval": "twin-knowledge"}
PLACES, NUM_ENVS, STEPS = 20, 2, 5


def made(env, channel_twin):
    options = specification(env).small | {"channel_twin": channel_twin, "commissioning_places": PLACES}
    return make_envs(
        env, NUM_ENVS, device="cpu", **options, **({"estimator": "ls"} if env == "FeedbackInterval" else {})
    )


@pytest.fixture(scope="module", params=channel_twins.names())
def channel_twin(request):
    """Each in turn: what one has learnt is for all tests of it."""
    return request.param


@pytest.fixture(scope="module")
def envs_of(channel_twin):
    """Environments of each of `POLICIES` that have the channel twin."""
    return {env: made(env, channel_twin) for env in POLICIES}


@pytest.fixture(scope="module")
def site():
    return load_site("munich-cellfree")


@pytest.fixture(scope="module")
def measured(site):
    return measure(site, "reality", 40, 0)


@pytest.fixture(scope="module")
def twin(channel_twin, site):
    """It has learnt nothing yet."""
    return channel_twins.get(channel_twin)(site, "twin", site.device)


@pytest.fixture(scope="module")
def sighted(twin, measured, site):
    """What it says once it has learnt."""
    return learnt(twin, measured, site.geometry).predict(measured.sensed, measured.ap)


def test_learning_needs_no_reality_once_it_has_been_measured(twin, measured, sighted, site):
    """It learns, and answers, the same while reality is not a number."""
    envs = make_envs("ApSelection", 1, device="cpu", **specification("ApSelection").small)
    assert envs.core.reality.atlas is load_site("munich-cellfree").reality("reality")
    with poisoned(envs.core):
        blind = learnt(twin, measured, site.geometry).predict(measured.sensed, measured.ap)
    assert sighted.values.isfinite().all()
    assert torch.equal(sighted.values, blind.values)
    assert torch.equal(sighted.std, blind.std)


def test_what_is_learnt_follows_what_was_measured(twin, measured, sighted, site):
    """Its gains are those of the world in which it was commissioned: 10 dB more there are 10 dB more."""
    values = measured.values.clone()
    values[:, 0] -= 10.0
    less = learnt(twin, replace(measured, values=values), site.geometry).predict(measured.sensed, measured.ap)
    known = sighted.covered > 0
    assert float((sighted["gain_db"] - less["gain_db"])[known].median()) == pytest.approx(10.0, abs=1.0)


@pytest.mark.parametrize("env", POLICIES)
def test_no_decision_by_a_twin_depends_on_reality(env, envs_of):
    envs, rows = envs_of[env], torch.arange(NUM_ENVS)
    policy, start = competitors(env)[POLICIES[env]], np.ones(NUM_ENVS, bool)
    attach(policy, envs)
    envs.reset(seed=5)
    for _ in range(STEPS):
        with torch.inference_mode():
            observation = envs.task.observe(rows, envs.task.turn(rows)).clone().numpy()
            with poisoned(envs.core):
                blindly = envs.task.observe(rows, envs.task.turn(rows)).clone().numpy()
        assert np.array_equal(observation, blindly)
        assert np.isfinite(observation).all()
        with poisoned(envs.core):
            actions, _ = policy.predict(observation, None, start)
        envs.step(actions)
        start = np.zeros(NUM_ENVS, bool)


def test_no_way_leads_from_a_twin_that_has_learnt_to_reality(envs_of):
    core = envs_of["ApSelection"].core
    hidden = {value.untyped_storage().data_ptr() for value in secrets(core).values() if value.numel()}
    for way, thing in reachable(core.network.twin):
        assert not isinstance(thing, Site), way
        if isinstance(thing, torch.Tensor):
            assert thing.untyped_storage().data_ptr() not in hidden, way
