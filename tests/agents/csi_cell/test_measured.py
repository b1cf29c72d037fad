"""What link adaptation has measured corrects a planner's picture by exactly what the two differ."""

import pytest
import torch

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.csi_cell.appraisal import AGES_SLOTS, expected_sinr
from twin_envs.agents.csi_cell.measured import Trust, correction
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import linear_to_db
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, FIRST_OFFSETS_DB

ROWS, UE = torch.arange(4), torch.tensor([1, 0, 2, 1])
FIRST = Mode(csi_rs=0, additional=0, codeword=3)  # as every UE has reported at the start


@pytest.fixture(scope="module", params=["hold", "hold-aged"])
def cell_and_outlook(request):
    options = {"codec": "csinet", "population": "walkers", "scheduler": "all", "prediction": request.param}
    envs = make_envs("CsiProtocol", 4, num_ue=3, episode_slots=400, **options)
    envs.reset(seed=[1, 2, 3, 4])
    planner = TwinPlanner()
    planner.attach(envs.network)
    with torch.inference_mode():
        return envs.network, planner.outlook(envs.network, ROWS, UE)


@pytest.fixture(autouse=True)
def _inference(cell_and_outlook):
    with torch.inference_mode():
        state = cell_and_outlook[0].state
        state.offset_db.copy_(torch.tensor(FIRST_OFFSETS_DB))
        before = state.now_slots.clone()
        yield
        state.now_slots.copy_(before)


def corrected_db(cell, outlook, trust, ages_slots=AGES_SLOTS):
    """SINR in decibels after the correction, over places and subbands, [N, A]; and without it."""
    mode = FIRST
    by_place = linear_to_db(expected_sinr(outlook, outlook.error[:, mode.csi_rs, mode.codeword])).mean(-1)
    plain = (by_place * outlook.weight[..., None]).sum(1) / outlook.weight.sum(1)[:, None]
    return plain + linear_to_db(correction(cell, ROWS, UE, outlook, ages_slots, trust)), plain


def disturbed(cell, age_slots):
    """Noise and the error that the cell expects of CSI of an age, [N]."""
    return cell.noise + cell.predicted(ROWS, cell.state.report_slots[ROWS, UE] + age_slots).error[ROWS, UE]


def granted_fall(cell, ages_slots=AGES_SLOTS):
    """By how much less link adaptation grants at each age than with fresh CSI [dB], [N, A]."""
    band = torch.bucketize(torch.tensor(ages_slots), torch.tensor(AGE_EDGES_SLOTS), right=True)
    offset_db = cell.state.offset_db[ROWS, UE]
    promised = linear_to_db(torch.stack([disturbed(cell, age) / disturbed(cell, 0) for age in ages_slots], 1))
    return promised + offset_db[:, band] - offset_db[:, :1]


@pytest.mark.parametrize("trust", [Trust(), Trust(level=1.0), Trust(ageing=1.0)])
def test_nobody_is_served_by_more_than_link_adaptation_grants(cell_and_outlook, trust):
    cell, outlook = cell_and_outlook
    cell.state.offset_db[ROWS, UE, 2:] += 4.0  # CSI from 20 slots on is distrusted
    corrected, plain = corrected_db(cell, outlook, trust)
    granted, foreseen = granted_fall(cell), plain[:, :1] - plain
    assert (granted > foreseen + 1.0).any()
    fall = corrected[:, :1] - corrected
    assert (fall >= granted - 1e-3).all()
    if trust.ageing == 0:
        torch.testing.assert_close(fall, granted.maximum(foreseen), rtol=0, atol=1e-3)


def test_full_trust_in_the_level_gives_what_the_reports_promise_less_what_was_learnt(cell_and_outlook):
    cell, outlook = cell_and_outlook
    cell.state.offset_db[ROWS, UE, 0] = torch.tensor([0.0, 1.0, 3.0, -2.0])
    cell.state.now_slots += 40  # as if the SINR were promised then
    age = (cell.state.now_slots[ROWS] - cell.state.report_slots[ROWS, UE]).tolist()
    aged = torch.stack([disturbed(cell, slots)[row] for row, slots in enumerate(age)])
    assert (aged > disturbed(cell, 0)).any() == (cell.config.prediction == "hold-aged")
    promised = linear_to_db(cell.state.expected_sinr[ROWS, UE]).mean(-1) + linear_to_db(aged / disturbed(cell, 0))
    corrected, _ = corrected_db(cell, outlook, Trust(level=1.0))
    torch.testing.assert_close(corrected[:, 0], promised - cell.state.offset_db[ROWS, UE, 0], rtol=0, atol=1e-3)
    untrusted, _ = corrected_db(cell, outlook, Trust())
    torch.testing.assert_close(corrected.diff(dim=1), untrusted.diff(dim=1), rtol=0, atol=1e-3)
    half, _ = corrected_db(cell, outlook, Trust(level=0.5))
    torch.testing.assert_close(half, (untrusted + corrected) / 2, rtol=0, atol=1e-3)


@pytest.mark.parametrize("ages_slots", [AGES_SLOTS, AgeingTwin.ages_slots])
def test_full_trust_in_the_ageing_gives_the_fall_that_was_learnt_where_csi_got_as_old(cell_and_outlook, ages_slots):
    cell, outlook = cell_and_outlook
    cell.state.offset_db[ROWS, UE, :3] = torch.tensor([0.5, 2.5, 4.5])  # of CSI from 0, 10 and 20 slots on
    corrected, plain = corrected_db(cell, outlook, Trust(ageing=1.0), ages_slots)
    ages = torch.tensor(ages_slots)
    promised = linear_to_db(torch.stack([disturbed(cell, age) / disturbed(cell, 0) for age in ages_slots], 1))
    assert (promised[:, -1] > 0).all() == (cell.config.prediction == "hold-aged")
    for low, high, fall in ((0, 10, 0.0), (10, 20, 2.0), (20, 40, 4.0)):
        inside = (ages >= low) & (ages < high)
        torch.testing.assert_close(corrected[:, inside], plain[:, :1] - fall - promised[:, inside], rtol=0, atol=1e-3)
    beyond = ages >= AGE_EDGES_SLOTS[2]
    least = plain[:, :1] - granted_fall(cell, ages_slots)
    torch.testing.assert_close(corrected[:, beyond], plain.minimum(least)[:, beyond], rtol=0, atol=1e-3)


def test_trust_is_from_0_to_1():
    for wrong in ({"level": -0.1}, {"ageing": 1.1}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            Trust(**wrong)
