"""Rules about sweeps do what they say."""

import pytest
import torch

from twin_envs.agents.beams.rules import AgedReport, CloseReport, LastBeam
from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError

BEAM = 25


@pytest.fixture
def ask(envs):
    """Sets the beam in use, the SSBs' SNR [dB], and age [slots] and speed of the UE, and asks for centre and width."""
    envs.reset(seed=0)

    def ask(policy, *, beam=BEAM, ssb_db=(20.0, 0.0), age_slots=100, speed_m_s=0.0):
        state, network = envs.network.state, envs.network
        state.now_slots[:] = 320
        state.beam[:] = beam
        state.chosen_slots[:] = 320 - age_slots
        state.snr[..., 64:] = 1e-3
        state.snr[..., 64 : 64 + len(ssb_db)] = 10 ** (torch.tensor(ssb_db) / 10)
        network.sensing.velocity[:] = torch.tensor([speed_m_s, 0.0])
        action, _ = policy.predict(None)
        assert (action == action[0]).all()
        return divmod(int(action[0]), 5)

    return ask


def test_the_last_beam_is_the_centre(attached, ask):
    assert [ask(attached(LastBeam(width))) for width in range(5)] == [(BEAM, width) for width in range(5)]


def test_the_centre_of_a_wide_beam_is_one_of_its_middle(attached, ask):
    """SSB 6 of 16 is the third group of four columns in the second row: beams 24 to 27."""
    assert ask(attached(LastBeam(1)), beam=64 + 6)[0] in (25, 26)


def test_a_close_second_ssb_is_a_reason_to_sweep(attached, ask):
    policy = attached(CloseReport(2, 3.0))
    assert [ask(policy, ssb_db=(20.0, second))[1] for second in (10.0, 16.5, 17.5, 20.0)] == [0, 0, 2, 2]


def test_a_way_gone_since_the_report_is_a_reason_to_sweep(attached, ask):
    policy = attached(AgedReport(1, 0.1))
    slot_s = 125e-6
    for age_slots, speed_m_s in ((100, 1.0), (100, 10.0), (10, 10.0), (300, 0.0)):
        swept = age_slots * slot_s * speed_m_s > 0.1
        assert ask(policy, age_slots=age_slots, speed_m_s=speed_m_s) == (BEAM, int(swept))


@pytest.mark.parametrize(
    "make",
    [lambda: CloseReport(0, 1.0), lambda: CloseReport(1, -1.0), lambda: AgedReport(1, -1.0), lambda: LastBeam(5)],
)
def test_constants_outside_their_range_are_refused(make):
    with pytest.raises(ConfigurationError):
        make()


def test_environments_without_sweeps_are_refused():
    envs = make_envs("TwinFidelity", 1, device="cpu", num_ue=2, episode_slots=8000, cycle_slots=8000)
    with pytest.raises(ConfigurationError, match="about sweeps of beams"):
        LastBeam(0).attach(envs.network)
