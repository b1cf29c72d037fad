"""The cell with beams: turns, sweeps, what they find and what they cost."""

import math

import numpy as np
import pytest
import torch

from twin_envs.csi.overhead import data_resource_elements
from twin_envs.envs.beams.cell import Sweep
from twin_envs.units import SPEED_OF_LIGHT

ALL_ROWS = torch.arange(6)


def run(cell, sweep, steps, size=3, wait_slots=0):
    return [cell.step(ALL_ROWS[: cell.num_envs], sweep(cell, size, wait_slots=wait_slots)) for _ in range(steps)]


def test_every_ue_has_one_turn_in_a_period_evenly_spread(make_cell, sweep):
    cell = make_cell()
    turns = []
    for _ in range(9):
        turns.append((int(cell.known.now_slots[0]), int(cell.known.turn[0])))
        cell.step(ALL_ROWS, sweep(cell, 1))
    assert turns == [(20 * k, k % 3) for k in range(9)]


def test_an_episode_lasts_as_long_as_it_should(make_cell, sweep):
    cell = make_cell()
    outcomes = run(cell, sweep, 30)
    assert sum(int(o.elapsed_slots[0]) for o in outcomes) == 600
    assert [bool(o.truncated[0]) for o in outcomes] == [False] * 29 + [True]


def test_the_power_of_a_beam_is_that_of_its_weights_on_the_channel_by_distances(make_cell):
    cell = make_cell(blockers=0, self_blocking=False, neighbour_load=0.0)
    rows, ue, time_s = ALL_ROWS, torch.full((6,), 1), torch.full((6,), 0.01, dtype=torch.float64)
    got = cell.beam_snr(rows, ue, time_s).numpy()
    reality, recipe = cell.reality, cell.site.recipe
    position = reality.position(rows, time_s)[0][rows, ue]
    paths = reality.atlas.paths(position, reality.ap)
    antenna = reality.atlas.antenna_m[reality.ap].double().numpy()
    image, gain = paths.image_m.double().numpy(), paths.gain.numpy().astype(np.complex128)
    distance = np.linalg.norm(image[:, :, None] - antenna[:, None], axis=-1)
    length = np.linalg.norm(image, axis=-1)[..., None]
    row, column = np.divmod(np.arange(cell.codebook.beams), recipe.array.columns)
    turn = np.exp(
        -2j
        * np.pi
        * (
            np.outer((row - (recipe.array.rows - 1) / 2) / recipe.array.rows, row)
            + np.outer((column - (recipe.array.columns - 1) / 2) / recipe.array.columns, column)
        )
    ) / math.sqrt(cell.codebook.beams)
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


def without_noise(cell):
    cell._pilots = 1e18
    return cell


def test_a_wider_sweep_never_finds_a_worse_beam_where_there_is_no_noise(make_cell, sweep):
    found = []
    for size in (1, 3, 7, 15, 32):
        cell = without_noise(make_cell())
        order = sweep(cell, size, centre=9)
        cell.step(ALL_ROWS, order)
        beam = cell.known.beam[ALL_ROWS, 0]
        assert order.beams[ALL_ROWS, beam].all()
        start = torch.zeros(6, dtype=torch.float64)
        found.append(cell.beam_snr(ALL_ROWS, ALL_ROWS * 0, start, beam).mean((1, 2)))
    for narrow, wide in zip(found, found[1:], strict=False):
        assert (wide >= narrow * (1 - 1e-5)).all()
    assert (found[-1] > found[0]).any()


def test_the_best_measured_beam_serves_and_only_swept_beams_are_measured_anew(make_cell, sweep):
    cell = make_cell()
    run(cell, sweep, 4)
    known, before = cell.known, cell.known.snr.clone()
    ue, now = known.turn.clone(), known.now_slots.clone()
    order = sweep(cell, 7, centre=12)
    cell.step(ALL_ROWS, order)
    mine, measured = known.snr[ALL_ROWS, ue], known.measured_slots[ALL_ROWS, ue]
    assert torch.equal(known.beam[ALL_ROWS, ue], torch.where(order.beams, mine, -1.0).argmax(-1))
    assert (measured[order.beams] == now[:, None].expand(-1, 32)[order.beams]).all()
    assert torch.equal(mine[~order.beams], before[ALL_ROWS, ue][~order.beams])


def test_measurements_scatter_about_the_truth_as_much_as_their_pilots_allow(make_cell):
    cell = make_cell(num_envs=64, num_ue=4)
    rows = torch.arange(64)
    env, ue = rows.repeat_interleave(4), torch.arange(4).repeat(64)
    truth = cell.beam_snr(env, ue, torch.zeros(256, dtype=torch.float64)).mean(1)
    got = cell.known.snr[env, ue]
    loud = truth > 1.0
    assert int(loud.sum()) > 500
    pilots = 3 * cell.config.symbols_per_beam * cell.carrier_blocks
    scaled = (got - truth)[loud] / ((2 * truth[loud] + 1) / pilots).sqrt()
    assert float(scaled.mean()) == pytest.approx(0, abs=0.1)
    assert float(scaled.std()) == pytest.approx(1, abs=0.1)


def test_a_sweep_costs_its_symbols_of_the_whole_carrier(make_cell, sweep):
    for size, symbols in ((3, 1), (15, 1), (15, 4)):
        cell = make_cell(symbols_per_beam=symbols)
        outcome = cell.step(ALL_ROWS, sweep(cell, size))
        rate = cell.known.bits_per_re.mean(-1)
        hz_s = 600 * cell.slot_s * cell.site.recipe.bandwidth_hz
        expected = size * symbols * cell.carrier_blocks * 12 * rate / hz_s
        torch.testing.assert_close(outcome.sweep_cost_by_ue[:, 0], expected, rtol=1e-4, atol=0)
        assert (outcome.sweep_cost_by_ue[:, 1:] == 0).all()
        elements = data_resource_elements(outcome.elapsed_slots, cell.carrier_blocks, dmrs_symbols=1)
        delivered = cell.known.bits_per_re * elements[:, None] / 3 / hz_s
        torch.testing.assert_close(outcome.delivered_by_ue, delivered, rtol=1e-4, atol=0)
        torch.testing.assert_close(
            cell.known.overhead, size * symbols * cell.carrier_blocks * 12 / elements, rtol=1e-4, atol=0
        )


def test_a_sweep_that_is_ordered_for_later_comes_then(make_cell, sweep):
    cell = make_cell()
    cell.step(ALL_ROWS, sweep(cell, 32, wait_slots=30))  # the next turn is UE 1's, after 20 slots
    assert (cell.known.swept[:, 0] == 0).all()
    outcome = cell.step(ALL_ROWS, sweep(cell, 1))
    assert (cell.known.swept[:, 0] == 32).all()
    assert (cell.known.chosen_slots[:, 0] == 30).all()
    assert (outcome.sweep_cost_by_ue[:, 0] > 0).all()
    assert (cell.known.measured_slots[:, 0] == 30).all()


@pytest.mark.parametrize("wait_slots", [60, 61, 500])
def test_a_sweep_that_comes_too_late_does_not_come(make_cell, sweep, wait_slots):
    cell = make_cell()
    kept = cell.known.beam[:, 0].clone()
    outcomes = [cell.step(ALL_ROWS, sweep(cell, 32, wait_slots=wait_slots))]
    outcomes += run(cell, sweep, 8, size=1)
    assert torch.equal(cell.known.beam[:, 0], kept)
    assert (cell.known.measured_slots[:, 0] == 0).sum() >= 6 * 31


def test_periods_are_drawn_from_those_that_there_are(make_cell, sweep):
    cell = make_cell(periods_slots=(40, 80, 160), episode_slots=2000)
    seen = set()
    for _ in range(40):
        period, ue = cell.known.period_slots[ALL_ROWS, cell.known.turn], cell.known.turn.clone()
        now = cell.known.now_slots.clone()
        cell.step(ALL_ROWS, sweep(cell, 1))
        seen |= set(period.tolist())
        assert torch.equal(cell.known.due_slots[ALL_ROWS, ue], now + period)
    assert seen == {40, 80, 160}


def test_blocked_paths_cost_rate(make_cell, sweep):
    total = {}
    for blockers, body in ((0, False), (8, False), (0, True)):
        cell = make_cell(num_envs=6, blockers=blockers, self_blocking=body)
        total[blockers, body] = sum(o.delivered_by_ue.sum(-1) for o in run(cell, sweep, 12, size=32))
    assert float(total[8, False].mean()) < float(total[0, False].mean())
    assert float(total[0, True].mean()) < float(total[0, False].mean())


def test_an_environment_of_a_batch_behaves_as_it_would_alone(make_cell, sweep):
    batch, alone = make_cell(), make_cell(num_envs=1)
    alone.reset(torch.zeros(1, dtype=torch.int64), torch.tensor([1004]))
    for size in (3, 7, 1, 32, 3, 3):
        one = batch.step(ALL_ROWS, sweep(batch, size))
        order = sweep(batch, size)
        other = alone.step(torch.zeros(1, dtype=torch.int64), sweep(alone, size))
        torch.testing.assert_close(one.delivered_by_ue[4:5], other.delivered_by_ue, rtol=1e-4, atol=1e-6)
        assert torch.equal(batch.known.beam[4:5], alone.known.beam)
        assert order is not None


def test_environments_may_be_stepped_in_any_company(make_cell, sweep):
    together, apart = make_cell(), make_cell()
    order = sweep(together, 7)
    expected = together.step(ALL_ROWS, order)
    for rows in (torch.tensor([0, 3]), torch.tensor([1, 2, 4, 5])):
        got = apart.step(rows, Sweep(beams=order.beams[rows], at_slots=order.at_slots[rows]))
        torch.testing.assert_close(got.delivered_by_ue, expected.delivered_by_ue[rows], rtol=1e-4, atol=1e-6)
    assert torch.equal(together.known.beam, apart.known.beam)


def test_equal_decisions_meet_equal_noise_whatever_was_swept_before(make_cell, sweep):
    one, other = make_cell(), make_cell()
    run(one, sweep, 1, size=1)
    run(other, sweep, 1, size=32)
    centre = 20
    for cell in (one, other):
        cell.step(ALL_ROWS, sweep(cell, 7, centre=centre))
    torch.testing.assert_close(one.known.snr[ALL_ROWS, 1], other.known.snr[ALL_ROWS, 1], rtol=1e-4, atol=1e-5)
