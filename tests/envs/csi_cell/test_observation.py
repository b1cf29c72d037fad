"""Observations: the layout, and what each field says."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.envs.csi_cell.observation import observe_csi as observe
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS

ROWS = torch.arange(12)
EPISODE_SLOTS = 2000  # a second: GNSS has a fix of each UE once a second
NAMES = [field.name for field in CSI_LAYOUT.fields]
NUMBER = {name: place for place, name in enumerate(KNOWLEDGE_FIELDS)}
TWIN_NAMES = [name for name in NAMES if name.startswith("twin_")]


def observe_csi(cell):
    return observe(cell.network, ROWS, cell.network.state.turn)


@pytest.fixture(scope="module")
def played(make_cell, decide):
    """A cell after ten reports, 344 slots, and what it shows: by then GNSS has had a fix of some UEs, not of others."""
    cell = make_cell(num_ue=4, csi_uplink_share=0.02, link="nr", episode_slots=EPISODE_SLOTS)
    with torch.inference_mode():
        for period in (20, 80, 320, 320, 160, 320, 160, 160, 10, 20):
            cell.step(ROWS, decide(cell, period))
        return cell, observe_csi(cell).numpy()


def read(observation, name):
    return CSI_LAYOUT.value(observation, name)


def test_names_are_distinct_and_ranges_are_ranges():
    assert len(set(NAMES)) == len(NAMES)
    for field in CSI_LAYOUT.fields:
        assert field.low < field.high
        assert math.isfinite(field.low)
        assert math.isfinite(field.high)


def test_the_space_is_one_flat_box_of_finite_bounds():
    space = CSI_LAYOUT.space
    assert (space.shape, space.dtype) == ((len(NAMES),), np.float32)
    assert (space.low == 0).all()
    assert (space.high == 1).all()


def test_the_table_has_a_row_for_each_field_and_stands_in_the_docstring():
    head, rule, *rows = CSI_LAYOUT.table().splitlines()
    assert head == "| index | field | unit | range |"
    assert set(rule) == {"|", "-"}
    for index, (row, field) in enumerate(zip(rows, CSI_LAYOUT.fields, strict=True)):
        assert row == f"| {index} | {field.name} | {field.unit} | {field.low:g} to {field.high:g} |"
        assert row in FeedbackIntervalEnv.__doc__


def test_index_and_slice_find_a_field():
    for index, name in enumerate(NAMES):
        assert CSI_LAYOUT.index(name) == index
        assert np.arange(len(NAMES))[CSI_LAYOUT.slice(name)].tolist() == [index]
    for find in (CSI_LAYOUT.index, CSI_LAYOUT.slice, partial(CSI_LAYOUT.value, np.zeros(len(NAMES)))):
        with pytest.raises(ConfigurationError, match="the observation has no field 'sped'; did you mean 'speed'"):
            find("sped")


def test_value_undoes_pack_within_the_range_and_clips_beyond():
    rng = np.random.default_rng(0)
    low = np.array([field.low for field in CSI_LAYOUT.fields])
    width = np.array([field.high for field in CSI_LAYOUT.fields]) - low
    inside = low + rng.random((50, len(NAMES))) * width
    packed = CSI_LAYOUT.pack({name: torch.from_numpy(inside[:, i]) for i, name in enumerate(NAMES)}).numpy()
    assert packed.dtype == np.float32
    for index, name in enumerate(NAMES):
        np.testing.assert_allclose(read(packed, name), inside[:, index], rtol=0, atol=1e-5 * width[index])
    for beyond, bound in ((low - 3 * width, 0.0), (low + 3 * width, 1.0)):
        assert (CSI_LAYOUT.pack({n: torch.tensor([beyond[i]]) for i, n in enumerate(NAMES)}) == bound).all()


def test_observations_are_in_bounds_and_not_all_alike(played):
    _, seen = played
    assert all(row in CSI_LAYOUT.space for row in seen)
    shared = {"num_ue", "csi_uplink_share", "time_left", "waiting", "requested_load", "last_period", "reports_apart"}
    shared |= {"last_pilot_density", "last_codeword", "last_dmrs_additional"}  # nobody decides these here
    shared |= {"last_blocks"}  # a block carries any report over the site's links
    shared |= {"others_known"}  # the twin knows nearly every place that an AP serves, see below
    alike = {name for index, name in enumerate(NAMES) if np.ptp(seen[:, index]) < 1e-6}
    assert alike <= shared


def test_fields_about_the_cell_say_what_they_are_called(played):
    cell, seen = played
    state, who = cell.network.state, cell.network.state.turn
    assert read(seen, "num_ue") == pytest.approx(4)
    assert 10 ** read(seen, "csi_uplink_share") == pytest.approx(0.02, rel=1e-4)
    assert read(seen, "time_left") == pytest.approx(1 - state.now_slots.numpy() / EPISODE_SLOTS, abs=1e-6)
    assert 10 ** read(seen, "last_period") == pytest.approx(state.period_slots[ROWS, who].numpy(), rel=1e-4)
    assert 10 ** read(seen, "reports_apart") == pytest.approx(state.reports_apart_slots[ROWS, who].numpy(), rel=1e-4)
    for_csi = 0.02 * 51 / 5  # blocks in a slot: a share of a carrier's in one slot of DDDSU
    asked = (state.blocks / state.period_slots).sum(1).numpy()
    assert read(seen, "requested_load") == pytest.approx(asked / for_csi, rel=1e-4)
    assert 2 ** read(seen, "last_blocks") == pytest.approx(state.blocks[ROWS, who].numpy(), rel=1e-4)
    assert read(seen, "bits_per_re") == pytest.approx(state.bits_per_re[ROWS, who].numpy(), abs=1e-4)
    assert read(seen, "cell_bits_per_re") == pytest.approx(state.bits_per_re.sum(1).numpy(), abs=1e-3)
    assert read(seen, "acknowledged") == pytest.approx(state.acknowledged[ROWS, who].numpy(), abs=1e-5)


def test_waiting_is_the_share_of_ues_that_the_uplink_keeps_waiting(make_cell, decide):
    cell = make_cell(num_ue=4, csi_uplink_share=0.02)
    assert read(observe_csi(cell), "waiting").tolist() == [0.0] * 12  # due one after the other
    for period in (4, 4, 4, 4, 4):
        cell.step(ROWS, decide(cell, period))
    assert read(observe_csi(cell), "waiting").tolist() == [0.75] * 12  # all but the one that has just reported


def test_snr_is_that_of_the_reported_channel(played):
    cell, seen = played
    h_hat = cell.network.state.h_hat.numpy()
    power = (np.abs(h_hat) ** 2).mean((1, 3))[np.arange(12), cell.network.state.turn]
    snr_db = np.clip(10 * np.log10(power / cell.noise), -10, 60)
    np.testing.assert_allclose(read(seen, "snr"), snr_db, atol=1e-2)


def test_sensed_motion_is_near_the_truth(played):
    cell, seen = played
    position, velocity = cell.reality.position(ROWS, cell.network.state.now_slots * cell.slot_s)
    who = cell.network.state.turn
    speed = velocity[ROWS, who].norm(dim=-1).numpy()
    assert (np.abs(read(seen, "speed") - speed) < 5 * math.sqrt(2) * read(seen, "speed_std") + 1e-3).all()
    error_m = (cell.network.sensing.position - position[..., :2])[ROWS, who].norm(dim=-1).numpy()
    assert (error_m < 5 * math.sqrt(2) * read(seen, "position_std") + 1e-3).all()


def test_where_the_twin_knows_nothing_its_fields_are_zero(make_cell):
    cell = make_cell(num_ue=4)
    there = observe_csi(cell)
    index = [CSI_LAYOUT.index(name) for name in TWIN_NAMES]
    assert (read(there, "known") > 0).any()
    cell.network.state.covered[:] = 0.0
    blind = observe_csi(cell)
    assert (read(blind, "known") == 0).all()
    assert (blind[:, index] == 0).all()
    assert (there[:, index] > 0).any(0).sum() > 8
    of_twin = {*TWIN_NAMES, "known", "others_known", "others_coherence_time", "faster_ageing_others"}
    others = [i for i, name in enumerate(NAMES) if name not in of_twin]
    assert torch.equal(there[:, others], blind[:, others])


def test_others_known_is_the_share_of_the_others_of_whom_the_twin_has_some_channel(make_cell):
    cell = make_cell(num_ue=4)
    for covered, expected in (([0.5, 0.0, 1.0, 0.2], 2 / 3), ([0.0, 1.0, 1.0, 1.0], 1.0), ([1.0, 0.0, 0.0, 0.0], 0.0)):
        cell.network.state.covered[:] = torch.tensor(covered)  # of UE 0, which has reported last, and of the others
        seen = observe_csi(cell)
        assert read(seen, "others_known") == pytest.approx(expected, abs=1e-6)
        assert read(seen, "known") == pytest.approx(covered[0], abs=1e-6)


def test_knowledge_is_shown_in_its_units(make_cell):
    cell = make_cell(num_ue=2)
    put = {"gain_db": -90.0, "los_probability": 0.25, "delay_spread_s": 1e-7, "k_factor_db": 10.0}
    for name, value in {**put, "doppler_spread_hz": 5.0}.items():
        cell.network.state.knowledge[..., NUMBER[name]] = value
    cell.network.state.knowledge[..., NUMBER["coherence_time_s"]] = torch.tensor([0.1, 0.01])
    cell.network.state.covered[:] = 1.0
    seen = observe_csi(cell).numpy()
    for name, value in (("gain", -90.0), ("los_probability", 0.25), ("k_factor", 10.0)):
        assert read(seen, f"twin_{name}") == pytest.approx(value, abs=1e-4)
    assert 10 ** read(seen, "twin_delay_spread") == pytest.approx(1e-7, rel=1e-4)
    assert 10 ** read(seen, "twin_doppler_spread") == pytest.approx(5.0, rel=1e-4)
    assert 10 ** read(seen, "twin_coherence_time") == pytest.approx(0.1, rel=1e-4)  # UE 0 has reported last
    assert 10 ** read(seen, "others_coherence_time") == pytest.approx(0.01, rel=1e-4)
    assert read(seen, "faster_ageing_others") == pytest.approx(0.5)
