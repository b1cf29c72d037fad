"""What was measured corrects what the twin says."""

import torch

from twin_envs.agents.beams.correction import CorrectionConfig, TwinCorrection
from twin_envs.base.units import linear_to_db


def test_what_was_measured_just_now_is_believed_and_fades(envs):
    envs.reset(seed=2)
    rows, state = torch.arange(2), envs.network.state
    correction = TwinCorrection(envs.network, CorrectionConfig(own_db=0.1, memory_s=1.0, memory_m=1e6))
    correction.begin(rows)
    found_db = linear_to_db(state.snr[:, 0], -10.0)
    told = (state.measured_slots[:, 0] == 0) & ~state.bound[:, 0]
    assert (told.sum(-1) == 4).all()  # of the SSBs
    fresh = correction.sample_snr_db(rows, rows * 0)
    assert float((fresh.mean(1) - found_db)[told].abs().mean()) < 1.0
    state.now_slots[:] = round(20.0 / envs.network.slot_s)
    old = correction.sample_snr_db(rows, rows * 0)
    assert float(old.std(1)[told].mean()) > 3 * float(fresh.std(1)[told].mean())


def test_a_bound_tells_only_of_beams_that_are_expected_above_it(envs):
    envs.reset(seed=2)
    rows, state = torch.arange(2), envs.network.state

    def believed_db(bound_db):
        state.snr[:, 0][state.bound[:, 0]] = 10 ** (bound_db / 10)
        correction = TwinCorrection(envs.network, CorrectionConfig(memory_s=1e6, memory_m=1e6))
        correction.begin(rows)
        return correction.sample_snr_db(rows, rows * 0).mean(1)[state.bound[:, 0]]

    high, higher, low = believed_db(60.0), believed_db(80.0), believed_db(-9.0)
    torch.testing.assert_close(high, higher)  # above all that the twin expects
    assert float(low.mean()) < float(high.mean())
