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
    fresh = correction.sample_snr_db(rows, rows * 0)
    assert float((fresh.mean(1) - found_db).abs().mean()) < 1.0
    state.now_slots[:] = round(20.0 / envs.network.slot_s)
    old = correction.sample_snr_db(rows, rows * 0)
    assert float(old.std(1).mean()) > 3 * float(fresh.std(1).mean())
