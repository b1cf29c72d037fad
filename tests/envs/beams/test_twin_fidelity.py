"""TwinFidelity: whom one asks, when the answer comes, and what it is good for."""

import itertools
import json

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.beams.twin_fidelity import TwinFidelityEnv, TwinFidelityVectorEnv, twin_latency_s
from twin_envs.world.store.site import load_site

SMALL = {"num_ue": 2, "episode_slots": 4000, "cycle_slots": 1600, "burst_slots": 40, "device": "cpu"}
ROWS = torch.arange(4)


@pytest.fixture(scope="module")
def envs():
    return TwinFidelityVectorEnv(4, **SMALL)


def test_the_twins_of_the_default_site_are_asked_by_their_latency(envs):
    assert envs.network.actions.twins == ("twin-los", "twin-depth1", "twin", "twin-diffraction")
    assert (envs.network.actions.latency_slots.diff() >= 0).all()
    assert envs.single_action_space.n == 4


def test_latencies_are_those_of_the_manifest_scaled(envs):
    measured = envs.core.site.manifest["latency_s"]
    for scale in (0.1, 1.0):
        actions = TwinFidelityEnv(latency_scale=scale, **SMALL).network.actions
        for twin, slots in zip(actions.twins, actions.latency_slots.tolist()):
            assert slots == max(1, int(np.ceil(measured[twin] * scale / envs.core.slot_s)))


def test_an_answer_of_a_slower_twin_never_arrives_earlier(envs):
    arrivals = []
    for action in range(4):
        envs.reset(seed=3)
        deadline = envs.network.state.burst_slots.clone()
        _, _, _, _, info = envs.step(np.full(4, action))
        chosen = envs.network.state.chosen_slots[:, 0]
        late = torch.from_numpy(~info["in_time"])
        assert (deadline[~late] > envs.network.actions.latency_slots[action]).all()
        assert (chosen[late] == 0).all()  # the sweep when the burst begins was the last
        arrivals.append(torch.where(late, torch.inf, chosen.float()))
    for faster, slower in itertools.pairwise(arrivals):
        assert (slower >= faster).all()
    assert torch.isinf(arrivals[-1]).any()
    assert torch.isfinite(arrivals[0]).any()


def test_an_answer_is_the_best_beams_of_the_twin_where_the_ue_was_when_it_was_asked(envs):
    envs.reset(seed=5)
    network, ue = envs.network, torch.zeros(4, dtype=torch.int64)
    for action, beam_map in enumerate(network.actions.maps):
        beliefs = beam_map.ask(network.sensed(ROWS, ue), network.state.ap)
        beams = network.actions.answer(ROWS, ue, torch.full_like(ue, action))
        for row in range(4):
            best = beliefs.mean_power[row].argsort(descending=True)[:3]
            expected = set(best.tolist()) if beliefs.covered[row] > 0 else set()
            assert set(beams[row].nonzero()[:, 0].tolist()) == expected


def test_all_twins_know_from_one_calibration_where_arrays_point(envs):
    core = envs.core
    assert float(core.network.yaw_error_rad.abs().max()) > 0.05
    for world, beam_map in zip(envs.network.actions.twins, envs.network.actions.maps):
        torch.testing.assert_close(beam_map.twin.atlas.gain, core.site.twin(world).gain)
        assert torch.equal(beam_map.yaw_error_rad, core.network.yaw_error_rad)


def test_deadlines_differ_and_are_seen(envs):
    observation, _ = envs.reset(seed=7)
    seen = set()
    for _ in range(5):
        shown = envs.observation_layout.value(observation, "burst")
        np.testing.assert_allclose(10**shown, envs.network.state.burst_slots.numpy(), rtol=1e-3)
        state, schedule = envs.network.state, envs.network.schedule
        begin = state.now_slots[:, None] + envs.network.actions.latency_slots
        begin = torch.maximum(begin, schedule.serves(state.now_slots, torch.full((4,), 7))[:, None])
        there = schedule.serves(begin, torch.full_like(begin, 4)) < (state.now_slots + state.burst_slots)[:, None]
        assert np.array_equal(envs.observation_layout.value(observation, "in_time"), there.float().numpy())
        seen |= set(envs.network.state.burst_slots.tolist())
        observation, *_ = envs.step(np.zeros(4, np.int64))
    assert seen <= {40, 80, 160, 320, 640}
    assert len(seen) > 2


def test_the_reward_is_delivered_less_sweep_cost():
    env = TwinFidelityEnv(**SMALL)
    env.reset(seed=2)
    total, truncated = 0.0, False
    while not truncated:
        _, reward, _, truncated, info = env.step(0)
        spent = info["ssb_cost"] + info["sweep_cost"] + info["feedback_cost"]
        assert reward == pytest.approx(info["delivered"] - spent, abs=1e-6)
        assert info["sweep_cost"] > 0
        assert all(f"`{key}`" in TwinFidelityEnv.__doc__ for key in info)
        total += reward
    assert 0 < total < 8


def test_a_site_that_does_not_know_its_latencies_is_refused_with_what_to_do():
    with pytest.raises(ConfigurationError, match="got 'munich' with 0; use 'munich-28ghz'"):
        twin_latency_s(load_site("munich"))


def test_the_view_tells_what_was_asked_and_whether_its_beams_could_serve_in_time(envs):
    observation, _ = envs.reset(seed=5)
    assert envs.task.snapshot(0).decided is None
    seen = set()
    for step in range(4):
        could = envs.observation_layout.value(observation, "in_time")[:, 3] > 0
        observation, _, _, _, infos = envs.step(np.full(4, 3))
        texts = [envs.task.snapshot(row).decision for row in range(4)]
        assert all(text.startswith(f"UE {step % 2}: asks twin-diffraction, ") for text in texts)
        assert [not text.endswith(", too late") for text in texts] == could.tolist()
        assert not (infos["in_time"] & ~could).any()
        seen |= set(could.tolist())
        json.dumps(texts)
    assert seen == {False, True}


def test_twins_that_have_learnt_can_be_asked_beside_the_traced_worlds():
    options = SMALL | {"learnt_twins": "kriging", "commissioning_places": 30, "latency_scale": 1.0}
    env = TwinFidelityEnv(**options, learnt_latency_s=0.002)
    actions = env.network.actions
    assert actions.twins == ("kriging", "twin-los", "twin-depth1", "twin", "twin-diffraction")
    assert actions.latency_slots[0] == int(np.ceil(0.002 / env.core.slot_s))
    assert env.action_space.n == 5
    observation, _ = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    nobody = torch.zeros(1, dtype=torch.int64)
    assert actions.answer(nobody, nobody, nobody).sum() == 3
    assert env.observation_space.contains(env.step(0)[0])
    slow = TwinFidelityEnv(**options, learnt_latency_s=5.0)
    assert slow.network.actions.twins[-1] == "kriging"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learnt_twins": "krigging"}, "did you mean 'kriging'"),
        ({"learnt_twins": "neural+neural"}, r"learnt_twins must be named once each, got 'neural\+neural'"),
        ({"learnt_twins": 3}, "learnt_twins must be names .* got 3"),
        ({"learnt_twins": "kriging"}, "commissioning_places must be 10 or more.* for 'kriging'.* got 0"),
        ({"learnt_twins": "kriging", "commissioning_places": 9}, "commissioning_places must be 10 or more .* got 9"),
        ({"learnt_latency_s": 0.0}, "learnt_latency_s must be from 1e-06 to 10.0, got 0.0"),
    ],
)
def test_learnt_twins_that_will_not_do_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        TwinFidelityEnv(**SMALL, **options)
