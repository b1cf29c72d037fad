"""Where arrays point: what the test sweeps are, and what they tell."""

import gc
import math
import weakref

import pytest
import torch

from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.calibration import Survey, estimate_yaw_error_rad
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.csi.beams.measuring import beam_pilots, measured_snr
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.envs.reality.commissioning import swept_yaw_error_rad
from twin_envs.twin.protocol import SensedState
from twin_envs.twin.traced import TracedTwin, traced_twin
from twin_envs.world.store.site import Site

APS = 6


def direction_rad(atlas):
    """Azimuth of the antenna rows of each AP."""
    row = atlas.antenna_m[:, 1] - atlas.antenna_m[:, 0]
    return torch.atan2(row[:, 1], row[:, 0])


@pytest.fixture(scope="module")
def true_rad(site):
    """By how much the arrays of reality point elsewhere than those of the twin."""
    return direction_rad(site.reality("reality")) - direction_rad(site.twin("twin"))


@pytest.fixture(scope="module")
def beam_map(site):
    return BeamMap(traced_twin(site, "twin", site.device), site.geometry, Codebook(site.recipe.array))


def degrees(rad):
    return rad * (180 / math.pi)


def test_turned_arrays_are_those_of_reality(site, beam_map, true_rad):
    boresight_rad = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
    real = TracedTwin(site.reality("reality"), boresight_rad, site.recipe.array.columns)
    assert float(degrees(true_rad.abs().max())) > 5
    torch.testing.assert_close(beam_map.twin.step_cycles(true_rad), real.step_cycles(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("position_std_m", [0.5, 2.5])
def test_twenty_sweeps_tell_where_arrays_point_to_a_degree(site, true_rad, position_std_m):
    found_rad = swept_yaw_error_rad(site, traced_twin, "reality", 20, position_std_m, 4)
    before, after = degrees(true_rad.abs()), degrees((found_rad - true_rad).abs())
    assert float(after.max()) < 1.2
    assert float(after.mean()) < 0.25 * float(before.mean())


def test_where_the_twin_is_right_nothing_is_found(site):
    assert float(degrees(swept_yaw_error_rad(site, traced_twin, "twin", 20, 0.5, 4).abs().max())) < 0.6


def test_without_sweeps_the_twin_is_believed(site):
    assert torch.equal(swept_yaw_error_rad(site, traced_twin, "reality", 0, 0.5, 4), torch.zeros(APS))


def survey(site, beam_map, turned_rad, seed=3, count=12):
    """Sweeps without error where the arrays are turned by `turned_rad` [A]."""
    generator = torch.Generator().manual_seed(seed)
    ap = torch.arange(APS).repeat_interleave(count)
    served = site.twin("twin").gain * beam_map.codebook.beams > 10 * noise_to_power(site.recipe)
    cell = torch.stack(
        [row.nonzero()[:, 0][torch.randint(int(row.sum()), (count,), generator=generator)] for row in served]
    )
    position = site.geometry.point_m[cell.flatten(), :2]
    still, exact = torch.zeros_like(position), torch.full((len(ap),), 0.01)
    sensed = SensedState(position_m=position, velocity_m_s=still, position_std_m=exact, velocity_std_m_s=exact)
    snr = beam_map.turned(turned_rad).ask(sensed, ap).mean_power / noise_to_power(site.recipe)
    return Survey(sensed=sensed, ap=ap, snr=snr)


def test_any_turn_is_found_and_a_common_gain_does_not_matter(site, beam_map):
    turned_rad = torch.tensor([-0.2, -0.07, 0.0, 0.035, 0.11, 0.25])
    measured = survey(site, beam_map, turned_rad)
    for gain in (1.0, 0.3):
        louder = Survey(sensed=measured.sensed, ap=measured.ap, snr=gain * measured.snr)
        found_rad = estimate_yaw_error_rad(beam_map, noise_to_power(site.recipe), louder)
        torch.testing.assert_close(found_rad, turned_rad, atol=0.012, rtol=0)


def test_an_ap_whose_sweeps_receive_nothing_is_left_as_it_is(site, beam_map):
    measured = survey(site, beam_map, torch.full((APS,), 0.1))
    snr = torch.where((measured.ap == 2)[:, None], torch.full_like(measured.snr, 0.5), measured.snr)
    silent = Survey(sensed=measured.sensed, ap=measured.ap, snr=snr)
    found_rad = estimate_yaw_error_rad(beam_map, noise_to_power(site.recipe), silent)
    assert float(found_rad[2]) == pytest.approx(0, abs=1e-6)
    assert float(found_rad[[0, 1, 3, 4, 5]].min()) > 0.08


def test_what_is_measured_scatters_as_the_pilots_allow(site):
    pilots = beam_pilots(site.recipe, 4)
    assert pilots == 3 * 4 * 66
    normal = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    snr = torch.full_like(normal, 5.0)
    measured = measured_snr(snr, normal, pilots)
    assert float(measured.mean()) == pytest.approx(5.0, rel=0.01)
    assert float(measured.var()) == pytest.approx((2 * 5.0 + 1) / pilots, rel=0.05)


def test_the_twins_beams_are_better_when_calibrated_and_its_boresight_is_known(make_cell, true_rad):
    best, boresight_rad = [], []
    for sweeps in (0, 20):
        cell = make_cell(num_envs=120, calibration_sweeps=sweeps)
        state, (env, ue) = cell.network.state, torch.ones_like(cell.network.state.beam).nonzero().T
        beliefs = cell.network.twin.ask(cell.network.sensed(env, ue), state.ap[env])
        truth = cell.beam_snr(env, ue, torch.zeros(len(env), dtype=torch.float64)).mean(1)[:, :64]
        best.append(float((beliefs.mean_power.argmax(-1) == truth.argmax(-1)).float().mean()))
        boresight_rad.append(cell.network.boresight_rad)
    assert best[1] > best[0] + 0.08
    torch.testing.assert_close(boresight_rad[1] - boresight_rad[0], true_rad, atol=0.02, rtol=0)


def test_a_site_whose_aps_were_commissioned_is_not_kept(site):
    mine = Site(site.path, site.device)
    assert swept_yaw_error_rad(mine, traced_twin, "reality", 1, 0.5, 4) is swept_yaw_error_rad(
        mine, traced_twin, "reality", 1, 0.5, 4
    )
    atlas, mine = weakref.ref(mine.reality("reality")), None
    gc.collect()
    assert atlas() is None
