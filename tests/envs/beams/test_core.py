"""The cell with beams: turns, sweeps, what they find and what they cost."""

import itertools
import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.envs.beams.core import Sweep

ALL_ROWS = torch.arange(6)


def run(cell, swept, steps, size=3):
    return [cell.step(ALL_ROWS[: cell.num_envs], swept(cell, size)) for _ in range(steps)]


def test_every_ue_wakes_up_once_in_a_cycle(make_cell, swept):
    cell, turns = make_cell(), []
    for _ in range(7):
        turns.append((int(cell.network.state.now_slots[0]), int(cell.network.state.turn[0])))
        cell.step(ALL_ROWS, swept(cell, 1))
    assert turns == [(320 * k, k % 3) for k in range(7)]


def test_an_episode_lasts_as_long_as_it_should(make_cell, swept):
    outcomes = run(make_cell(), swept, 10)
    assert [bool(o.truncated[0]) for o in outcomes] == [False] * 9 + [True]
    assert all((o.elapsed_slots == 320).all() for o in outcomes)


def test_bursts_that_the_uplink_may_swallow_are_refused(make_cell):
    make_cell(burst_slots=2)
    with pytest.raises(ConfigurationError, match=r"burst_slots must be 3 or more, longer than the 2 uplink slots of"):
        make_cell(burst_slots=2, tdd_pattern="DDDDDDDSUU")


def test_bursts_that_do_not_fit_into_the_cycle_are_refused(make_cell):
    with pytest.raises(ConfigurationError, match=r"burst_slots, the longest, in cycle_slots / num_ue .* 1 to 60"):
        make_cell(num_ue=16)


def test_the_power_of_a_beam_is_that_of_its_weights_on_the_channel_by_distances(make_cell):
    cell = make_cell(blockers=0, self_blocking=False, neighbour_load=0.0)
    rows, ue, time_s = ALL_ROWS, torch.full((6,), 1), torch.full((6,), 0.01, dtype=torch.float64)
    got = cell.beam_snr(rows, ue, time_s).numpy()
    reality, recipe = cell.reality, cell.site.recipe
    position = reality.position(rows, time_s)[0][rows, ue]
    paths = reality.atlas.paths(position, reality.state.ap)
    antenna = reality.atlas.antenna_m[reality.state.ap].double().numpy()
    image, gain = paths.image_m.double().numpy(), paths.gain.numpy().astype(np.complex128)
    distance = np.linalg.norm(image[:, :, None] - antenna[:, None], axis=-1)
    length = np.linalg.norm(image, axis=-1)[..., None]
    row, column = np.divmod(np.arange(cell.network.codebook.beams), recipe.array.columns)
    up, across = row - (recipe.array.rows - 1) / 2, column - (recipe.array.columns - 1) / 2
    cycles = np.outer(up / recipe.array.rows, up) + np.outer(across / recipe.array.columns, across)
    turn = np.exp(-2j * np.pi * cycles) / math.sqrt(cell.network.codebook.beams)
    turn = np.concatenate([turn, turn.reshape(16, 4, -1).sum(1) / 2])
    for subband, offset_hz in enumerate(cell.subband_hz.tolist()):
        phase = -2j * np.pi / SPEED_OF_LIGHT * (recipe.carrier_hz * distance + offset_hz * length)
        h = (gain[..., None] * np.exp(phase)).sum(1)
        expected = np.abs(h @ turn.T) ** 2 / cell.noise
        np.testing.assert_allclose(got[:, subband], expected, rtol=0.02, atol=0.01 * expected.max())


def test_one_beam_is_as_strong_alone_as_among_all(make_cell):
    cell = make_cell()
    time_s, beam = torch.zeros(6, dtype=torch.float64), torch.arange(6) * 3
    all_beams = cell.beam_snr(ALL_ROWS, ALL_ROWS * 0, time_s)
    alone = cell.beam_snr(ALL_ROWS, ALL_ROWS * 0, time_s, beam)[..., 0]
    torch.testing.assert_close(alone, all_beams[ALL_ROWS, :, beam], rtol=1e-3, atol=1e-6)


def test_a_wider_sweep_never_finds_a_worse_beam_where_there_is_no_noise(make_cell, beams, swept, monkeypatch):
    monkeypatch.setattr("twin_envs.envs.beams.core.beam_pilots", lambda recipe, symbols: 1e18)
    found = []
    for size in (1, 3, 7, 15, 64):
        cell = make_cell()
        cell.step(ALL_ROWS, swept(cell, size, centre=25))
        beam = cell.network.state.beam[ALL_ROWS, 0]
        assert beams(cell, size, centre=25)[ALL_ROWS, beam].all()
        start = torch.zeros(6, dtype=torch.float64)
        found.append(cell.beam_snr(ALL_ROWS, ALL_ROWS * 0, start, beam).mean((1, 2)))
    for narrow, wide in itertools.pairwise(found):
        assert (wide >= narrow * (1 - 1e-5)).all()
    assert (found[-1] > found[0]).any()


def test_the_best_measured_beam_serves_and_only_swept_beams_are_measured_anew(make_cell, beams, swept):
    cell = make_cell()
    run(cell, swept, 4)
    state, before = cell.network.state, cell.network.state.snr.clone()
    ue, now, among = state.turn.clone(), state.now_slots.clone(), beams(cell, 7, centre=20)
    cell.step(ALL_ROWS, swept(cell, 7, centre=20))
    measured, beam = state.measured_slots[ALL_ROWS, ue], state.beam[ALL_ROWS, ue]
    assert among[ALL_ROWS, beam].all()
    serving = torch.nn.functional.one_hot(beam, 80).bool()
    others = among & ~serving
    assert (measured[others] == now[:, None].expand(-1, 80)[others]).all()
    assert torch.equal(measured[serving], now + cell.config.burst_slots)  # as it was at the end of the burst
    assert (state.snr[ALL_ROWS, ue].where(others, 0).amax(-1) <= state.chosen_snr[ALL_ROWS, ue]).all()
    assert torch.equal(state.snr[ALL_ROWS, ue][~among], before[ALL_ROWS, ue][~among])


def test_a_report_tells_the_four_strongest_ssbs_and_bounds_the_others(make_cell):
    cell = make_cell(num_envs=64)
    env, ue = torch.arange(64).repeat_interleave(3), torch.arange(3).repeat(64)
    state = cell.network.state
    got, bound = state.snr[env, ue, 64:], state.bound[env, ue, 64:]
    assert (bound.sum(-1) == 12).all()
    truth = cell.beam_snr(env, ue, torch.zeros(192, dtype=torch.float64))[:, 1:3, 64:].mean(1)
    loud = (truth.amax(-1) > 3.0) & (truth.amax(-1) < 3000.0)  # reports end at 40 dB
    assert int(loud.sum()) > 100
    named = state.beam[env, ue] - 64
    assert torch.equal(got.gather(-1, named[:, None])[:, 0], got.amax(-1))
    strongest = truth.gather(-1, named[:, None])[:, 0]
    error_db = (10 * (got.amax(-1) / strongest).log10())[loud]
    # 127 resource elements, and steps of 0.5 dB
    spread_db = (((2 * strongest + 1) / 127).sqrt() / strongest * 10 / math.log(10))[loud]
    expected = (spread_db.square() + 0.5**2 / 12).mean().sqrt()
    assert float(error_db.std()) == pytest.approx(float(expected), rel=0.25)
    least = got.amin(-1, keepdim=True).expand_as(got)
    assert torch.equal(got[bound], least[bound])
    assert (state.measured_slots[env, ue, :64] < 0).all()


def test_a_sweep_takes_its_symbols_and_the_old_beam_serves_until_it_is_reported(make_cell, swept):
    """7 beams in slot 0, which has 13 symbols after PDCCH less two SSBs of 4: 5, and 2 in slot 1; four slots to process
    go to slot 6, the uplink slot is 9, and from slot 10 on the best beam serves."""
    cell = make_cell()
    begun = cell.network.state.beam[:, 0].clone()
    step = cell.step(ALL_ROWS, swept(cell, 7))
    rate = cell.network.state.bits_per_re[:, 0]
    hz_s = 10 * 80 * cell.slot_s * cell.site.recipe.bandwidth_hz
    # 8 whole slots of 10 with 12 symbols for data, and a special one with 10 less PDCCH and DM-RS, for 66 blocks
    total = 8 * (8 * 12 + 8) * 792
    torch.testing.assert_close(step.delivered, total * rate / hz_s, rtol=1e-4, atol=0)
    # in the first 10 slots the old beam serves
    old = cell.beam_snr(ALL_ROWS, ALL_ROWS * 0, torch.full((6,), 5 * cell.slot_s, dtype=torch.float64), begun)
    bits_per_re = torch.log2(1 + old[..., 0]).mean(-1)
    torch.testing.assert_close(step.info["sweep_cost"], 7 * 792 * bits_per_re / hz_s, rtol=0.1, atol=1e-4)


def test_ssbs_take_the_whole_carrier_whoever_is_served(make_cell, swept):
    """16 SSBs of 4 symbols in the first 8 slots, while a beam alone serves from the beginning."""
    cell = make_cell()
    step = cell.step(ALL_ROWS, swept(cell, 1))
    hz_s = 10 * 80 * cell.slot_s * cell.site.recipe.bandwidth_hz
    rate = cell.network.state.bits_per_re[:, 0]
    torch.testing.assert_close(step.info["ssb_cost"], 64 * 792 * rate / hz_s, rtol=1e-4, atol=0)
    assert (step.info["sweep_cost"] == 0).all()
    blocks = cell.network.state.report_blocks
    assert (blocks > 0).all()


def test_reports_are_charged_the_blocks_that_their_bits_need(make_cell, swept):
    """A report of 4 of 16 SSBs has 4 x 4 + 7 + 3 x 4 = 35 bits, 46 with CRC. A block carries 12 x 12 elements of at
    least 0.06 bits each; at 0.32 bits or more one is enough."""
    cell, dear = make_cell(), make_cell(uplink_price=10.0)
    blocks = cell.network.state.report_blocks.clone()
    assert int(blocks.min()) == 1
    assert (blocks <= 6).all()
    one, ten = (core.step(ALL_ROWS, swept(core, 1)) for core in (cell, dear))
    hz_s = 10 * 80 * cell.slot_s * cell.site.recipe.bandwidth_hz
    rate = cell.network.state.bits_per_re[:, 0]
    torch.testing.assert_close(one.info["feedback_cost"], blocks * 168 * rate / hz_s, rtol=1e-4, atol=0)
    torch.testing.assert_close(ten.info["feedback_cost"], 10 * one.info["feedback_cost"])
    swept_too = make_cell()
    more = swept_too.step(ALL_ROWS, swept(swept_too, 3))
    spent = more.info["feedback_cost"] * hz_s / swept_too.network.state.bits_per_re[:, 0] / 168
    assert (spent.round() >= blocks + 1).all()


def test_what_is_spent_is_the_overhead(make_cell, swept):
    cell = make_cell()
    cell.step(ALL_ROWS, swept(cell, 7))
    spent = (64 + 7) * 792
    feedback = cell.network.state.overhead * (8 * 104 * 792) - spent
    assert (feedback / 168 - (feedback / 168).round()).abs().max() < 0.01
    assert (feedback >= 2 * 168 - 1).all()


def test_who_does_not_report_ssbs_keeps_the_beam_of_the_last_burst(make_cell, swept):
    cell = make_cell(ssb_report=False)
    beam = []
    for turn in range(6):
        if turn >= 3:
            assert torch.equal(cell.network.state.beam[:, turn - 3], beam[turn - 3])
        step = cell.step(ALL_ROWS, swept(cell, 15))
        beam.append(cell.network.state.beam[:, turn % 3].clone())
        assert (cell.network.state.report_blocks == 0).all()
        assert (step.info["feedback_cost"] > 0).any()  # of the sweep


def test_a_sweep_that_cannot_be_reported_before_the_end_is_not_made(make_cell, swept):
    for burst, size, made in ((10, 3, False), (11, 3, True), (20, 64, False), (30, 64, True)):
        cell = make_cell(burst_slots=burst)
        begun = cell.network.state.beam[:, 0].clone()
        step = cell.step(ALL_ROWS, swept(cell, size, centre=63))
        assert (step.facts["in_time"] == made).all()
        assert (step.info["sweep_cost"] > 0).any() if made else (step.info["sweep_cost"] == 0).all()
        if not made:
            assert torch.equal(cell.network.state.beam[:, 0], begun)


def test_a_sweep_may_not_take_more_than_there_is(make_cell, swept):
    cell = make_cell(symbols_per_beam=4)
    for _ in range(3):
        step = cell.step(ALL_ROWS, swept(cell, 64))
        assert (step.info["sweep_cost"] + step.info["ssb_cost"] <= step.delivered * (1 + 1e-5)).all()
    assert (step.info["sweep_cost"] > 0).any()


def test_a_later_sweep_comes_when_it_is_due_and_costs_as_well(make_cell, swept):
    cell, once = make_cell(), make_cell()
    once.step(ALL_ROWS, swept(once, 3))
    step = cell.step(ALL_ROWS, swept(cell, 3), swept(cell, 64, after=30))
    state = cell.network.state
    assert (state.swept[:, 0] == 67).all()
    assert (state.chosen_slots[:, 0] == 30).all()
    assert (state.measured_slots[:, 0] == 30).sum() == 6 * 63
    assert (step.info["sweep_cost"] > 0).all()
    assert (state.overhead > once.network.state.overhead + 64 * 792 / (8 * 104 * 792)).all()


@pytest.mark.parametrize("slots", [70, 80, 5000])
def test_a_sweep_that_comes_too_late_changes_nothing(make_cell, swept, slots):
    cell, without = make_cell(), make_cell()
    expected = without.step(ALL_ROWS, swept(without, 3))
    step = cell.step(ALL_ROWS, swept(cell, 3), swept(cell, 64, after=slots))
    torch.testing.assert_close(step.delivered, expected.delivered)
    torch.testing.assert_close(step.info["sweep_cost"], expected.info["sweep_cost"])
    assert torch.equal(cell.network.state.snr[:, 0], without.network.state.snr[:, 0])


def test_bursts_are_drawn_from_those_that_there_are(make_cell, swept):
    cell, seen = make_cell(bursts_slots=(40, 80, 160)), []
    for _ in range(20):
        seen.append(cell.network.state.burst_slots.clone())
        ue = cell.network.state.turn.clone()
        start = cell.network.state.now_slots.clone()
        cell.step(ALL_ROWS, swept(cell, 1))
        end = cell.network.state.measured_slots[ALL_ROWS, ue].amax(-1)
        assert torch.equal(end, start + seen[-1])
    counts = torch.bincount(torch.cat(seen), minlength=161)
    assert counts[[40, 80, 160]].sum() == 120
    assert (counts[[40, 80, 160]] > 20).all()


def test_the_return_of_bursts_is_their_mean_however_long_they_are(make_cell, swept):
    totals = []
    for burst in (20, 160):
        cell = make_cell(bursts_slots=(burst,), blockers=0)
        totals.append(sum(o.delivered for o in run(cell, swept, 10, size=1)).mean())
    assert float(totals[0]) == pytest.approx(float(totals[1]), rel=0.1)


def test_blocked_paths_cost_rate(make_cell, swept):
    total = {}
    for blockers, body in ((0, False), (8, False), (0, True)):
        cell = make_cell(num_envs=6, blockers=blockers, self_blocking=body)
        total[blockers, body] = float(sum(o.delivered for o in run(cell, swept, 10, size=64)).mean())
    assert total[8, False] < total[0, False]
    assert total[0, True] < total[0, False]


def test_an_environment_of_a_batch_behaves_as_it_would_alone(make_cell, swept):
    batch, alone, row = make_cell(link="nr"), make_cell(num_envs=1, link="nr"), torch.zeros(1, dtype=torch.int64)
    alone.reset(row, torch.tensor([1004]))
    for size in (3, 7, 1, 64, 3, 3):
        one = batch.step(ALL_ROWS, swept(batch, size), swept(batch, 3, after=20))
        other = alone.step(row, swept(alone, size), swept(alone, 3, after=20))
        torch.testing.assert_close(one.delivered[4:5], other.delivered, rtol=1e-4, atol=1e-6)
        assert torch.equal(batch.network.state.beam[4:5], alone.network.state.beam)
        torch.testing.assert_close(batch.network.state.snr[4:5], alone.network.state.snr, rtol=1e-3, atol=1e-4)


def test_environments_may_be_stepped_in_any_company(make_cell, beams, swept):
    together, apart = make_cell(), make_cell()
    among = beams(together, 7)
    expected = together.step(ALL_ROWS, swept(together, 7))
    for rows in (torch.tensor([0, 3]), torch.tensor([1, 2, 4, 5])):
        some = Sweep(beams=among[rows])
        got = apart.step(rows, lambda some=some: some)
        torch.testing.assert_close(got.delivered, expected.delivered[rows], rtol=1e-4, atol=1e-6)
    assert torch.equal(together.network.state.beam, apart.network.state.beam)


def test_equal_decisions_meet_equal_noise_whatever_was_swept_before(make_cell, swept):
    one, other = make_cell(), make_cell()
    run(one, swept, 1, size=1)
    run(other, swept, 1, size=64)
    for cell in (one, other):
        cell.step(ALL_ROWS, swept(cell, 7, centre=20))
    torch.testing.assert_close(
        one.network.state.snr[ALL_ROWS, 1], other.network.state.snr[ALL_ROWS, 1], rtol=1e-4, atol=1e-5
    )
