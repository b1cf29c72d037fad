"""Ray tracing with Sionna RT. The only module that imports sionna.rt, and only when something is traced."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from twin_envs.base.doctor import ray_tracer_problem
from twin_envs.base.errors import ConfigurationError, DependencyMissing, check_choice
from twin_envs.base.generators import generators_kept
from twin_envs.world.atlas.arrays import stack_amplitude, stack_axis
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.atmosphere import specific_attenuation_db_m
from twin_envs.world.building.clutter import LEVELS, Clutter, GapLevel, box_mesh, occupied
from twin_envs.world.building.hall import hall_scene
from twin_envs.world.building.paths import continued, describe_paths
from twin_envs.world.recipe import SiteRecipe, WorldRecipe

BATCH = 256
"""Receivers per call of the path solver."""
_HASHES_EACH = 2**18
"""Size of the solver's table of paths that it has found, for each receiver. With its default of 10^6 in all, distinct
paths of a few hundred receivers collide and are lost (NVlabs/sionna issue 1172): a UE's paths would depend on who else
is traced."""
_ROOM_M, _LONGEST_WAY_ROUND_M = 0.1, 6.0
"""A UE keeps so far from an object, and goes so far out of its way for it at most."""
_GROUND_M = 0.5
"""What rises less above the ground is ground, too."""
GROUND_NAMES = ("ground", "terrain", "plane", "floor")
"""The object of a scene with one of these names, in small letters or capitals, is its ground."""
CEILING = "ceiling"
"""The object of a scene with this name is over UEs' heads: there is floor below it, and no sky above."""
_BESIDE_M = 0.3 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
"""Round a UE there is ground: so far it keeps from walls."""


def _disc_m(radius_m: float, step_m: float) -> np.ndarray:
    """Offsets [N, 2] in a square that holds a disc, the nearest first."""
    side = np.arange(-radius_m, radius_m + step_m / 2, step_m)
    offset = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    return offset[np.argsort((offset**2).sum(-1), kind="stable")]


_ROUND_M = _disc_m(_LONGEST_WAY_ROUND_M, 0.25)
"""Where a UE may go that has to walk round an object, the nearest first."""


def import_ray_tracer() -> Any:
    """sionna.rt, or `DependencyMissing` with the command that mends it; never a crash of the process."""
    problem = ray_tracer_problem()
    if problem:
        raise DependencyMissing(problem)
    with generators_kept():
        import sionna.rt

    return sionna.rt


def release_memory() -> None:
    """Give back what the ray tracer keeps for its next arrays, hundreds of megabytes after a site was built."""
    if drjit := sys.modules.get("drjit"):
        drjit.flush_malloc_cache()


def _load_scene(rt: Any, recipe: SiteRecipe) -> Any:
    """The recipe's scene at its carrier, or `ConfigurationError` that says what is wrong with it.

    Sionna RT merges objects. The ground stays apart, and so do rectangles, which it would lose.
    """
    own = recipe.scene.endswith(".xml")
    if recipe.hall:
        return _at_carrier(_load_hall(rt, hall_scene(recipe.hall, recipe.seed)), recipe)
    if own:
        scene_files(recipe)
    else:
        shipped = [name for name, file in vars(rt.scene).items() if str(file).endswith(".xml")]
        check_choice("scene", recipe.scene, shipped)
    try:
        scene = rt.load_scene(
            recipe.scene if own else getattr(rt.scene, recipe.scene),
            merge_shapes_exclude_regex=_kept_apart(_rectangles(recipe) if own else []),
        )
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ConfigurationError(
            f"scene must be a Mitsuba scene that Sionna RT can load, got {recipe.scene!r}: {reason}"
        ) from None
    return _at_carrier(scene, recipe)


def _load_hall(rt: Any, text: str) -> Any:
    """A scene from its text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hall.xml"
        path.write_text(text, encoding="utf-8")
        return rt.load_scene(str(path), merge_shapes_exclude_regex=_kept_apart([]))


def _kept_apart(names: list[str]) -> str:
    """The pattern of objects that Sionna RT must not merge with others."""
    return f"(?i)^(mesh-)?({'|'.join([*GROUND_NAMES, CEILING, *map(re.escape, names)])})$"


def _at_carrier(scene: Any, recipe: SiteRecipe) -> Any:
    there = {material.itu_type for material in scene.radio_materials.values() if hasattr(material, "itu_type")}
    if missing := recipe.materials.keys() - there:
        raise ConfigurationError(
            f"materials must be among those of the scene, {', '.join(sorted(there))}; got {min(missing)!r}"
        )
    for material in scene.radio_materials.values():
        if instead := recipe.materials.get(getattr(material, "itu_type", "")):
            material.frequency_update_callback = partial(_constants, instead)
    try:
        scene.frequency = recipe.carrier_hz
    except ValueError as error:
        raise ConfigurationError(
            f"carrier_hz must be one for which all materials of the scene are known, got {recipe.carrier_hz!r}: "
            f"{error}; a table [materials] of the recipe names others in their place"
        ) from None
    return scene


def _constants(material: str, frequency_hz: Any) -> Any:
    """Permittivity and conductivity of a material of ITU-R P.2040."""
    from sionna.rt.radio_materials.itu import itu_material

    return itu_material(material, frequency_hz)


def scene_files(recipe: SiteRecipe) -> dict[str, Path]:
    """The files of a scene of one's own, by name from the folder of its XML: that, and the meshes it names.

    A scene that ships with Sionna RT has none: the version of Sionna RT says which it is.

    Raises:
        ConfigurationError: a file is missing, or the first is no XML.
    """
    if not recipe.scene.endswith(".xml"):
        return {}
    path, root = Path(recipe.scene), _read_scene(recipe)
    named = sorted({str(tag.get("value")) for tag in root.iter("string") if tag.get("name") == "filename"})
    for name in named:
        if not (path.parent / name).is_file():
            raise ConfigurationError(f"scene must name files that exist, got {name!r} in {recipe.scene!r}")
    return {path.name: path, **{name: path.parent / name for name in named}}


def _read_scene(recipe: SiteRecipe) -> ElementTree.Element:
    """The XML of a scene of one's own."""
    try:
        return ElementTree.parse(recipe.scene).getroot()
    except OSError as error:
        raise ConfigurationError(
            f"scene must be a Mitsuba scene's file, got {recipe.scene!r}: {error.strerror}"
        ) from None
    except ElementTree.ParseError as error:
        raise ConfigurationError(f"scene must be an XML file, got {recipe.scene!r}: {error}") from None


def _rectangles(recipe: SiteRecipe) -> list[str]:
    """Names of the rectangles in a scene of one's own."""
    found = [shape.get("id") for shape in _read_scene(recipe).iter("shape") if shape.get("type") == "rectangle"]
    if None in found:
        raise ConfigurationError(f"scene must give each rectangle an id, got one without in {recipe.scene!r}")
    return [str(name) for name in found]


class Surface:
    """What a recipe's scene looks like from above, and along straight lines; nothing is traced.

    Attributes:
        bounds_m: x and y of the scene's lower left corner, then of its upper right corner.

    Raises:
        ConfigurationError: the scene cannot be loaded, lacks a material of the recipe's `materials`, or its materials
            are not known at the recipe's carrier.
    """

    def __init__(self, recipe: SiteRecipe) -> None:
        self._scene = _load_scene(import_ray_tracer(), recipe)
        box = self._scene.mi_scene.bbox()
        low, high = np.array(box.min), np.array(box.max)
        self.bounds_m = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        self._ground = _ground_of(self._scene)
        self._things, self._ceiling = _below_ceiling(self._scene), _named(self._scene, (CEILING,))

    def height_m(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Height of the highest surface [m] at each point of a raster, float64 [len(y_m), len(x_m)]; below ceilings."""
        return self._raster(self._things, x_m, y_m)

    def covered(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Whether there is a ceiling over each point of a raster, bool [len(y_m), len(x_m)]."""
        return self._raster(self._ceiling, x_m, y_m) > 0

    def ground_m(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Height of the ground [m] at each point of a raster, below what is built on it, float64 [len(y_m), len(x_m)].

        The ground is the scene's object that is called so (`GROUND_NAMES`); without one, and beyond its edges, it is
        level at a height of 0.
        """
        return self._raster(self._ground, x_m, y_m)

    @staticmethod
    def _raster(scene: Any, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        grid = np.stack(np.meshgrid(x_m, y_m), -1)
        return _height_m(scene, grid.reshape(-1, 2)).reshape(grid.shape[:2])

    def sees(self, from_m: np.ndarray, points_m: np.ndarray) -> np.ndarray:
        """Whether nothing stands between a place [3] and each of `points_m` [N, 3], bool [N]."""
        import mitsuba as mi

        step = points_m - from_m
        distance_m = np.linalg.norm(step, axis=-1)
        direction = step / np.maximum(distance_m, 1e-9)[:, None]
        ray = mi.Ray3f(mi.Point3f(*map(float, from_m)), mi.Vector3f(*np.ascontiguousarray(direction.T)))
        return np.array(self._scene.mi_scene.ray_intersect(ray).t) >= distance_m - 1e-3


def _ground_of(scene: Any) -> Any:
    """The ground of a loaded scene as a Mitsuba scene; None where no object is called so."""
    return _named(scene, GROUND_NAMES)


def _named(scene: Any, names: tuple[str, ...]) -> Any:
    """The objects of a loaded scene that have one of some names, as a Mitsuba scene; None where there is none."""
    import mitsuba as mi

    found = {name: thing.mi_mesh for name, thing in scene.objects.items() if name.lower() in names}
    return mi.load_dict({"type": "scene", **found}) if found else None


def _below_ceiling(scene: Any) -> Any:
    """A loaded scene without its ceilings, as a Mitsuba scene."""
    names = tuple(name.lower() for name in scene.objects)
    return _named(scene, tuple(name for name in names if name != CEILING)) if CEILING in names else scene.mi_scene


def _height_m(scene: Any, points_m: np.ndarray) -> np.ndarray:
    """Height of the highest surface [m] of a Mitsuba scene at points [N, 2], float64 [N]; 0 where there is none."""
    import mitsuba as mi

    if scene is None:
        return np.zeros(len(points_m))
    top = 1000.0
    ray = mi.Ray3f(mi.Point3f(*np.ascontiguousarray(points_m.T), top), mi.Vector3f(0, 0, -1))
    height = top - np.array(scene.ray_intersect(ray).t)
    return np.where(np.isfinite(height), height, 0.0)


class Tracer:
    """One world of a site, loaded into the ray tracer.

    Args:
        recipe: the site.
        world: how to trace it.
        clutter: what reality holds and the twin omits; used where `world.real`. Reality without a gap is traced as the
            world `twin` is.
        batch: receivers per call of the path solver; what a call costs grows with it, filled or not.
        polarisations: of the AP's antennas and of the UE's, "V" or "H".
        scattering: share of the amplitude that walls of a twin world scatter, 0 to 1.
    """

    def __init__(
        self,
        recipe: SiteRecipe,
        world: WorldRecipe,
        clutter: Clutter,
        batch: int = BATCH,
        polarisations: tuple[str, str] = ("V", "V"),
        scattering: float = 0.0,
    ) -> None:
        rt = import_ray_tracer()
        self.recipe = recipe
        self.world = recipe.worlds["twin"] if world.real and recipe.gap == "none" else world
        self.level = LEVELS[recipe.gap] if world.real else GapLevel(scattering_coefficient=scattering)
        self.crowns = clutter.crowns if world.real else np.zeros((0, 4))
        self.boxes = clutter.boxes if world.real else np.zeros((0, 7))
        self.yaw_error_rad = clutter.yaw_error_rad if world.real else np.zeros(len(recipe.access_points))
        self.absorption_db_m = (
            specific_attenuation_db_m(recipe.carrier_hz, recipe.atmosphere) if recipe.atmosphere else 0.0
        )
        self._ways_round: dict[tuple[float, ...], np.ndarray] = {}
        self.solver = rt.PathSolver(deterministic=True)
        self.scene = _load_scene(rt, recipe)
        self.ground = _ground_of(self.scene)
        if world.real or scattering:
            self._edit_materials()
        if world.real:
            self._add(rt, clutter)
        self.things = _below_ceiling(self.scene)
        self.scene.tx_array = self._antenna(rt, recipe.array.pattern, polarisations[0])
        self.scene.rx_array = self._antenna(rt, "iso", polarisations[1])
        self.scene.add(rt.Transmitter("ap", position=[0.0, 0.0, 10.0]))
        for index in range(batch):
            self.scene.add(rt.Receiver(f"ue-{index}", position=[0.0, 0.0, recipe.ue_height_m]))
        self.receivers = [self.scene.receivers[f"ue-{index}"] for index in range(batch)]

    @staticmethod
    def _antenna(rt: Any, pattern: str, polarisation: str) -> Any:
        return rt.PlanarArray(
            num_rows=1,
            num_cols=1,
            vertical_spacing=0.5,
            horizontal_spacing=0.5,
            pattern=pattern,
            polarization=polarisation,
        )

    def _edit_materials(self) -> None:
        for material in self.scene.radio_materials.values():
            material.scattering_coefficient = self.level.scattering_coefficient
            material.thickness = 0.1 * self.level.thickness_ratio

    def _add(self, rt: Any, clutter: Clutter) -> None:
        import mitsuba as mi

        added = []
        for name, boxes, kind in (("vehicles", clutter.vehicles, "metal"), ("furniture", clutter.furniture, "wood")):
            if not len(boxes):
                continue
            vertices, faces = box_mesh(boxes)
            mesh = mi.Mesh(name, len(vertices), len(faces))
            params = mi.traverse(mesh)
            params["vertex_positions"] = vertices.ravel()
            params["faces"] = faces.ravel()
            params.update()
            material = rt.ITURadioMaterial(f"{name}-{kind}", kind, thickness=0.01 if kind == "metal" else 0.05)
            added.append(rt.SceneObject(mi_mesh=mesh, name=name, radio_material=material))
        if added:
            self.scene.edit(add=added)

    def trace(self, ap: int, positions_m: np.ndarray) -> TracedPaths:
        """Paths from access point `ap` to UEs at `positions_m` [N, 3] (any N; solved in batches).

        Somebody whose way leads through an object that only this world holds walks round it: what arrives at the
        nearest free place is continued to the UE's own (see `continued`).
        """
        free_m = self._free_m(positions_m)
        return continued(self._trace(ap, free_m), positions_m - free_m)

    def _free_m(self, positions_m: np.ndarray) -> np.ndarray:
        """`positions_m` [N, 3], those inside an object moved to the nearest place in the open that is known."""
        free_m = positions_m.copy()
        for index in np.flatnonzero(occupied(self.boxes, positions_m, _ROOM_M)):
            place = tuple(positions_m[index].tolist())
            if place not in self._ways_round:
                self._ways_round[place] = self._way_round_m(positions_m[index])
            free_m[index] += self._ways_round[place]
        return free_m

    def _way_round_m(self, position_m: np.ndarray) -> np.ndarray:
        """From a position [3] inside an object to the nearest place in the open [3]; no way if none is near."""
        place = position_m[:2] + _ROUND_M
        beside_m = (place[:, None] + _BESIDE_M).reshape(-1, 2)
        height_m = _height_m(self.things, beside_m) - _height_m(self.ground, beside_m)
        free = ~occupied(self.boxes, place, _ROOM_M) & (height_m.reshape(len(place), -1) < _GROUND_M).all(-1)
        if not free.any():
            return np.zeros(3)
        from_m, to_m = _height_m(self.ground, np.stack([position_m[:2], place[free][0]]))
        return np.array([*(place[free][0] - position_m[:2]), to_m - from_m])

    def _trace(self, ap: int, positions_m: np.ndarray) -> TracedPaths:
        import drjit as dr
        import mitsuba as mi

        point = self.recipe.access_points[ap]
        transmitter = self.scene.transmitters["ap"]
        transmitter.position = mi.Point3f(*point.position_m)
        transmitter.orientation = mi.Point3f(point.yaw_rad + float(self.yaw_error_rad[ap]), point.downtilt_rad, 0.0)
        parts, size = [], len(self.receivers)
        for start in range(0, len(positions_m), size):
            batch = positions_m[start : start + size]
            padded = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), 0)])
            # As numbers of their own they would be part of the solver's code, which would be compiled for each batch.
            places = mi.Point3f(np.ascontiguousarray(padded.T))
            for index, receiver in enumerate(self.receivers):
                receiver.position = dr.gather(mi.Point3f, places, mi.UInt32(index))
            parts.append(self._solve(ap, padded, len(batch)))
        return TracedPaths(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})

    def _sends(self, ap: int) -> Callable[[np.ndarray], np.ndarray] | None:
        """Amplitude of an antenna of access point `ap` over that of an element, by direction; None for one element."""
        stack = self.recipe.stack
        axis = stack_axis(self.recipe.access_points[ap], float(self.yaw_error_rad[ap]))
        return (lambda towards: stack_amplitude(stack, towards @ axis)) if stack else None

    def _solve(self, ap: int, ue_m: np.ndarray, count: int) -> dict[str, np.ndarray]:
        from sionna.rt.path_solvers.sb_candidate_generator import SBCandidateGenerator

        SBCandidateGenerator.MIN_SPEC_COUNT_SIZE = _HASHES_EACH * len(ue_m)
        paths = self.solver(
            self.scene,
            max_depth=self.world.max_depth,
            samples_per_src=self.world.samples,
            diffuse_reflection=self.level.diffuse,
            refraction=False,
            diffraction=self.world.diffraction,
            seed=1 + self.recipe.seed,
        )
        gain = np.array(paths.a[0])[:, 0, 0, 0] + 1j * np.array(paths.a[1])[:, 0, 0, 0]
        # Among thousands of paths Sionna RT may give some that touch nothing but the AP, with a gain that is no number.
        gain = np.where(np.isfinite(gain), gain, 0.0)
        if not gain.shape[-1]:
            return empty_paths(count, self.world.max_paths)
        interactions = np.array(paths.interactions)[..., 0, :].transpose(1, 2, 0)
        vertices = np.array(paths.vertices)[..., 0, :, :].transpose(1, 2, 0, 3).astype(np.float64)
        return describe_paths(
            gain[:count],
            interactions[:count],
            vertices[:count],
            ap_m=np.asarray(self.recipe.access_points[ap].position_m),
            ue_m=ue_m[:count],
            crowns=self.crowns,
            carrier_hz=self.recipe.carrier_hz,
            world=self.world,
            floor_db=self.recipe.floor_db,
            absorption_db_m=self.absorption_db_m,
            sends=self._sends(ap),
        )
