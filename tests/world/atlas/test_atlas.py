"""The atlas against the image method: two mirror walls, every path by hand in NumPy, exact at every antenna."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from twin_envs.base import rows
from twin_envs.base.errors import SiteError
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.building.paths import describe_paths
from twin_envs.world.recipe import WorldRecipe
from twin_envs.world.store.reading import read_tensors
from twin_envs.world.store.site import load_site, world_file

C = 299_792_458.0
CARRIER_HZ = 3.5e9
WAVELENGTH_M = C / CARRIER_HZ
GRID_M = 1.5
AP_M = np.array([2.0, 3.0, 8.0])
# Both sides of a street as planes: points x with normal . x = offset. Not parallel; the second one leans, too.
WALLS = [
    (np.array([math.sin(0.05), math.cos(0.05), 0.0]), 25.0),
    (np.array([-0.1, 0.99, -0.0995]) / np.linalg.norm([-0.1, 0.99, -0.0995]), -15.0),
]
ORDERS = [(), (0,), (1,), (0, 1), (1, 0)]
GAINS = [1e-3 * np.exp(0.3j), 4e-4 * np.exp(-2.0j), 3e-4j, -1e-4 + 1e-5j, 2e-5 * np.exp(3.1j)]
SPECULAR, DIFFUSE = 1, 2
WORLD = WorldRecipe(max_paths=8, dynamic_range_db=60.0)


def mirror(point, wall):
    normal, offset = WALLS[wall]
    return point - 2 * (point @ normal - offset)[..., None] * normal


def ue_image(ue, order):
    """The UE as the AP sees it by way of the walls in `order`, the AP's first."""
    for wall in reversed(order):
        ue = mirror(ue, wall)
    return ue


def corners_of(ue, order):
    """Points of reflection on the way from the AP to the UE: where the ray to the remaining image meets each wall."""
    points, at = [], AP_M
    for done, wall in enumerate(order):
        at = hit(at, ue_image(ue, order[done:]), wall)
        points.append(at)
    return points


def hit(start, end, wall):
    """Where the segment from `start` to `end` meets the wall."""
    normal, offset = WALLS[wall]
    share = (offset - start @ normal) / ((end - start) @ normal)
    assert 0 < share < 1, "no such path"
    return start + share * (end - start)


def antennas():
    """2 rows x 16 columns facing +y, half a wavelength apart in a row and 0.7 of it between rows: [32, 3]."""
    x = (np.arange(16) - 7.5) * WAVELENGTH_M / 2
    z = np.array([0.35, -0.35]) * WAVELENGTH_M
    return np.array([[column, 0.0, row] for row in z for column in x])


def traced(points, paths_at):
    """`TracedPaths` of links to `points` [N, 3]; `paths_at(point)` lists (gain, corners, interaction types)."""
    links = [paths_at(point) for point in points]
    places, depth = max(map(len, links)), 2
    gain = np.zeros((len(points), places), complex)
    kinds = np.zeros((len(points), places, depth), int)
    vertices = np.zeros((len(points), places, depth, 3))
    for n, link in enumerate(links):
        for p, (value, corners, types) in enumerate(link):
            gain[n, p] = value
            kinds[n, p, : len(types)] = types
            vertices[n, p, : len(types)] = np.reshape(corners, (-1, 3))
    places = {"ap_m": AP_M, "ue_m": points, "crowns": np.zeros((0, 4))}
    described = describe_paths(gain, kinds, vertices, **places, carrier_hz=CARRIER_HZ, world=WORLD, floor_db=-200.0)
    return TracedPaths(**described)


def make_atlas(points, paths: TracedPaths, antenna_m=None):
    """An atlas with one AP on grid points in one row, GRID_M apart along x."""
    packed = {key: torch.from_numpy(value) for key, value in pack_paths(paths).items()}
    geometry = Geometry(
        carrier_hz=CARRIER_HZ,
        ap_position_m=torch.tensor(AP_M[None], dtype=torch.float32),
        cell_of=torch.arange(len(points))[None],
        point_m=torch.tensor(points, dtype=torch.float32),
        origin_m=tuple(points[0, :2]),
        grid_m=GRID_M,
    )
    packed["count"] = packed["count"][None]
    antenna = antennas() if antenna_m is None else antenna_m
    packed["track"] = track_paths(geometry, packed)
    return Atlas(geometry, {**packed, "antenna_m": torch.tensor(antenna[None], dtype=torch.float32)})


def mirrored_street(points):
    return make_atlas(
        points,
        traced(points, lambda ue: [(g, corners_of(ue, o), [SPECULAR] * len(o)) for g, o in zip(GAINS, ORDERS)]),
    )


def row_of_points(start, count=2):
    return np.asarray(start) + np.arange(count)[:, None] * np.array([GRID_M, 0, 0])


def channel(atlas, ue, offset_hz=(0.0,), **options):
    ue = torch.tensor(np.atleast_2d(ue), dtype=torch.float32)
    paths = atlas.paths(ue, torch.zeros(len(ue), dtype=torch.int64))
    return atlas.channel(paths, torch.tensor(offset_hz, dtype=torch.float32), **options).numpy()


def phase_error(a, b):
    return np.abs(np.angle(a * np.conj(b)))


def displacements(rng, count):
    return np.concatenate([rng.uniform(-0.7, 0.7, (count, 2)), np.zeros((count, 1))], -1)


STARTS = {"far": [45.0, 10.0, 1.5], "near": [4.0, 6.0, 6.5]}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("path", range(len(ORDERS)), ids=[f"order-{len(o)}-{i}" for i, o in enumerate(ORDERS)])
def test_each_path_has_the_exact_phase_at_every_antenna(start, path):
    points, order = row_of_points(start), ORDERS[path]
    atlas = make_atlas(
        points, traced(points, lambda ue: [(GAINS[path], corners_of(ue, order), [SPECULAR] * len(order))])
    )
    ue = points[:1] + displacements(np.random.default_rng(path), 200)
    distance = np.linalg.norm(ue_image(ue, order)[:, None] - (AP_M + antennas()), axis=-1)
    exact = GAINS[path] * np.exp(-2j * np.pi * distance / WAVELENGTH_M)
    h = channel(atlas, ue)[:, 0]
    assert phase_error(h, exact).max() < 1e-2
    np.testing.assert_allclose(np.abs(h), abs(GAINS[path]), rtol=1e-3)
    if start == STARTS["near"] and not order:  # the wavefront is curved there: a plane wave would not pass
        seen = ue - AP_M
        length = np.linalg.norm(seen, axis=-1, keepdims=True)
        plane = GAINS[path] * np.exp(-2j * np.pi * (length - seen @ antennas().T / length) / WAVELENGTH_M)
        assert phase_error(plane, exact).max() > 0.3


def test_all_paths_together_give_the_image_method_channel_over_the_band():
    points = row_of_points(STARTS["far"])
    atlas = mirrored_street(points)
    offset_hz = (np.arange(48) - 23.5) * 360e3
    ue = points[:1] + displacements(np.random.default_rng(0), 100)
    exact = np.zeros((100, 48, 32), complex)
    for gain, order in zip(GAINS, ORDERS):
        distance = np.linalg.norm(ue_image(ue, order)[:, None] - (AP_M + antennas()), axis=-1)
        exact += gain * np.exp(-2j * np.pi * distance[:, None] * (CARRIER_HZ + offset_hz[:, None]) / C)
    error = np.abs(channel(atlas, ue, offset_hz) - exact) ** 2
    # What is left is the delay over the array, which the atlas takes at the array's centre: 0.06 rad at most.
    assert 10 * np.log10(error.sum((1, 2)) / (np.abs(exact) ** 2).sum((1, 2))).max() < -33
    assert error[:, 23:25].max() < (1.5e-2 * np.abs(exact).max()) ** 2


def test_the_reference_takes_off_the_delay_and_leaves_the_carrier_phase():
    points = row_of_points(STARTS["far"])
    atlas = make_atlas(points, traced(points, lambda ue: [(1e-3, [], [])]), np.zeros((1, 3)))
    offset_hz = np.linspace(-8e6, 8e6, 9)
    length = np.linalg.norm(points[0] - AP_M)
    absolute = channel(atlas, points[0], offset_hz)[0, :, 0]
    synchronised = channel(atlas, points[0], offset_hz, reference_m=torch.tensor([length], dtype=torch.float32))[
        0, :, 0
    ]
    assert phase_error(absolute, np.exp(-2j * np.pi * length * (CARRIER_HZ + offset_hz) / C)).max() < 1e-2
    assert phase_error(synchronised, np.exp(-2j * np.pi * length * CARRIER_HZ / C)).max() < 1e-2


@pytest.mark.parametrize("path", range(len(ORDERS)))
def test_doppler_is_speed_along_the_path_over_the_wavelength(path):
    points, order = row_of_points(STARTS["far"]), ORDERS[path]
    paths = traced(points, lambda ue: [(1e-3, corners_of(ue, order), [SPECULAR] * len(order))])
    atlas = make_atlas(points, paths, np.zeros((1, 3)))
    velocity_m_s, time_s = np.array([8.0, -5.0, 0.0]), np.arange(-20, 21) * 1e-3
    # The direction of propagation at the UE, from its last corner.
    arrival = points[0] - ([AP_M, *corners_of(points[0], order)])[-1]
    arrival /= np.linalg.norm(arrival)
    h = channel(atlas, points[0] + time_s[:, None] * velocity_m_s)[:, 0, 0]
    doppler_hz = np.polyfit(time_s, np.unwrap(np.angle(h)), 1)[0] / (2 * np.pi)
    assert doppler_hz == pytest.approx(-velocity_m_s @ arrival / WAVELENGTH_M, abs=0.1)
    assert abs(velocity_m_s @ arrival) > 1.0


def test_walking_towards_a_mirror_shifts_the_mirrored_path_the_other_way():
    points, facing = row_of_points([20.0, 3.0, 8.0]), np.array([1.0, 0.0, 0.0])
    wall_m = 40.0
    corner = np.array([wall_m, 3.0, 8.0])
    atlas = [
        make_atlas(points, traced(points, lambda ue, c=corners, k=kinds: [(1e-3, c, k)]), np.zeros((1, 3)))
        for corners, kinds in (([], []), ([corner], [SPECULAR]))
    ]
    step_m = 0.01
    turned = [np.angle(np.divide(*channel(a, [points[0] + step_m * facing, points[0]])[:, 0, 0])) for a in atlas]
    expected = 2 * np.pi * step_m / WAVELENGTH_M
    np.testing.assert_allclose(turned, [-expected, expected], atol=2e-3)


# A scatterer at 20 m from the UE, and where it is on the way
SCATTERER = np.array([25.0, 12.0, 4.0])


def scattered(kind):
    """Corners and interaction types for a UE, and the length for displaced UEs."""
    if kind == "scattered":
        return lambda ue: ([SCATTERER], [DIFFUSE]), lambda ue: np.linalg.norm(ue - SCATTERER, axis=-1)
    if kind == "scattered, then mirrored":

        def corners(ue):
            return [SCATTERER, hit(SCATTERER, mirror(ue, 0), 0)], [DIFFUSE, SPECULAR]

        return corners, lambda ue: np.linalg.norm(mirror(ue, 0) - SCATTERER, axis=-1)

    def corners_mirrored_first(ue):
        return [*corners_of(SCATTERER, (1,)), SCATTERER], [SPECULAR, DIFFUSE]

    return corners_mirrored_first, lambda ue: np.linalg.norm(ue - SCATTERER, axis=-1)


@pytest.mark.parametrize("kind", ["scattered", "scattered, then mirrored", "mirrored, then scattered"])
@pytest.mark.parametrize("start", [[45.0, 10.0, 1.5], [27.0, 12.0, 1.5]], ids=["far", "near the scatterer"])
def test_a_scattered_path_is_as_long_as_the_way_through_the_scatterer(kind, start):
    points = row_of_points(start)
    corners, after = scattered(kind)
    first = np.linalg.norm((mirror(SCATTERER, 1) if kind.startswith("mirrored") else SCATTERER) - AP_M)
    atlas = make_atlas(points, traced(points, lambda ue: [(1e-3, *corners(ue))]), np.zeros((1, 3)))
    ue = points[:1] + displacements(np.random.default_rng(1), 200)
    exact = np.exp(-2j * np.pi * (first + after(ue)) / WAVELENGTH_M)
    assert phase_error(channel(atlas, ue)[:, 0, 0], exact).max() < 1e-2
    # The departure stays: the AP sends towards the first corner, however the UE moves.
    local = atlas.paths(torch.tensor(ue, dtype=torch.float32), torch.zeros(200, dtype=torch.int64))
    sent = local.image_m[:, 0] / local.image_m[:, 0].norm(dim=-1, keepdim=True)
    towards = corners(points[0])[0][0] - AP_M
    np.testing.assert_allclose(sent, np.tile(towards / np.linalg.norm(towards), (200, 1)), atol=1e-4)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("path", range(len(ORDERS)))
def test_the_phase_does_not_jump_at_a_grid_border(start, path):
    points, order = row_of_points(start, 3), ORDERS[path]
    atlas = make_atlas(points, traced(points, lambda ue: [(1e-3, corners_of(ue, order), [SPECULAR] * len(order))]))
    for left, right in pairwise(points):
        across = np.linspace(-0.6, 0.6, 25)
        border = (left + right) / 2 + np.stack([np.zeros(25), across, np.zeros(25)], -1)
        step = np.array([1e-4, 0, 0])
        before, after = border - step, border + step
        cells = [atlas.geometry.cell(torch.tensor(side)) for side in (before, after)]
        assert (cells[1] - cells[0] == 1).all()
        lengths = [np.linalg.norm(ue_image(x, order)[:, None] - (AP_M + antennas()), axis=-1) for x in (before, after)]
        walked = np.exp(-2j * np.pi * (lengths[1] - lengths[0]) / WAVELENGTH_M)
        assert phase_error(channel(atlas, after)[:, 0], channel(atlas, before)[:, 0] * walked).max() < 0.02


def test_a_walker_through_many_borders_sees_a_channel_without_jumps():
    points = row_of_points(STARTS["far"], 5)
    atlas = mirrored_street(points)
    track = points[0] + np.linspace(0.0, 4 * GRID_M, 12_001)[:, None] * np.array([1.0, 0.0, 0.0])
    h = channel(atlas, track)[:, 0]
    # 0.5 mm on the way turns a path by 0.037 rad at most, and what a border adds is less than 0.02.
    limit = np.abs(GAINS).sum() * (2 * np.pi * 0.0005 / WAVELENGTH_M + 0.02)
    assert np.abs(np.diff(h, axis=0)).max() < limit
    assert len(np.unique(atlas.geometry.cell(torch.tensor(track)))) == 5


# What is missing, and what does not fit


def test_off_the_grid_there_is_no_channel():
    points = row_of_points(STARTS["far"], 3)
    paths = traced(points, lambda ue: [(g, corners_of(ue, o), [SPECULAR] * len(o)) for g, o in zip(GAINS, ORDERS)])
    atlas = make_atlas(points, paths)
    atlas.geometry.cell_of[0, 1] = -1  # a hole
    outside = [points[0] + [-GRID_M, 0, 0], points[0] + [0, GRID_M, 0], points[2] + [50, 0, 0], points[1]]
    h = channel(atlas, [*outside, points[0], points[2]], (-1e6, 1e6))
    assert not h[:4].any()
    assert (np.abs(h[4:]) > 0).all()
    local = atlas.paths(torch.tensor(np.array(outside), dtype=torch.float32), torch.zeros(4, dtype=torch.int64))
    assert not local.power.any()
    assert not local.line_of_sight.any()
    assert not local.first_m.any()
    assert np.isfinite(h).all()


def test_each_ap_has_its_own_paths():
    points = row_of_points(STARTS["far"], 2)
    one, two = (traced(points, lambda ue, g=g: [(g, [], [])]) for g in (1e-3, 2e-4))
    packed = [pack_paths(paths) for paths in (one, two)]
    tensors = {k: torch.from_numpy(np.concatenate([p[k] for p in packed])) for k in packed[0] if k != "count"}
    tensors["count"] = torch.from_numpy(np.stack([p["count"] for p in packed]))
    tensors["antenna_m"] = torch.tensor(np.stack([antennas(), 2 * antennas()]), dtype=torch.float32)
    base = mirrored_street(points).geometry
    geometry = Geometry(**{**vars(base), "ap_position_m": base.ap_position_m.expand(2, 3)})
    atlas = Atlas(geometry, {**tensors, "track": track_paths(geometry, tensors)})
    np.testing.assert_allclose(atlas.gain, [[1e-6, 1e-6], [4e-8, 4e-8]], rtol=2e-3)
    ue = torch.tensor(points[[0, 0]], dtype=torch.float32)
    h = atlas.channel(atlas.paths(ue, torch.tensor([1, 0])), torch.zeros(1)).numpy()[:, 0]
    for row, (gain, spread) in zip(h, ((2e-4, 2), (1e-3, 1))):
        distance = np.linalg.norm(points[0] - (AP_M + spread * antennas()), axis=-1)
        np.testing.assert_allclose(np.abs(row), gain, rtol=1e-3)
        assert phase_error(row, np.exp(-2j * np.pi * distance / WAVELENGTH_M)).max() < 1e-2


def test_tensors_that_do_not_belong_together_are_refused():
    points = row_of_points(STARTS["far"], 2)
    packed = {k: torch.from_numpy(v) for k, v in pack_paths(traced(points, lambda ue: [(1e-3, [], [])])).items()}
    geometry = mirrored_street(points).geometry
    antenna_m = torch.zeros(1, 1, 3)
    with pytest.raises(SiteError, match=r"\(1, 3\) links.*\(1, 2\)"):
        Atlas(geometry, {**packed, "count": torch.ones(1, 3, dtype=torch.uint8), "antenna_m": antenna_m})
    with pytest.raises(SiteError):
        Atlas(geometry, {**packed, "count": torch.tensor([[2, 1]], dtype=torch.uint8), "antenna_m": antenna_m})


def test_an_atlas_in_a_file_is_that_in_memory(monkeypatch):
    """Tables of a city lie in a file: the same paths and channels, bit by bit."""
    site = load_site("munich-28ghz")
    aps, points = site.twin("twin").gain.shape
    generator = torch.Generator().manual_seed(0)
    ap = torch.randint(aps, (500,), generator=generator)
    position_m = site.geometry.point_m[torch.randint(points, (500,), generator=generator)]
    position_m = position_m + torch.rand(500, 3, generator=generator) * torch.tensor([1.0, 1.0, 0.0])
    expected = site.twin("twin").paths(position_m, ap)
    tensors = read_tensors(site.path, world_file("twin"))
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)
    found = Atlas(site.geometry, tensors).paths(position_m, ap)
    for field in dataclasses.fields(found):
        assert torch.equal(getattr(found, field.name), getattr(expected, field.name)), field.name
