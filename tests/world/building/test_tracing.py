"""Ray tracing: free space and Sionna's own arrays by formula, the shipped site by tracing a sample of it again."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.atlas.atlas import LocalPaths
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.building.clutter import Clutter
from twin_envs.world.building.paths import continued, describe_paths
from twin_envs.world.building.scattering import SCATTERING
from twin_envs.world.building.survey import surveyed_clutter
from twin_envs.world.building.tracing import Surface, Tracer, import_ray_tracer
from twin_envs.world.recipe import WorldRecipe, load_recipe, recipe_text
from twin_envs.world.store.site import load_site

AP_M = np.array([0.0, 0.0, 10.0])
NO_CLUTTER = Clutter(
    vehicles=np.zeros((0, 7)), furniture=np.zeros((0, 7)), crowns=np.zeros((0, 4)), yaw_error_rad=np.zeros(1)
)
OFFSET_HZ = (torch.arange(12) - 5.5) * 4 * 360e3


# What becomes of the ray tracer's paths; needs no ray tracer


def describe(gain, *, corners=None, crowns=(), air_db_m=0.0, sends=None, **world):
    """Paths of one link: line of sight, and by way of a mirror (kind 1) or scatterer (2) at each of `corners`."""
    gain = np.array([gain], complex)
    kinds, vertices = np.zeros((*gain.shape, 1), int), np.zeros((*gain.shape, 1, 3))
    for index, (kind, point) in enumerate(corners or [], start=1):
        kinds[0, index], vertices[0, index] = kind, point
    ue_m = np.array([[40.0, 0.0, 10.0]])
    recipe = WorldRecipe(**{"max_paths": 4, "dynamic_range_db": 40.0, **world})
    crowns = np.reshape(crowns, (-1, 4))
    places = {"ap_m": AP_M, "ue_m": ue_m, "crowns": crowns}
    losses = {"absorption_db_m": air_db_m, "sends": sends}
    return describe_paths(gain, kinds, vertices, **places, **losses, carrier_hz=3.5e9, world=recipe, floor_db=-130.0)


def test_the_strongest_paths_are_kept_with_the_power_of_all():
    gain = 1e-4 * np.array([0.1, 1.0, 0.4j, 0.2, -0.3, 0.05])
    found = describe(gain, corners=[(2, (20.0, y, 10.0)) for y in range(5, 10)])
    power = np.abs(found["gain"][0]) ** 2
    assert power.sum() == pytest.approx((np.abs(gain) ** 2).sum())
    np.testing.assert_allclose(power / power[0], [1.0, 0.16, 0.09, 0.04])
    np.testing.assert_allclose(np.angle(found["gain"][0]), [0, np.pi / 2, np.pi, 0], atol=1e-12)


def test_weak_paths_and_weak_links_are_left_out():
    found = describe([1e-4, 1.1e-6, 0.9e-6], corners=[(2, (20, 5, 10)), (2, (20, 6, 10))])
    assert (np.abs(found["gain"][0]) > 0).tolist() == [True, True, False, False]
    assert np.abs(describe([0.9e-6, 0.0])["gain"]).max() == pytest.approx(0.9e-6)
    weak = describe([0.3e-6, 0.0])  # -130.5 dB
    assert not weak["gain"].any()
    assert not weak["line_of_sight"].any()


def test_a_crown_takes_its_chord_from_the_paths_through_it():
    clear = describe([1e-4, 5e-5], corners=[(1, (20, 15, 10))])
    shaded = describe([1e-4, 5e-5], corners=[(1, (20, 15, 10))], crowns=[(30, 0, 10, 2.0)])
    loss_db = 20 * np.log10(np.abs(shaded["gain"][0, :2] / clear["gain"][0, :2]))
    np.testing.assert_allclose(loss_db, [-4.0, 0.0], atol=1e-9)


def test_the_air_takes_from_each_path_by_its_length():
    through = [(1, (20.0, 15.0, 10.0)), (2, (10.0, 40.0, 10.0))]
    clear, damp = (describe([1e-4, 5e-5, 3e-5], corners=through, air_db_m=loss) for loss in (0.0, 0.05))
    lost_db = 20 * np.log10(np.abs(clear["gain"][0, :3] / damp["gain"][0, :3]))
    np.testing.assert_allclose(lost_db, 0.05 * clear["length_m"][0, :3])
    np.testing.assert_array_equal(clear["length_m"], damp["length_m"])


def test_an_antenna_sends_each_path_by_the_direction_in_which_it_leaves():
    corner = np.array([20.0, 0.0, 30.0])  # up at 45 degrees, and down to the UE

    def sends(towards):
        np.testing.assert_allclose(np.linalg.norm(towards, axis=-1), 1.0)
        return np.where(towards[..., 2] > 0.1, -0.5, 2.0)

    plain, sent = (describe([1e-4, 1e-4], corners=[(1, corner)], sends=chosen) for chosen in (None, sends))
    ratio = {round(float(u[2]), 2): g for g, u in zip(sent["gain"][0, :2] / 1e-4, sent["departure"][0, :2])}
    assert ratio == {0.0: pytest.approx(2.0), 0.71: pytest.approx(-0.5)}
    assert plain["gain"][0, :2].tolist() == pytest.approx([1e-4, 1e-4])


def test_a_path_is_described_by_its_corners():
    mirror, scatterer = np.array([20.0, 15.0, 10.0]), np.array([10.0, -5.0, 4.0])
    found = describe([1e-4, 5e-5, 2e-5], corners=[(1, mirror), (2, scatterer)])
    ue_m = np.array([40.0, 0, 10])
    through = [np.linalg.norm(point - AP_M) + np.linalg.norm(ue_m - point) for point in (mirror, scatterer)]
    np.testing.assert_allclose(found["length_m"][0, :3], [40.0, *through])
    assert found["line_of_sight"][0].tolist() == [True, False, False, False]
    np.testing.assert_allclose(found["source_m"][0, :3], [0, 0, np.linalg.norm(ue_m - scatterer)])
    np.testing.assert_allclose(found["departure"][0, :2], [[1, 0, 0], [0.8, 0.6, 0]])
    np.testing.assert_allclose(found["arrival"][0, :2], [[1, 0, 0], [0.8, -0.6, 0]])
    np.testing.assert_allclose(found["turn"][0, 0], np.eye(3))
    np.testing.assert_allclose(found["turn"][0, 1], np.diag([1, -1, 1]), atol=1e-12)
    np.testing.assert_allclose(
        np.einsum("pij,pj->pi", found["turn"][0, :3], found["arrival"][0, :3]), found["departure"][0, :3], atol=1e-9
    )


def test_paths_are_continued_as_the_waves_that_they_are():
    """Traced 1 m beside the UE and continued to it: what would have been traced there, gains and foliage aside."""
    mirror_y_m, scatterer = 15.0, np.array([10.0, -5.0, 4.0])

    def traced(ue_m):
        """Line of sight, a wall along y = 15 m, a scatterer, and that scatterer seen in the wall."""
        image, seen = (np.array([x, 2 * mirror_y_m - y, z]) for x, y, z in (ue_m, scatterer))

        def in_wall(start, end):
            return start + (end - start) * (mirror_y_m - start[1]) / (end[1] - start[1])

        wall, from_scatterer = in_wall(AP_M, image), in_wall(seen, ue_m)
        kinds = np.array([[[0, 0], [1, 0], [2, 0], [2, 1]]])
        vertices = np.zeros((1, 4, 2, 3))
        vertices[0, 1, 0], vertices[0, 2, 0], vertices[0, 3] = wall, scatterer, [scatterer, from_scatterer]
        world = WorldRecipe(max_paths=4, dynamic_range_db=100.0)
        fields = describe_paths(
            1e-4 * np.array([[1.0, 0.5, 0.25, 0.125]], complex),
            kinds,
            vertices,
            ap_m=AP_M,
            ue_m=np.array([ue_m]),
            crowns=np.zeros((0, 4)),
            carrier_hz=3.5e9,
            world=world,
            floor_db=-130.0,
        )
        return TracedPaths(**fields)

    ue_m, shift_m = np.array([40.0, 2.0, 1.5]), np.array([0.9, -1.4, 0.0])
    there, found = traced(ue_m + shift_m), continued(traced(ue_m), shift_m[None])
    for field in ("gain", "length_m", "departure", "source_m", "line_of_sight"):
        np.testing.assert_allclose(getattr(found, field), getattr(there, field), atol=1e-9, err_msg=field)
    np.testing.assert_allclose(found.arrival[0], there.arrival[0], atol=1e-9)
    seen = np.einsum("pij,pj->pi", found.turn[0], found.arrival[0])
    np.testing.assert_allclose(seen, found.departure[0], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(found.turn[0]), np.linalg.det(there.turn[0]), atol=1e-9)
    same = continued(there, np.zeros((1, 3)))
    for field in dataclasses.fields(there):
        np.testing.assert_allclose(getattr(same, field.name), getattr(there, field.name), atol=1e-12)


def test_nothing_is_described_as_nothing():
    nothing = empty_paths(3, 4)
    assert not nothing["gain"].any()
    np.testing.assert_allclose(np.linalg.norm(nothing["departure"], axis=-1), 1.0)


# Free space


def open_field(pattern, yaw_rad=0.0, downtilt_rad=0.0, **changes):
    """An AP above a scene with hardly anything in it, traced for line of sight."""
    base = load_recipe(recipe_text("munich"))
    ap = dataclasses.replace(
        base.access_points[0], position_m=tuple(AP_M.tolist()), yaw_rad=yaw_rad, downtilt_rad=downtilt_rad
    )
    array = dataclasses.replace(base.array, pattern=pattern)
    return dataclasses.replace(base, **{"scene": "simple_reflector", "access_points": (ap,), "array": array, **changes})


def gain_db(recipe, points_m):
    paths = Tracer(recipe, WorldRecipe(max_depth=0, max_paths=2), NO_CLUTTER).trace(0, np.asarray(points_m, float))
    assert paths.line_of_sight[:, 0].all()
    np.testing.assert_allclose(paths.length_m[:, 0], np.linalg.norm(np.asarray(points_m) - AP_M, axis=-1), rtol=1e-5)
    return 10 * np.log10((np.abs(paths.gain) ** 2).sum(-1))


def friis_db(recipe, points_m):
    return 20 * np.log10(recipe.wavelength_m / (4 * np.pi * np.linalg.norm(np.asarray(points_m) - AP_M, axis=-1)))


@pytest.mark.rt
def test_line_of_sight_in_free_space_is_friis():
    ahead = [[d, 0.0, 10.0] for d in (3.0, 30.0, 300.0)]
    for pattern, peak_dbi in (("iso", 0.0), ("tr38901", 8.0)):
        recipe = open_field(pattern)
        np.testing.assert_allclose(gain_db(recipe, ahead), friis_db(recipe, ahead) + peak_dbi, atol=0.02)


@pytest.mark.rt
def test_the_element_pattern_looks_where_the_access_point_looks():
    # TR 38.901, table 7.3-1: 8 dBi, 3 dB down at half of 65 degrees, 30 dB down behind.
    recipe = open_field("tr38901", yaw_rad=1.0, downtilt_rad=0.3)
    half = math.radians(32.5)
    level = open_field("tr38901", yaw_rad=1.0)
    around = [[50 * math.cos(1 + a), 50 * math.sin(1 + a), 10.0] for a in (0.0, half, -half, math.pi)]
    np.testing.assert_allclose(gain_db(level, around) - friis_db(level, around), [8, 5, 5, -22], atol=0.05)
    below = [
        [50 * math.cos(1) * math.cos(t), 50 * math.sin(1) * math.cos(t), 10 - 50 * math.sin(t)]
        for t in (0.3, 0.3 + half, 0.3 - half)
    ]
    np.testing.assert_allclose(gain_db(recipe, below) - friis_db(recipe, below), [8, 5, 5], atol=0.05)


@pytest.mark.rt
def test_an_unknown_scene_is_refused_with_the_nearest():
    recipe = open_field("iso", scene="simple_reflectr")
    with pytest.raises(ConfigurationError, match=r"scene must be one of .*'munich'.* did you mean 'simple_reflector'"):
        Surface(recipe)


# The shipped site


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def twin_tracer(site):
    return Tracer(site.recipe, site.recipe.worlds["twin"], NO_CLUTTER)


@pytest.mark.rt
def test_who_stands_in_an_object_gets_what_arrives_beside_it():
    """A car of 4.4 m x 1.8 m in the open field; the wave goes on from the nearest free place, 0.1 m from its side."""
    recipe = open_field("iso", gap="severe")
    car = np.array([[30.0, 5.0, 1.0, 4.4, 1.8, 1.5, 0.0]])
    tracer = Tracer(
        recipe, WorldRecipe(real=True, max_depth=0, max_paths=2), dataclasses.replace(NO_CLUTTER, vehicles=car)
    )
    points_m = np.array([[30.0, 5.6, 1.5], [30.0, 9.0, 1.5], [31.0, 4.2, 1.5]])
    paths = tracer.trace(0, points_m)
    assert paths.line_of_sight[:, 0].all()
    np.testing.assert_allclose(paths.length_m[:, 0], np.linalg.norm(points_m - AP_M, axis=-1), rtol=1e-6)
    friis_db = 20 * np.log10(recipe.wavelength_m / (4 * np.pi * paths.length_m[:, 0]))
    np.testing.assert_allclose(20 * np.log10(np.abs(paths.gain[:, 0])), friis_db, atol=0.3)


def fresh(tracer, ap, points_m):
    """The paths that the ray tracer finds now."""
    traced = tracer.trace(ap, points_m)
    return LocalPaths(
        gain=torch.tensor(traced.gain, dtype=torch.complex64),
        image_m=torch.tensor(traced.length_m[..., None] * traced.departure, dtype=torch.float32),
        arrival=torch.tensor(traced.arrival, dtype=torch.float32),
        line_of_sight=torch.tensor(traced.line_of_sight.any(-1)),
        ap=torch.full((len(points_m),), ap),
    )


def stored(atlas, ap, points_m):
    return atlas.paths(torch.tensor(points_m, dtype=torch.float32), torch.full((len(points_m),), ap))


def nmse_db(atlas, paths, truth):
    h, h_true = (atlas.channel(p, OFFSET_HZ) for p in (paths, truth))
    error = (h - h_true).abs().square().sum((1, 2)) / h_true.abs().square().sum((1, 2))
    return 10 * np.log10(error.numpy() + 1e-12)


def retraced(site, world, tracer, aps):
    """NMSE and difference of the gain [dB] between atlas and fresh traces, at grid points and anywhere in their cells.

    For each AP, 24 grid points that it serves and 24 positions spread evenly over the cells of others.
    """
    atlas, half = site.reality(world), 24
    errors_db, gains_db = ([], []), ([], [])
    for ap in aps:
        rng = np.random.default_rng(ap)
        served = np.flatnonzero((atlas.gain[ap] > 1e-12).numpy())
        points_m = site.geometry.point_m[rng.choice(served, 2 * half, replace=False)].double().numpy()
        points_m[half:, :2] += rng.uniform(-0.5, 0.5, (half, 2)) * site.recipe.grid_m
        known, truth = stored(atlas, ap, points_m), fresh(tracer, ap, points_m)
        there = ((truth.power.sum(-1) > 0) & (known.power.sum(-1) > 0)).numpy()
        assert there.mean() > 0.9
        error_db = nmse_db(atlas, known, truth)
        gain_db = 10 * np.abs(np.log10((known.power.sum(-1) / truth.power.sum(-1).clamp_min(1e-30)).numpy() + 1e-30))
        for index, part in enumerate((slice(half), slice(half, None))):
            errors_db[index].append(error_db[part][there[part]])
            gains_db[index].append(gain_db[part][there[part]])
    return [np.concatenate(parts) for parts in (*errors_db, *gains_db)]


@pytest.mark.rt
def test_the_shipped_twin_is_what_tracing_gives_and_right_between_its_grid_points(site, twin_tracer):
    on_grid_db, off_grid_db, gain_db, _ = retraced(site, "twin", twin_tracer, range(len(site.recipe.access_points)))
    print(f"twin: median NMSE {np.median(on_grid_db):.1f} dB on the grid, {np.median(off_grid_db):.1f} dB off it")
    assert np.median(gain_db) < 0.2
    assert np.median(on_grid_db) < -25
    assert np.median(off_grid_db) < -20


@pytest.mark.rt
def test_what_walls_of_the_shipped_twin_scatter_is_what_tracing_gives(site):
    """In the median, and where it is strongest: it is traced at places some metres apart."""
    how = dataclasses.replace(site.recipe.worlds["twin"], max_paths=64, dynamic_range_db=120.0)
    tracer = Tracer(site.recipe, how, NO_CLUTTER, scattering=SCATTERING)
    atlas, ap = site.scattering_twin("twin"), 3
    scattered = atlas.changed(atlas.interactions().scattered.float(), torch.zeros(9)).gain[ap].numpy()
    cell = np.random.default_rng(0).choice(np.flatnonzero(scattered > 1e-12), 48, replace=False)
    paths = tracer.trace(ap, site.geometry.point_m[cell].double().numpy())
    power = np.where(paths.source_m > 0, np.abs(paths.gain) ** 2, 0).sum(-1)
    off_db = 10 * np.log10(np.maximum(power, 1e-15) / scattered[cell])
    assert abs(np.median(off_db)) < 1
    assert np.median(np.abs(off_db)) < 2


@pytest.mark.rt
def test_the_shipped_reality_is_what_tracing_gives(site):
    tracer = Tracer(site.recipe, site.recipe.worlds["reality"], surveyed_clutter(site.recipe))
    on_grid_db, off_grid_db, gain_db, _ = retraced(site, "reality", tracer, range(len(site.recipe.access_points)))
    print(f"reality: median NMSE {np.median(on_grid_db):.1f} dB on the grid, {np.median(off_grid_db):.1f} dB off it")
    assert np.median(gain_db) < 0.2
    assert np.median(on_grid_db) < -25
    # -17.9 dB where the site was traced: scatterers come and go within a step of the grid, and fade in and out between.
    assert np.median(off_grid_db) < -17


@pytest.mark.rt
@pytest.mark.parametrize("name", ["munich-cellfree", "munich-28ghz"])
def test_the_other_shipped_sites_are_what_tracing_gives(name):
    site = load_site(name)
    clutter, aps = surveyed_clutter(site.recipe), (0, len(site.recipe.access_points) // 2)
    for world, how in site.recipe.worlds.items():
        on_grid_db, off_grid_db, gain_db, _ = retraced(site, world, Tracer(site.recipe, how, clutter, batch=48), aps)
        print(
            f"{name} {world}: median NMSE {np.median(on_grid_db):.1f} dB on, {np.median(off_grid_db):.1f} dB off grid"
        )
        assert np.median(gain_db) < 0.2
        assert np.median(on_grid_db) < -25
        # Mirror images are exact in between; scatterers, and points on edges, are other ones within a step of the grid.
        mirrors_only = not (how.real or how.diffraction)
        assert np.median(off_grid_db) < (-20 if mirrors_only else -9)


@pytest.mark.rt
def test_without_a_gap_reality_is_the_twin(site, twin_tracer):
    recipe, ap = dataclasses.replace(site.recipe, gap="none"), 3
    clutter = dataclasses.replace(NO_CLUTTER, yaw_error_rad=np.zeros(len(recipe.access_points)))
    points_m = site.geometry.point_m[(site.twin("twin").gain[ap] > 1e-12)].double().numpy()[::40]
    real = Tracer(recipe, recipe.worlds["reality"], clutter).trace(ap, points_m)
    twin = twin_tracer.trace(ap, points_m)
    for field in dataclasses.fields(twin):
        np.testing.assert_allclose(getattr(real, field.name), getattr(twin, field.name), atol=1e-6)


@pytest.mark.rt
def test_the_paths_of_a_ue_do_not_depend_on_who_else_is_traced(site, twin_tracer):
    atlas, ap = site.twin("twin"), 3
    points_m = site.geometry.point_m[(atlas.gain[ap] > 1e-12)].double().numpy()
    points_m = np.random.default_rng(0).permutation(points_m)[:64]
    together, few = twin_tracer.trace(ap, points_m), twin_tracer.trace(ap, points_m[:8])
    for field in dataclasses.fields(few):
        np.testing.assert_allclose(getattr(together, field.name)[:8], getattr(few, field.name), atol=1e-6)


@pytest.mark.rt
def test_the_atlas_gives_the_channel_of_sionnas_own_array(site, twin_tracer, monkeypatch):
    """Each antenna traced on its own by Sionna RT, from where Sionna RT puts it; the atlas knows only the middle."""
    ap, atlas, recipe = 0, site.twin("twin"), site.recipe
    served = np.flatnonzero((atlas.gain[ap] > 1e-12).numpy())
    points_m = site.geometry.point_m[np.random.default_rng(0).choice(served, 6, replace=False)].double().numpy()
    rt, point, array = import_ray_tracer(), recipe.access_points[ap], recipe.array
    table = "sionna.rt.path_solvers.sb_candidate_generator.SBCandidateGenerator.MIN_SPEC_COUNT_SIZE"
    monkeypatch.setattr(table, 10**6)  # one for each of the 32 antennas
    scene = rt.load_scene(getattr(rt.scene, recipe.scene))
    scene.frequency = recipe.carrier_hz
    planar = {"num_rows": array.rows, "num_cols": array.columns, "pattern": array.pattern, "polarization": "V"}
    scene.tx_array = rt.PlanarArray(
        vertical_spacing=array.row_spacing, horizontal_spacing=array.column_spacing, **planar
    )
    scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
    scene.add(rt.Transmitter("ap", position=point.position_m, orientation=(point.yaw_rad, point.downtilt_rad, 0.0)))
    for index, position in enumerate(points_m.tolist()):
        scene.add(rt.Receiver(f"ue-{index}", position=position))
    paths = twin_tracer.solver(
        scene,
        max_depth=recipe.worlds["twin"].max_depth,
        samples_per_src=recipe.worlds["twin"].samples,
        synthetic_array=False,
        refraction=False,
        seed=1 + recipe.seed,
    )
    h = paths.cfr(frequencies=OFFSET_HZ.numpy(), normalize_delays=False, out_type="numpy")[:, 0, 0, :, 0]
    # Sionna counts antennas column by column, the atlas row by row.
    h = h.reshape(len(points_m), array.columns, array.rows, -1).transpose(0, 3, 2, 1).reshape(len(points_m), 12, -1)
    known = atlas.channel(stored(atlas, ap, points_m), OFFSET_HZ).numpy()
    error = (np.abs(known - h) ** 2).sum((1, 2)) / (np.abs(h) ** 2).sum((1, 2))
    assert 10 * np.log10(np.median(error)) < -20


@pytest.mark.rt
def test_where_a_material_is_not_known_another_stands_in_its_place():
    recipe = load_recipe(recipe_text("munich-60ghz"))
    assert recipe.materials == {"brick": "concrete", "marble": "concrete"}
    assert Surface(recipe).height_m(np.array([0.0]), np.array([0.0])).shape == (1, 1)
    with pytest.raises(ConfigurationError, match=r"carrier_hz must be .* got 60000000000.0: .*a table \[materials\]"):
        Surface(dataclasses.replace(recipe, materials={"brick": "concrete"}))
    with pytest.raises(ConfigurationError, match=r"materials must be among those of the scene, .*; got 'chipboard'"):
        Surface(dataclasses.replace(recipe, materials={**recipe.materials, "chipboard": "wood"}))
