"""Who shares a slot in a cell with more UEs than a slot serves, and what that is worth."""

import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.configuration import CellConfig

NUM_ENVS, NUM_UE = 4, 16
ROWS = torch.arange(NUM_ENVS)
CROWDED = {
    "num_envs": NUM_ENVS,
    "num_ue": NUM_UE,
    "scheduler": "proportional-fair",
    "link": "nr",
    "csi_uplink_share": 0.05,
    "episode_slots": 2000,
}
PORTS, CONTROL_ELEMENTS = 8, 8  # of enhanced DM-RS of type 1; of PDCCH in a symbol of 51 blocks, each of 6


@pytest.fixture
def cell(make_cell):
    """4 cells of 16 UEs each, of which a slot serves 8 at most."""
    return make_cell(dmrs_type=1, **CROWDED)


def control_elements(cell):
    """CCEs [B, U] that carry a PDCCH of 84 bits, 3 dB behind Shannon's bound, 54 resource elements in each."""
    snr = (np.abs(cell.network.state.h_hat.numpy()) ** 2).mean((1, 3)) / cell.noise
    bits = 54 * np.log2(1 + snr / 10**0.3)
    return np.select([bits * level >= 84 for level in (1, 2, 4, 8)], (1, 2, 4, 8), 16)


def walk(cell, decide, steps):
    """Let each UE report again 80 slots after its report; yields who was scheduled, the state before, the outcome."""
    for _ in range(steps):
        before = {name: getattr(cell.network.state, name).clone() for name in ("offset_db", "acknowledged")}
        scheduled = cell.network.state.scheduled.clone()
        yield scheduled, before, cell.step(ROWS, decide(cell, 80))


def test_who_is_not_scheduled_gets_nothing_and_link_adaptation_learns_nothing_of_it(cell, decide):
    waited = learnt = got_some = sent_to = 0
    for scheduled, before, outcome in walk(cell, decide, 12):
        state, sent = cell.network.state, (outcome.elapsed_slots > 0)[:, None]
        waits, served = sent & ~scheduled, sent & scheduled
        for got in (state.bits_per_re, outcome.delivered_by_ue):
            assert (got[waits] == 0).all()
        got_some, sent_to = got_some + int((outcome.delivered_by_ue[served] > 0).sum()), sent_to + int(served.sum())
        assert torch.equal(state.offset_db[waits], before["offset_db"][waits])
        assert torch.equal(state.acknowledged[waits], before["acknowledged"][waits])
        changed = (state.offset_db != before["offset_db"]).any(-1)
        waited, learnt = waited + int(waits.sum()), learnt + int(changed[served].sum())
    assert waited > 100
    assert got_some > 0.6 * sent_to  # the blocks of the others were lost
    assert learnt > 50


def test_no_power_goes_to_who_is_not_scheduled_and_all_of_it_to_the_others(cell, decide):
    for _ in walk(cell, decide, 3):
        state = cell.network.state
        power = state.w.abs().square().sum(2)  # [B, F, U]
        out = ~state.scheduled[:, None].expand_as(power)
        assert (power[out] == 0).all()
        assert (power[~out] > 0).all()
        np.testing.assert_allclose(power.sum(-1).numpy(), 1.0, rtol=1e-4)


def test_no_more_share_a_slot_than_dm_rs_has_ports_and_pdcch_has_room_for(cell, decide):
    most, fullest = 0, 0
    for _ in walk(cell, decide, 12):
        scheduled = cell.network.state.scheduled.numpy()
        taken = (control_elements(cell) * scheduled).sum(1)
        assert (scheduled.sum(1) >= 1).all()
        assert (scheduled.sum(1) <= PORTS).all()
        assert (taken <= CONTROL_ELEMENTS).all()
        most, fullest = max(most, scheduled.sum(1).max()), max(fullest, taken.max())
    assert most > 4
    assert fullest > 6


def test_every_ue_that_pdcch_reaches_is_served_in_time(cell, decide):
    reached, served = np.ones((NUM_ENVS, NUM_UE), bool), np.zeros((NUM_ENVS, NUM_UE), bool)
    for scheduled, _, _ in walk(cell, decide, 120):
        reached &= control_elements(cell) <= CONTROL_ELEMENTS
        served |= scheduled.numpy()
    assert cell.network.state.now_slots.min() > 200
    assert reached.mean() > 0.9
    assert served[reached].all()


def test_a_ue_is_scheduled_for_what_link_adaptation_would_grant_it(make_cell, decide):
    """The outer loop's offset counts: nobody gets slots for a rate that it was never able to use."""
    times = []
    for offset_db in (0.0, 20.0):
        cell, scheduled = make_cell(**CROWDED), 0
        for _ in range(12):
            cell.network.state.offset_db[:, :4] = offset_db
            cell.network.state.average_rate.fill_(1.0)
            cell.step(ROWS, decide(cell, 80))
            scheduled += int(cell.network.state.scheduled[:, :4].sum())
        times.append(scheduled)
    assert times[0] > 40
    assert times[1] < times[0] / 3


def test_a_ue_whose_blocks_are_lost_does_not_take_slot_after_slot(cell, decide):
    """What was granted counts, decoded or not: a UE that loses all has had its share."""
    state, lost = cell.network.state, 0
    for _ in range(30):
        state.offset_db.fill_(-20.0)  # every UE is granted far more than it can decode
        before, served = state.average_rate.clone(), state.scheduled.clone()
        outcome = cell.step(ROWS, decide(cell, 80))
        nothing = served & (state.bits_per_re == 0) & (outcome.elapsed_slots > 0)[:, None]
        lost += int(nothing.sum())
        assert (state.average_rate[nothing] > before[nothing] * math.exp(-outcome.elapsed_slots.max() / 200)).all()
    assert lost > 100


def test_averages_forget_with_a_memory_of_200_slots(make_cell, decide):
    cell = make_cell(**{**CROWDED, "link": "shannon"})  # where all is decoded that is granted
    state = cell.network.state
    rate = np.zeros((NUM_ENVS, NUM_UE))
    for *_, outcome in walk(cell, decide, 12):
        for _ in range(int(outcome.elapsed_slots[0])):  # a report of a block goes after the same time in all cells
            rate += -math.expm1(-1 / 200) * (state.bits_per_re.numpy() - rate)
        np.testing.assert_allclose(state.average_rate.numpy(), rate, atol=1e-4)


def test_choosing_who_shares_a_slot_serves_ues_more_evenly_than_serving_everybody(make_cell, decide):
    """Proportional fairness seeks the highest sum of the logarithms of the UEs' rates."""
    mean_logarithm = []
    for scheduler in ("all", "proportional-fair"):
        cell = make_cell(**{**CROWDED, "num_ue": 12, "link": "shannon", "codeword_bits": 56, "scheduler": scheduler})
        got = sum(outcome.delivered_by_ue for *_, outcome in walk(cell, decide, 40))
        mean_logarithm.append(got.clamp_min(1e-6).log().mean())
    assert mean_logarithm[1] > mean_logarithm[0] + 0.05


@pytest.mark.parametrize(("dmrs_type", "ports"), [(1, 8), (2, 12)])
def test_more_ues_at_once_than_dm_rs_has_ports_are_refused_unless_some_are_chosen(make_cell, dmrs_type, ports):
    assert make_cell(num_ue=ports, dmrs_type=dmrs_type, num_envs=1).network.state.scheduled.all()
    with pytest.raises(
        ConfigurationError, match=f"num_ue must be {ports} or less with scheduler 'all'.*got {ports + 1}"
    ):
        make_cell(num_ue=ports + 1, dmrs_type=dmrs_type, num_envs=1)
    many = make_cell(num_ue=ports + 1, dmrs_type=dmrs_type, num_envs=1, scheduler="proportional-fair")
    assert 1 <= many.network.state.scheduled.sum() <= ports


def test_a_scheduler_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match=r"scheduler must be one of.*'all'.*'proportional-fair'"):
        CellConfig(scheduler="round-robin")
