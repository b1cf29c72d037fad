"""The gap of hand-made worlds: every number of it is known beforehand."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import SiteError
from twin_envs.world.atlas.arrays import antenna_positions_m
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.gap import coverage, measure_gap
from twin_envs.world.recipe import load_recipe

RECIPE = load_recipe("""
name = "toytown"
scene = "munich"
scene_source = "s"
scene_licence = "l"
area_m = [0, 0, 50, 50]
transmit_power_dbm = 30.0
noise_figure_db = 7.0
bandwidth_hz = 20e6
array = {rows = 2, columns = 4}
access_points = [
  {name = "one", position_m = [0, 0, 8], yaw_rad = 0.0},
  {name = "two", position_m = [0, 9, 8], yaw_rad = 0.0},
]
worlds = {reality = {real = true}, twin = {}}
""")
# Thermal noise over 20 MHz, 7 dB of noise figure, 30 dBm, 8 antennas: 0 dB of SNR at a gain of -133.0 dB.
SERVED_DB = -173.98 + 10 * math.log10(20e6) + 7.0 - 30.0 - 10 * math.log10(8)
NOTHING = None
# Directions on two orthogonal beams of four columns half a wavelength apart: 0 and 1/4 cycle from column to column.
AHEAD, ASIDE = np.array([1.0, 0.0, 0.0]), np.array([math.sqrt(0.75), 0.5, 0.0])


def link(gain_db, direction=AHEAD, length_m=3000.0):
    return gain_db, direction, length_m


def world(links):
    """An atlas from [AP][point] -> `link` or NOTHING."""
    packed = []
    for per_point in links:
        fields = empty_paths(len(per_point), 1)
        for n, found in enumerate(per_point):
            if found is not NOTHING:
                fields["gain"][n, 0] = 10 ** (found[0] / 20)
                fields["departure"][n, 0] = fields["arrival"][n, 0] = found[1]
                fields["length_m"][n, 0] = found[2]
        packed.append(pack_paths(TracedPaths(**fields)))
    points = len(links[0])
    geometry = Geometry(
        carrier_hz=RECIPE.carrier_hz,
        ap_position_m=torch.zeros(2, 3),
        cell_of=torch.arange(points)[None],
        point_m=torch.stack([torch.tensor([1.0 * i, 0.0, 1.5]) for i in range(points)]),
        origin_m=(0.0, 0.0),
        grid_m=1.0,
    )
    tensors = {k: torch.from_numpy(np.concatenate([p[k] for p in packed])) for k in packed[0] if k != "count"}
    tensors["count"] = torch.from_numpy(np.stack([p["count"] for p in packed]))
    tensors["track"] = track_paths(geometry, tensors)
    return Atlas(geometry, {**tensors, "antenna_m": torch.from_numpy(antenna_positions_m(RECIPE, np.zeros(2)))})


REALITY = [[link(-80), link(-90), link(-110)], [link(-100), link(-85), NOTHING]]
TWIN = [[link(-83), link(-84), link(-136)], [link(-98), link(-86, ASIDE), link(-120)]]


def test_a_world_has_no_gap_to_itself():
    gap = measure_gap(RECIPE, world(REALITY), world(REALITY))
    assert gap.pop("gain_mae_db") == gap.pop("gain_rmse_db") == 0.0
    assert gap.pop("coverage_mismatch") == 0.0
    assert gap == pytest.approx(
        {"best_ap_agreement": 1.0, "best_beam_agreement": 1.0, "cosine_similarity": 1.0}, abs=1e-5
    )


def test_the_gap_of_two_known_worlds():
    gap = measure_gap(RECIPE, world(REALITY), world(TWIN))
    # Both serve four links, off by 3, 6, 2 and 1 dB; a fifth only reality serves, a sixth only the twin.
    assert gap["gain_mae_db"] == pytest.approx((3 + 6 + 2 + 1) / 4, abs=1e-3)
    assert gap["gain_rmse_db"] == pytest.approx(math.sqrt((9 + 36 + 4 + 1) / 4), abs=1e-3)
    assert gap["coverage_mismatch"] == pytest.approx(2 / 6)
    # The best AP is the same at the first point only; the link in another beam has an orthogonal channel.
    assert gap["best_ap_agreement"] == pytest.approx(1 / 3)
    assert gap["best_beam_agreement"] == pytest.approx(3 / 4)
    assert gap["cosine_similarity"] == pytest.approx(3 / 4, abs=2e-3)


def test_the_gap_does_not_depend_on_which_world_is_called_real():
    one, other = (measure_gap(RECIPE, *pair) for pair in ((world(REALITY), world(TWIN)), (world(TWIN), world(REALITY))))
    assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("later_m", [0.0, 5.0, 10.0, 299_792_458.0 / (12 * 1.44e6)])
def test_a_delay_alone_takes_similarity_as_the_dirichlet_kernel(later_m):
    real, twin = ([[link(-80, AHEAD, 3000.0 + d)], [NOTHING]] for d in (0.0, later_m))
    turn = 2 * np.pi * 1.44e6 * later_m / 299_792_458.0  # from one of 12 subbands to the next
    kernel = abs(np.exp(1j * turn * np.arange(12)).mean())
    gap = measure_gap(RECIPE, world(real), world(twin))
    assert gap["cosine_similarity"] == pytest.approx(kernel, abs=2e-3)
    assert gap["best_beam_agreement"] == 1.0


def test_a_link_serves_at_0_db_of_snr():
    above, below = SERVED_DB + 0.05, SERVED_DB - 0.05
    atlas = world([[link(above), link(below), NOTHING, link(above)], [link(above), NOTHING, link(below), NOTHING]])
    assert coverage(RECIPE, atlas) == pytest.approx({"links": 3 / 8, "points": 2 / 4})
    louder = dataclasses.replace(RECIPE, transmit_power_dbm=30.1)
    assert coverage(louder, atlas) == pytest.approx({"links": 5 / 8, "points": 4 / 4})


def test_only_links_that_both_worlds_serve_count_for_the_error():
    weak = [[link(-80), link(-137)], [link(-140), link(-90)]]
    strong = [[link(-81), link(-100)], [link(-100), link(-93)]]
    gap = measure_gap(RECIPE, world(weak), world(strong))
    assert gap["gain_mae_db"] == pytest.approx(2.0, abs=1e-3)
    assert gap["coverage_mismatch"] == pytest.approx(0.5)


def test_worlds_that_share_no_link_are_refused_by_access_point():
    with pytest.raises(
        SiteError, match=r"a gain of -\d+ dB, and 'one' reaches -160 dB in reality and -200 dB in the twin"
    ):
        measure_gap(RECIPE, world([[link(-160)], [link(-170)]]), world([[NOTHING], [link(-165)]]))
