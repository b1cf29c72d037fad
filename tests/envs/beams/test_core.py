"""The cell with beams: turns, sweeps, what they find and what they cost."""

import itertools
import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.csi.nr.overhead import data_resource_elements
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
    turn = np.exp(
        -2j
        * np.pi
        * (
            np.outer((row - (recipe.array.rows - 1) / 2) / recipe.array.rows, row)
            + np.outer((column - (recipe.array.columns - 1) / 2) / recipe.array.columns, column)
        )
    ) / math.sqrt(cell.network.codebook.beams)
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


def test_a_wider_sweep_never_finds_a_worse_beam_where_there_is_no_noise(make_cell, swept, monkeypatch):
    monkeypatch.setattr("twin_envs.envs.beams.core.beam_pilots", lambda recipe, symbols: 1e18)
    found = []
    for size in (1, 3, 7, 15, 64):
        cell = make_cell()
        beams = swept(cell, size, centre=25)
        cell.step(ALL_ROWS, beams)
        beam = cell.network.state.beam[ALL_ROWS, 0]
        assert beams[ALL_ROWS, beam].all()
        start = torch.zeros(6, dtype=torch.float64)
        found.append(cell.beam_snr(ALL_ROWS, ALL_ROWS * 0, start, beam).mean((1, 2)))
    for narrow, wide in itertools.pairwise(found):
        assert (wide >= narrow * (1 - 1e-5)).all()
    assert (found[-1] > found[0]).any()


def test_the_best_measured_beam_serves_and_only_swept_beams_are_measured_anew(make_cell, swept):
    cell = make_cell()
    run(cell, swept, 4)
    state, before = cell.network.state, cell.network.state.snr.clone()
    ue, now = state.turn.clone(), state.now_slots.clone()
    beams = swept(cell, 7, centre=20)
    cell.step(ALL_ROWS, beams)
    measured, beam = state.measured_slots[ALL_ROWS, ue], state.beam[ALL_ROWS, ue]
    assert beams[ALL_ROWS, beam].all()
    serving = torch.nn.functional.one_hot(beam, 64).bool()
    others = beams & ~serving
    assert (measured[others] == now[:, None].expand(-1, 64)[others]).all()
    assert torch.equal(measured[serving], now + cell.config.burst_slots)  # as it was at the end of the burst
    assert (state.snr[ALL_ROWS, ue].where(others, 0).amax(-1) <= state.chosen_snr[ALL_ROWS, ue]).all()
    assert torch.equal(state.snr[ALL_ROWS, ue][~beams], before[ALL_ROWS, ue][~beams])


def test_measurements_scatter_about_the_truth_as_much_as_their_pilots_allow(make_cell):
    cell = make_cell(num_envs=64)
    env, ue = torch.arange(64).repeat_interleave(3), torch.arange(3).repeat(64)
    truth = cell.beam_snr(env, ue, torch.zeros(192, dtype=torch.float64)).mean(1)
    got = cell.network.state.snr[env, ue]
    loud = truth > 1.0
    assert int(loud.sum()) > 500
    pilots = 3 * cell.config.symbols_per_beam * cell.carrier_blocks
    scaled = (got - truth)[loud] / ((2 * truth[loud] + 1) / pilots).sqrt()
    assert float(scaled.mean()) == pytest.approx(0, abs=0.1)
    assert float(scaled.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("size", "symbols"), [(3, 1), (15, 1), (15, 4)])
def test_a_sweep_costs_its_symbols_of_the_whole_carrier(make_cell, swept, size, symbols):
    cell = make_cell(symbols_per_beam=symbols)
    outcome = cell.step(ALL_ROWS, swept(cell, size))
    rate, bursts = cell.network.state.bits_per_re[:, 0], 10
    hz_s = bursts * 80 * cell.slot_s * cell.site.recipe.bandwidth_hz
    elements = float(data_resource_elements(torch.tensor(80), cell.carrier_blocks, torch.tensor(0)))
    sweep_elements = size * symbols * cell.carrier_blocks * 12
    torch.testing.assert_close(outcome.info["sweep_cost"], sweep_elements * rate / hz_s, rtol=1e-4, atol=0)
    torch.testing.assert_close(outcome.delivered, elements * rate / hz_s, rtol=1e-4, atol=0)
    torch.testing.assert_close(
        cell.network.state.overhead, torch.full((6,), sweep_elements / elements), rtol=1e-4, atol=0
    )


def test_a_sweep_longer_than_its_burst_leaves_nothing_and_takes_no_more(make_cell, swept):
    cell = make_cell(burst_slots=4)  # 56 symbols, and 64 beams take 256
    for _ in range(3):
        outcome = cell.step(ALL_ROWS, swept(cell, 64))
        torch.testing.assert_close(outcome.info["sweep_cost"], outcome.delivered)
        assert (cell.network.state.overhead == 1).all()
    assert (outcome.delivered > 0).any()
    cell = make_cell(burst_slots=20)
    outcome = cell.step(ALL_ROWS, swept(cell, 1), later(cell, swept, 64, 19))
    assert (outcome.info["sweep_cost"] < 0.1 * outcome.delivered).all()  # of the last slot


def later(cell, swept, size, slots, centre=None):
    return Sweep(beams=swept(cell, size, centre), after_slots=torch.full((cell.num_envs,), slots))


def test_a_later_sweep_comes_when_it_is_due_and_costs_as_well(make_cell, swept):
    cell, once = make_cell(), make_cell()
    once.step(ALL_ROWS, swept(once, 1))
    outcome = cell.step(ALL_ROWS, swept(cell, 1), later(cell, swept, 64, 30))
    state = cell.network.state
    assert (state.swept[:, 0] == 64).all()
    assert (state.chosen_slots[:, 0] == 30).all()
    assert (state.measured_slots[:, 0] == 30).sum() == 6 * 63
    torch.testing.assert_close(state.overhead, once.network.state.overhead * 65, rtol=1e-4, atol=0)
    assert (outcome.info["sweep_cost"] > 0).all()


@pytest.mark.parametrize("slots", [80, 81, 5000])
def test_a_sweep_that_comes_too_late_changes_nothing(make_cell, swept, slots):
    cell, without = make_cell(), make_cell()
    expected = without.step(ALL_ROWS, swept(without, 3))
    outcome = cell.step(ALL_ROWS, swept(cell, 3), later(cell, swept, 64, slots))
    assert torch.equal(outcome.delivered, expected.delivered)
    assert torch.equal(outcome.info["sweep_cost"], expected.info["sweep_cost"])
    assert torch.equal(cell.network.state.snr, without.network.state.snr)


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
        totals.append(sum(o.delivered for o in run(cell, swept, 10, size=64)).mean())
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
        one = batch.step(ALL_ROWS, swept(batch, size), later(batch, swept, 3, 20))
        other = alone.step(row, swept(alone, size), later(alone, swept, 3, 20))
        torch.testing.assert_close(one.delivered[4:5], other.delivered, rtol=1e-4, atol=1e-6)
        assert torch.equal(batch.network.state.beam[4:5], alone.network.state.beam)
        torch.testing.assert_close(batch.network.state.snr[4:5], alone.network.state.snr, rtol=1e-3, atol=1e-4)


def test_environments_may_be_stepped_in_any_company(make_cell, swept):
    together, apart = make_cell(), make_cell()
    beams = swept(together, 7)
    expected = together.step(ALL_ROWS, beams)
    for rows in (torch.tensor([0, 3]), torch.tensor([1, 2, 4, 5])):
        got = apart.step(rows, beams[rows])
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
