"""BeamSelection: what actions mean, what is earned, and what is seen."""

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import linear_to_db
from twin_envs.envs.beams.beam_selection import BeamSelectionEnv, BeamSelectionVectorEnv

SMALL = {"num_ue": 2, "episode_slots": 3000, "cycle_slots": 960, "device": "cpu"}


@pytest.fixture(scope="module")
def envs():
    return BeamSelectionVectorEnv(4, **SMALL)


@pytest.mark.parametrize(("width", "count"), list(enumerate((1, 3, 7, 15, 64))))
def test_an_action_is_a_centre_and_a_width(envs, width, count):
    envs.reset(seed=1)
    centre = 22
    _, _, _, _, info = envs.step(np.full(4, centre * 5 + width))
    assert (info["swept"] == (count if count > 1 else 0)).all()
    measured = (envs.network.state.measured_slots[:, 0, :64] >= 0).sum(-1)
    assert (measured == count).all()  # a beam alone when its burst has ended
    beams = envs.network.codebook.swept(torch.tensor([centre]), torch.tensor([count]))[0]
    assert beams[info["beam"]].all()


def test_the_return_is_delivered_less_what_sweeps_take():
    env = BeamSelectionEnv(**SMALL)
    env.reset(seed=2)
    total, truncated, steps = 0.0, False, 0
    while not truncated:
        turn = env.network.state.turn
        beam = int(env.network.nearest(turn * 0, turn)[0])
        _, reward, _, truncated, info = env.step(beam * 5 + 1)
        spent = info["ssb_cost"] + info["sweep_cost"] + info["feedback_cost"]
        assert reward == pytest.approx(info["delivered"] - spent, abs=1e-6)
        share = 3 * 12 * env.network.carrier_blocks / (8 * 104 * 12 * env.network.carrier_blocks)
        assert 0 <= info["sweep_cost"] <= share * info["delivered"] * 1.001  # the old beam was no better, if as good
        assert all(f"`{key}`" in BeamSelectionEnv.__doc__ for key in info)
        total, steps = total + reward, steps + 1
    assert steps == 7
    assert 0 < total < 8


def test_what_is_observed_is_what_the_network_knows(envs):
    observation, _ = envs.reset(seed=3)
    for _ in range(3):
        observation, *_ = envs.step(np.arange(4) * 40)
    network, rows = envs.network, torch.arange(4)
    state, ue, layout = network.state, network.state.turn, envs.observation_layout
    snr = layout.value(observation, "measured_snr")
    assert snr.shape == (4, 64)
    expected = linear_to_db(state.snr[rows, ue]).clamp(-30, 50)
    np.testing.assert_allclose(snr, expected[:, :64], atol=1e-4)
    np.testing.assert_allclose(layout.value(observation, "ssb_snr"), expected[:, 64:], atol=1e-4)
    age = 10 ** layout.value(observation, "measured_age")
    expected = (state.now_slots[:, None] - state.measured_slots[rows, ue, :64]).clamp(1, 10**5)
    np.testing.assert_allclose(age, expected.numpy(), rtol=1e-3)
    age = 10 ** layout.value(observation, "report_age")
    np.testing.assert_allclose(age, (state.now_slots - state.chosen_slots[rows, ue]).numpy(), rtol=1e-3)
    assert (layout.value(observation, "wide") == 1).all()  # each has just reported its SSBs
    twin = network.twin.ask(network.sensed(rows, ue), state.ap)
    expected = linear_to_db(twin.mean_power / network.noise).clamp(-30, 50)
    np.testing.assert_allclose(layout.value(observation, "twin_snr"), expected, atol=1e-3)
    column = layout.value(observation, "beam_column") * 15
    np.testing.assert_allclose(column, ((state.beam[rows, ue] - 64) % 4 * 4 + 1.5).numpy(), atol=1e-3)


def test_an_observation_of_an_unknown_place_says_so(envs):
    envs.reset(seed=3)
    state = envs.network.state
    envs.network.sensing.position[:] = 1e5
    with torch.inference_mode():
        observation = envs.task.observe(torch.arange(4), state.turn).numpy()
    assert (envs.observation_layout.value(observation, "known") == 0).all()
    assert (envs.observation_layout.value(observation, "twin_snr") == -30).all()
    assert np.isfinite(observation).all()


def test_the_view_shows_the_beam_in_use_and_tells_the_decision(envs):
    envs.reset(seed=3)
    assert envs.task.snapshot(1).decided is None
    assert envs.task.snapshot(1).notes["swept"].tolist() == [0, 0]
    envs.step(np.full(4, (16 + 12) * 5 + 2))
    shown = envs.task.snapshot(1)
    assert shown.notes["swept"].tolist() == [7, 0]
    assert shown.rate == shown.ue_rate[0]
    assert (shown.decided, shown.deciding) == (0, 1)
    assert shown.decision == "UE 0: sweeps 7 beams about +34 degrees"
    assert len(shown.beams) == len(shown.links) == 2
    yaw = float(envs.network.boresight_rad[shown.serving[0]])
    beam = int(envs.network.state.beam[1, 0])
    assert shown.beams[0].azimuth_rad == pytest.approx(yaw + float(envs.network.codebook.azimuth_rad[beam]), abs=1e-5)
    assert 0 < shown.overhead < 1


def test_too_many_ues_for_the_cycle_are_refused():
    with pytest.raises(ConfigurationError, match="burst_slots, the longest, in cycle_slots / num_ue"):
        BeamSelectionEnv(num_ue=16, cycle_slots=960)
