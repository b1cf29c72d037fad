"""Along a route the channel is continuous, and at grid points it is what was traced there."""

import numpy as np
import pytest
import torch

from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.atlas.tracks import track_paths
from twin_envs.world.store.reading import packaged_sites, read_tensors
from twin_envs.world.store.site import load_site, world_file

GRID_M = 1.5
AP_M = np.array([-30.0, 10.0, 6.0])
CARRIER_HZ = 3.5e9
WAVELENGTH_M = 299_792_458.0 / CARRIER_HZ
WORLDS = [(path.name, world) for path in packaged_sites() for world in ("reality", "twin")]


def from_sources(heard, rows=2, columns=3):
    """An atlas on a grid of points, and the places of its sources [S, 3].

    `heard(point, source)` is the amplitude with which a scatterer is heard at a grid point; the path from the AP is as
    long as the source's number of decametres, and then as the way from the source to the UE.
    """
    points = np.array([[GRID_M * x, GRID_M * y, 1.5] for y in range(rows) for x in range(columns)])
    sources = np.random.default_rng(3).uniform([-40, -40, 2], [40, 40, 15], (len(heard), 3))
    fields = empty_paths(len(points), len(heard))
    for s, source in enumerate(sources):
        way = points - source
        r = np.linalg.norm(way, axis=-1)
        fields["gain"][:, s] = heard[s]
        fields["length_m"][:, s] = 10.0 * (s + 1) + r
        fields["departure"][:, s] = (source - AP_M) / np.linalg.norm(source - AP_M)
        fields["arrival"][:, s] = fields["departure"][:, s]
        fields["source_m"][:, s] = r
        # Whatever reflections come after the scatterer, they turn the arrival into the departure.
        for n in range(len(points)):
            fields["turn"][n, s] = turn_between(way[n] / r[n], fields["departure"][n, s])
            fields["arrival"][n, s] = way[n] / r[n]
    packed = {k: torch.from_numpy(v) for k, v in pack_paths(TracedPaths(**fields)).items()}
    geometry = Geometry(
        carrier_hz=CARRIER_HZ,
        ap_position_m=torch.tensor(AP_M[None], dtype=torch.float32),
        cell_of=torch.arange(rows * columns).view(rows, columns),
        point_m=torch.tensor(points, dtype=torch.float32),
        origin_m=(0.0, 0.0),
        grid_m=GRID_M,
    )
    packed["count"] = packed["count"][None]
    tensors = {**packed, "track": track_paths(geometry, packed), "antenna_m": torch.zeros(1, 1, 3)}
    return Atlas(geometry, tensors), sources


def turn_between(arrival, departure):
    """The mirror that turns one direction into the other."""
    normal = arrival - departure
    normal /= max(np.linalg.norm(normal), 1e-12)
    return np.eye(3) - 2 * np.outer(normal, normal)


def paths_at(atlas, position):
    position = torch.tensor(np.atleast_2d(position), dtype=torch.float32)
    return atlas.paths(position, torch.zeros(len(position), dtype=torch.int64))


def narrowband(atlas, position):
    return atlas.channel(paths_at(atlas, position), torch.zeros(1))[:, 0, 0].numpy()


def walk(start, end, count):
    return np.asarray(start) + np.linspace(0, 1, count)[:, None] * (np.asarray(end) - np.asarray(start))


def at_points(amplitudes, rows=2, columns=3):
    """Amplitudes of a source at grid points: one number for all, or a dictionary of those at which it is heard."""
    if not isinstance(amplitudes, dict):
        return np.full(rows * columns, amplitudes)
    return np.array([amplitudes.get(n, 0.0) for n in range(rows * columns)])


def test_a_path_that_all_points_have_is_exact_between_them():
    atlas, (source,) = from_sources([at_points(1e-4)])
    ue = np.random.default_rng(0).uniform([0, 0, 1.5], [2 * GRID_M, GRID_M, 1.5], (500, 3))
    exact = 1e-4 * np.exp(-2j * np.pi * (10 + np.linalg.norm(ue - source, axis=-1)) / WAVELENGTH_M)
    np.testing.assert_allclose(narrowband(atlas, ue), exact, atol=1e-6)
    local = paths_at(atlas, ue)
    assert ((local.gain != 0).sum(-1) == 1).all()  # one path, however many points have it
    np.testing.assert_allclose(local.power.sum(-1), 1e-8, rtol=2e-3)


def test_a_path_that_one_point_has_fades_with_the_distance_from_it():
    elsewhere = [at_points({5: 1e-4})] * 2  # so that there is room for three paths
    atlas, _ = from_sources([at_points(1e-4), at_points({0: 1e-4}), at_points({1: 5e-5}), *elsewhere])
    power = paths_at(atlas, walk([0, 0, 1.5], [GRID_M, 0, 1.5], 201)).power.sort(-1, descending=True).values
    np.testing.assert_allclose(power[0], [1e-8, 1e-8, 0], rtol=3e-3)
    np.testing.assert_allclose(power[-1], [1e-8, 2.5e-9, 0], rtol=3e-3, atol=1e-14)
    np.testing.assert_allclose(power[100], [1e-8, 5e-9, 1.25e-9], rtol=3e-3)
    total = power.sum(-1)
    assert (total.diff() < 1e-12).all()
    np.testing.assert_allclose(power[1].sum(), total[0], rtol=1e-3)  # a centimetre from the point nothing has changed


def test_the_power_between_grid_points_is_the_mean_of_theirs():
    rng = np.random.default_rng(1)
    atlas, _ = from_sources([at_points(dict(enumerate(rng.uniform(1e-5, 1e-4, 6)))) for _ in range(4)])
    ue = rng.uniform([-0.7, -0.7, 1.5], [2 * GRID_M + 0.7, GRID_M + 0.7, 1.5], (500, 3))
    position, ap = torch.tensor(ue, dtype=torch.float32), torch.zeros(500, dtype=torch.int64)
    power = paths_at(atlas, ue).power.sum(-1)
    np.testing.assert_allclose(atlas.between(atlas.gain, position, ap), power, rtol=1e-4)
    assert (power >= atlas.gain.min() * 0.999).all()
    assert (power <= atlas.gain.max() * 1.001).all()
    on_points = atlas.between(atlas.gain, atlas.geometry.point_m, torch.zeros(6, dtype=torch.int64))
    np.testing.assert_allclose(on_points, atlas.gain[0], rtol=1e-5)


def test_a_walker_among_points_that_share_no_path_sees_no_jump():
    """More paths come together between the points than a point has: those that leave have faded before."""
    rng = np.random.default_rng(2)
    heard = [at_points({n: rng.uniform(2e-5, 1e-4)}) for n in range(6) for _ in range(5)]
    atlas, _ = from_sources(heard)
    assert int(atlas.count.max()) == 5
    for end in ([2 * GRID_M, GRID_M, 1.5], [2 * GRID_M, 0.3, 1.5]):
        track = walk([0, 0.1, 1.5], end, 30_001)
        local = paths_at(atlas, track)
        assert local.gain.shape[1] == 5
        step_m = np.linalg.norm(track[1] - track[0])
        h = atlas.channel(local, torch.zeros(1))[:, 0, 0].numpy()
        # What motion turns, and what an amplitude grows: half a metre from nothing to all of it is fast.
        limit = 5 * 1e-4 * step_m * (2 * np.pi / WAVELENGTH_M + 1 / 0.1)
        assert np.abs(np.diff(h)).max() < limit
        np.testing.assert_allclose(
            local.power.sum(-1),
            atlas.between(
                atlas.gain, torch.tensor(track, dtype=torch.float32), torch.zeros(len(track), dtype=torch.int64)
            ),
            rtol=1e-4,
        )


def test_tracks_tell_the_paths_of_neighbours_apart():
    atlas, sources = from_sources(
        [at_points(1e-4), at_points({0: 5e-5, 1: 5e-5, 4: 3e-5}), at_points({1: 2e-5, 5: 2e-5})]
    )
    local = paths_at(atlas, [0.4 * GRID_M, 0.1, 1.5])
    length_m = 10.0 * np.arange(1, 4) + np.linalg.norm(np.array([0.4 * GRID_M, 0.1, 1.5]) - sources, axis=-1)
    found = dict(zip(local.length_m[0].tolist(), local.power[0].tolist(), strict=True))
    assert sorted(found) == pytest.approx(sorted(length_m), abs=1e-3)


def crossings(site, atlas, count, seed):
    """Where routes cross from one raster cell or triangle to the next: positions [N, 3], directions, strongest APs."""
    rng = np.random.default_rng(seed)
    corners = site.routes.points[..., :2].double().numpy()
    route, vertex = rng.integers(corners.shape[0], size=40 * count), rng.integers(corners.shape[1] - 1, size=40 * count)
    start, way = corners[route, vertex], corners[route, vertex + 1] - corners[route, vertex]
    length = np.linalg.norm(way, axis=-1)
    start, way = (x[length > 1e-3] for x in (start, way))
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    # Borders of cells, the lines between their centres, and the diagonals of the squares in between
    at = (start - np.array(atlas.geometry.origin_m)) / atlas.geometry.grid_m
    kinds = rng.integers(5, size=len(at))
    normal = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, -1]])[kinds]
    level = (at * normal).sum(-1) - np.array([0.5, 0.5, 0, 0, 0])[kinds]
    speed = (way * normal).sum(-1) / atlas.geometry.grid_m
    ahead = (np.where(speed > 0, np.ceil(level), np.floor(level)) - level) / np.where(
        np.abs(speed) < 0.05, np.nan, speed
    )
    position = np.column_stack([start + ahead[:, None] * way, np.full(len(start), site.recipe.ue_height_m)])
    way = np.column_stack([way, np.zeros(len(way))])
    kept = np.isfinite(ahead)
    position, way = (torch.tensor(x[kept], dtype=torch.float32) for x in (position, way))
    cell = atlas.geometry.cell(position)
    gain, ap = atlas.gain[:, cell.clamp_min(0)].max(0)
    served = (cell >= 0) & (gain > 1e-12)
    for side in (-0.01, 0.01):
        served &= atlas.geometry.cell(position + side * way) >= 0
    return position[served][:count], way[served][:count], ap[served][:count]


@pytest.mark.parametrize(("name", "world"), WORLDS)
def test_the_channel_along_routes_is_continuous(name, world):
    site = load_site(name)
    atlas = site.reality(world)
    position, way, ap = crossings(site, atlas, 1000, seed=4)
    assert len(ap) == 1000
    offset_hz = (torch.arange(12) - 5.5) * (site.recipe.csi_blocks * site.recipe.block_spacing_hz / 12)
    # A millimetre at 3.5 GHz; as much of a wavelength at other carriers.
    step = site.recipe.wavelength_m / 86 * way
    h = [atlas.channel(atlas.paths(position + side * step, ap), offset_hz).flatten(1) for side in (-0.5, 0.5)]
    before, after = h
    power = [x.abs().square().sum(-1) for x in h]
    alike = (before.conj() * after).sum(-1).abs().square() / (power[0] * power[1])
    assert alike.median() >= 0.999
    assert (alike < 0.9).float().mean() <= 0.01
    # Each path turns by a part of a turn at most, so the amplitude steps by no more than that of all paths in phase; in
    # a fade that may be many dB. Beside that, paths come and go over a metre or so.
    amplitude = atlas.paths(position, ap).gain.abs().sum(-1) * before.shape[-1] ** 0.5
    assert ((power[1].sqrt() - power[0].sqrt()).abs() / amplitude).max() < 2 * np.pi / 86 + 0.01


@pytest.mark.parametrize(("name", "world"), WORLDS)
def test_at_grid_points_the_channel_is_the_traced_one(name, world):
    site = load_site(name)
    atlas, tensors = site.reality(world), read_tensors(site.path, world_file(world))
    own = atlas.geometry.cell(atlas.geometry.point_m)
    assert (own == torch.arange(len(own))).all()
    links = (atlas.gain.flatten() > 0).nonzero()[:, 0]
    links = links[torch.randperm(len(links), generator=torch.Generator().manual_seed(0))[:200]]
    ap, cell = links // len(own), links % len(own)
    local = atlas.paths(atlas.geometry.point_m[cell], ap)
    h = atlas.channel(local, torch.zeros(1))[:, 0]
    packed, error = [atlas.packed_paths(ap) for ap in range(len(atlas.gain))], []
    image_m = torch.cat([of_ap.departure * of_ap.length_m[:, None] for of_ap in packed]).double()
    for n, link in enumerate(links.tolist()):
        mine = slice(int(atlas.start[link]), int(atlas.start[link] + atlas.count[link]))
        gain = torch.polar(
            10 ** (tensors["gain_cdb"][mine].double() / 2000), tensors["phase"][mine].double() * (np.pi / 32768)
        )
        distance_m = (image_m[mine][:, None] - atlas.antenna_m[ap[n]].double()).norm(dim=-1)
        turns = distance_m / site.recipe.wavelength_m
        traced = (gain[:, None] * torch.polar(torch.ones_like(turns), -2 * np.pi * turns)).sum(0)
        error.append(((h[n] - traced).norm() / traced.norm()).item())
    # A float32 tells places to a hundredth of a millimetre: so much of a much stronger neighbour is there.
    assert np.quantile(error, 0.95) < 0.02
    assert max(error) < 0.1


def test_no_link_is_asked_for():
    atlas, _ = from_sources([at_points(1e-4)])
    local = paths_at(atlas, np.zeros((0, 3)))
    assert local.gain.shape == (0, 1)
    assert atlas.channel(local, torch.zeros(2)).shape == (0, 2, 1)
