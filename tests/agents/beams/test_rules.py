"""Rules about sweeps do what they say."""

import pytest

from twin_envs.agents.beams.rules import HierarchicalSweep, LastBeam, PeriodicSweep, TriggeredSweep
from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError

BEAM = 25


@pytest.fixture
def signal(envs):
    """Sets the SNR [dB] of beam `BEAM`, which serves, and asks a policy for centre and width."""
    envs.reset(seed=0)

    def ask(policy, snr_db, first=False):
        state = envs.network.state
        state.now_slots[:] = 0 if first else 320
        state.beam[:] = BEAM
        state.snr[..., BEAM] = 10 ** (snr_db / 10)
        action, _ = policy.predict(None)
        assert (action // 5 == BEAM).all()
        return int(action[0] % 5)

    return ask


def test_the_last_beam_is_the_centre(attached, signal):
    assert [signal(attached(LastBeam(width)), 10) for width in range(5)] == list(range(5))


def test_all_beams_come_round_periodically_and_anew_in_each_episode(attached, signal):
    policy = attached(PeriodicSweep(1, 3))
    assert [signal(policy, 10, first=turn == 0) for turn in range(7)] == [1, 1, 4, 1, 1, 4, 1]
    assert [signal(policy, 10, first=turn == 0) for turn in range(3)] == [1, 1, 4]


def test_a_fallen_signal_triggers_a_sweep_of_all_beams_once(attached, signal):
    policy = attached(TriggeredSweep(2, 6.0))
    widths = [signal(policy, snr_db, first=turn == 0) for turn, snr_db in enumerate((20, 15, 22, 17, 15, 15, 8))]
    assert widths == [2, 2, 2, 2, 4, 2, 4]


def test_sweeps_widen_while_the_signal_stays_low(attached, signal):
    policy = attached(HierarchicalSweep(1, 6.0))
    widths = [signal(policy, snr_db, first=turn == 0) for turn, snr_db in enumerate((20, 10, 10, 10, 10, 20, 10, 19))]
    assert widths == [1, 2, 3, 4, 1, 1, 2, 1]


@pytest.mark.parametrize("make", [lambda: TriggeredSweep(1, 0.0), lambda: PeriodicSweep(1, 0), lambda: LastBeam(5)])
def test_constants_outside_their_range_are_refused(make):
    with pytest.raises(ConfigurationError):
        make()


def test_environments_without_sweeps_are_refused():
    envs = make_envs("TwinFidelity", 1, device="cpu", num_ue=2, episode_slots=8000, cycle_slots=8000)
    with pytest.raises(ConfigurationError, match="about sweeps of beams"):
        LastBeam(0).attach(envs.network)
