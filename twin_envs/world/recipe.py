"""The description of a site: what is there, which worlds are traced of it, and how far the twin is from reality."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from twin_envs.base.errors import ConfigurationError, check_choice, check_keys, check_number
from twin_envs.base.units import SPEED_OF_LIGHT

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
"""Folder of the recipes that ship with the package."""

GAP_LEVELS = ("none", "mild", "typical", "severe")
"""How much of reality the twin leaves out; with `none` both are the same. Materials differ in how thick walls are."""

DEFAULT_GAP = "typical"

HALL = "hall"
"""The scene that is drawn from a recipe's table of that name."""

MATERIALS = (
    "vacuum",
    "concrete",
    "brick",
    "plasterboard",
    "wood",
    "glass",
    "ceiling_board",
    "chipboard",
    "plywood",
    "marble",
    "floorboard",
    "metal",
    "very_dry_ground",
    "medium_dry_ground",
    "wet_ground",
    "asphalt_concrete",
    "carpet_tile",
    "vinyl_tile",
    "clear_acrylic",
)
"""Of which the ray tracer knows constants (ITU-R P.2040, 2.1.4), each in a range of carriers."""

_LEAST_SPAN_M, _LARGEST_SPAN_M = 20, 5000
_MOST_GRID_POINTS = 4_000_000
"""Of an area without houses: more are neither traced in a week nor kept in memory."""
_LARGEST_REACH_M = 10_000.0
"""Farther than any two places in an area."""
_SCENE = re.compile(r"""^(\s*scene\s*=\s*)("[^"\n]*"|'[^'\n]*')""", re.MULTILINE)
_WORLD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

_CARRIER_BLOCKS: dict[int, dict[float, int]] = {
    15: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 40: 216, 50: 270},
    30: {5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 40: 106, 50: 133, 60: 162, 70: 189, 80: 217, 90: 245, 100: 273},
    60: {10: 11, 15: 18, 20: 24, 25: 31, 30: 38, 40: 51, 50: 65, 60: 79, 70: 93, 80: 107, 90: 121, 100: 135},
    120: {50: 32, 100: 66, 200: 132, 400: 264},
}
"""Resource blocks by subcarrier spacing [kHz] and channel bandwidth [MHz]: what the guard bands leave (TS 38.101-1,
table 5.3.2-1; for 120 kHz TS 38.101-2, table 5.3.2-1)."""


def _check_vector(field: str, value: object, length: int, limit: float = 1e5) -> None:
    if not isinstance(value, tuple) or len(value) != length:
        raise ConfigurationError(f"{field} must be {length} numbers, got {value!r}")
    for index, number in enumerate(value):
        check_number(f"{field}[{index}]", number, -limit, limit)


def _check_area(area_m: Any) -> None:
    """Check the corners of an area; one that is as large as a country is taken for millimetres."""
    _check_vector("area_m", area_m, 4, math.inf)
    x0, y0, x1, y1 = area_m
    spans = (x1 - x0, y1 - y0)
    if not all(_LEAST_SPAN_M <= span <= _LARGEST_SPAN_M for span in spans):
        thousandth = [number / 1e3 for number in area_m]
        fits = all(_LEAST_SPAN_M <= span / 1e3 <= _LARGEST_SPAN_M for span in spans)
        unit = f"; if these are millimetres, it is area_m = {thousandth}" if fits else ""
        raise ConfigurationError(
            f"area_m must span from {_LEAST_SPAN_M} to {_LARGEST_SPAN_M} m along x and y, got {area_m!r}, "
            f"which spans {spans[0]:g} m x {spans[1]:g} m{unit}"
        )
    _check_vector("area_m", area_m, 4)


def _check_materials(materials: object) -> None:
    _check_type("materials", materials, dict, "a table")
    for name, instead in cast(dict[str, Any], materials).items():
        check_choice("materials", name, MATERIALS)
        check_choice(f"materials.{name}", instead, MATERIALS)


def _check_type(field: str, value: object, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise ConfigurationError(f"{field} must be {name}, got {value!r}")


def _check_words(prefix: str, recipe: Any) -> None:
    """Check the fields of a recipe that are texts or switches."""
    for field in dataclasses.fields(recipe):
        kind, name = {"str": (str, "a text"), "bool": (bool, "true or false")}.get(str(field.type), (object, ""))
        _check_type(prefix + field.name, getattr(recipe, field.name), kind, name)


@dataclass(frozen=True, kw_only=True)
class AccessPoint:
    """An access point: position of its antenna in the scene [m], boresight azimuth and downtilt [rad].

    The azimuth is counter-clockwise from x.
    """

    name: str
    position_m: tuple[float, float, float]
    yaw_rad: float
    downtilt_rad: float = 0.0

    def __post_init__(self) -> None:
        _check_words("access_points.", self)
        _check_vector(f"ap {self.name!r} position_m", self.position_m, 3)
        check_number(f"ap {self.name!r} position_m[2]", self.position_m[2], 0.5, 200.0)
        check_number(f"ap {self.name!r} yaw_rad", self.yaw_rad, -2 * math.pi, 2 * math.pi)
        check_number(f"ap {self.name!r} downtilt_rad", self.downtilt_rad, -math.pi / 2, math.pi / 2)


@dataclass(frozen=True, kw_only=True)
class ArrayRecipe:
    """The planar array of every AP: spacing of its antennas in wavelengths, pattern of an element by its name in Sionna
    RT."""

    rows: int = 2
    columns: int = 16
    row_spacing: float = 0.7
    column_spacing: float = 0.5
    pattern: str = "tr38901"

    def __post_init__(self) -> None:
        check_number("array.rows", self.rows, 1, 64, integer=True)
        check_number("array.columns", self.columns, 1, 64, integer=True)
        check_number("array.row_spacing", self.row_spacing, 0.1, 4.0)
        check_number("array.column_spacing", self.column_spacing, 0.1, 4.0)
        check_choice("array.pattern", self.pattern, ("tr38901", "iso", "dipole", "hw_dipole"))


@dataclass(frozen=True, kw_only=True)
class StackRecipe:
    """Elements, one above the other and fed together, that each antenna of an array is, as in the columns of cells on
    roofs (TR 38.901, 7.3): its lobe is narrow in elevation, with nulls and side lobes above and below.

    Args:
        elements: how many.
        spacing: between them, in wavelengths.
        tilt_rad: how far down their phases turn the lobe, off the boresight.
    """

    elements: int
    spacing: float = 0.7
    tilt_rad: float = 0.0

    def __post_init__(self) -> None:
        check_number("stack.elements", self.elements, 2, 64, integer=True)
        check_number("stack.spacing", self.spacing, 0.1, 4.0)
        check_number("stack.tilt_rad", self.tilt_rad, -math.pi / 2, math.pi / 2)


@dataclass(frozen=True, kw_only=True)
class AtmosphereRecipe:
    """The air, whose gases absorb (ITU-R P.676). The default is the mean at sea level (ITU-R P.835).

    Args:
        pressure_hpa: of the dry air.
        temperature_k: 288.15 K are 15 degrees Celsius.
        vapour_g_m3: density of the water vapour.
    """

    pressure_hpa: float = 1013.25
    temperature_k: float = 288.15
    vapour_g_m3: float = 7.5

    def __post_init__(self) -> None:
        check_number("atmosphere.pressure_hpa", self.pressure_hpa, 300.0, 1100.0)
        check_number("atmosphere.temperature_k", self.temperature_k, 200.0, 330.0)
        check_number("atmosphere.vapour_g_m3", self.vapour_g_m3, 0.0, 50.0)


@dataclass(frozen=True, kw_only=True)
class HallRecipe:
    """A factory hall that is drawn from the site's seed, from the origin on (TR 38.901, table 7.2-4, InF).

    Args:
        size_m: length along x and width along y.
        height_m: of the ceiling.
        clutter_share: of the floor that machines take.
        clutter_size_m: length of a machine in the mean.
        clutter_height_m: height of a machine in the mean.
    """

    size_m: tuple[float, float] = (120.0, 60.0)
    height_m: float = 10.0
    clutter_share: float = 0.2
    clutter_size_m: float = 10.0
    clutter_height_m: float = 2.0

    def __post_init__(self) -> None:
        _check_vector("hall.size_m", self.size_m, 2)
        for index, side_m in enumerate(self.size_m):
            check_number(f"hall.size_m[{index}]", side_m, 30.0, 400.0)
        check_number("hall.height_m", self.height_m, 4.0, 25.0)
        check_number("hall.clutter_share", self.clutter_share, 0.0, 0.4)
        check_number("hall.clutter_size_m", self.clutter_size_m, 1.0, 20.0)
        check_number("hall.clutter_height_m", self.clutter_height_m, 0.5, 2 * self.height_m / 3)


@dataclass(frozen=True, kw_only=True)
class WorldRecipe:
    """How one world is traced.

    Args:
        real: the world holds what the twin omits (objects, materials, diffuse scattering, AP pointing errors).
        max_depth: largest number of interactions of a path; 0 is line of sight only.
        diffraction: trace diffraction at edges.
        samples: rays shot per AP.
        max_paths: strongest paths kept per link.
        dynamic_range_db: paths weaker than the link's strongest by more are dropped.
    """

    real: bool = False
    max_depth: int = 3
    diffraction: bool = False
    samples: int = 10_000
    max_paths: int = 16
    dynamic_range_db: float = 30.0

    def __post_init__(self) -> None:
        _check_words("world.", self)
        check_number("world.max_depth", self.max_depth, 0, 8, integer=True)
        check_number("world.samples", self.samples, 100, 10_000_000, integer=True)
        check_number("world.max_paths", self.max_paths, 1, 255, integer=True)
        check_number("world.dynamic_range_db", self.dynamic_range_db, 1.0, 120.0)


@dataclass(frozen=True, kw_only=True)
class RouteRecipe:
    """The routes that UEs take.

    Args:
        walking, driving: routes of people and of vehicles that are looked for; where the streets have room for fewer,
            the site has fewer, and says so.
        least_length_m: length of the shortest route.
    """

    walking: int = 150
    driving: int = 150
    least_length_m: float = 60.0

    def __post_init__(self) -> None:
        check_number("routes.walking", self.walking, 0, 10_000, integer=True)
        check_number("routes.driving", self.driving, 0, 10_000, integer=True)
        check_number("routes.walking + routes.driving", self.walking + self.driving, 1, 20_000, integer=True)
        check_number("routes.least_length_m", self.least_length_m, 10.0, 5000.0)


@dataclass(frozen=True, kw_only=True)
class SiteRecipe:
    """A site: a scene, its access points, the carrier, the area and its worlds.

    Args:
        name: the site's name, also its folder's.
        scene: name of a scene that ships with Sionna RT, or path of a Mitsuba scene, `.xml`, from the recipe's folder;
            or `hall`, which is drawn as `hall` says.
        scene_source, scene_licence: where the scene's geometry comes from and under which licence.
        carrier_hz, bandwidth_hz, subcarrier_spacing_hz: the carrier.
        csi_blocks: resource blocks sounded by CSI-RS, a multiple of 4 (TS 38.214, 5.2.2.3.1).
        transmit_power_dbm: of each AP over the whole carrier.
        noise_figure_db: of a UE.
        floor_db: links whose gain is below are left out of the atlas.
        reach_m: UEs farther from an AP have no link with it, and none is traced; by default all are. In a city what is
            traced then grows with the number of APs, not with that times the area.
        area_m: x and y of the lower left corner, then of the upper right corner.
        grid_m: spacing of the atlas' grid points.
        ue_height_m: antenna height of every UE above the ground. UEs are wherever nothing rises higher than 1 m below.
        gap: level of what reality holds and the twin omits.
        seed: of everything that is drawn when the site is built.
        array: the AP's antenna array.
        access_points: the APs.
        worlds: the traced worlds by name; `reality`, which is real, and `twin`, which is not, must be among them.
        routes: the routes that UEs take.
        stack: elements that each antenna of the array is; None for one.
        hall: the factory hall, if that is the scene.
        atmosphere: the air that absorbs; None where paths are short or the carrier is low enough for it not to matter.
        materials: of which material things are that the scene says are of another, such as `{"brick": "concrete"}`
            where ITU-R P.2040 knows no brick at the carrier.
    """

    name: str
    scene: str
    scene_source: str
    scene_licence: str
    carrier_hz: float = 3.5e9
    bandwidth_hz: float = 20e6
    subcarrier_spacing_hz: float = 30e3
    csi_blocks: int = 48
    transmit_power_dbm: float = 30.0
    noise_figure_db: float = 7.0
    floor_db: float = -130.0
    reach_m: float = _LARGEST_REACH_M
    area_m: tuple[float, float, float, float]
    grid_m: float = 1.5
    ue_height_m: float = 1.5
    gap: str = DEFAULT_GAP
    seed: int = 0
    array: ArrayRecipe
    access_points: tuple[AccessPoint, ...]
    worlds: dict[str, WorldRecipe]
    routes: RouteRecipe = RouteRecipe()
    stack: StackRecipe | None = None
    hall: HallRecipe | None = None
    atmosphere: AtmosphereRecipe | None = None
    materials: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_words("", self)
        check_number("carrier_hz", self.carrier_hz, 1e8, 1e11)
        check_number("bandwidth_hz", self.bandwidth_hz, 1e6, 4e8)
        check_choice("subcarrier_spacing_hz", float(self.subcarrier_spacing_hz), (15e3, 30e3, 60e3, 120e3))
        largest = self.carrier_blocks
        check_number("csi_blocks", self.csi_blocks, 4, largest, integer=True)
        if self.csi_blocks % 4:
            raise ConfigurationError(f"csi_blocks must be a multiple of 4 from 4 to {largest}, got {self.csi_blocks}")
        check_number("transmit_power_dbm", self.transmit_power_dbm, -30.0, 60.0)
        check_number("noise_figure_db", self.noise_figure_db, 0.0, 30.0)
        check_number("floor_db", self.floor_db, -200.0, 0.0)
        check_number("reach_m", self.reach_m, 20.0, _LARGEST_REACH_M)
        _check_area(self.area_m)
        check_number("grid_m", self.grid_m, 0.25, 10.0)
        x0, y0, x1, y1 = self.area_m
        if (x1 - x0) * (y1 - y0) > _MOST_GRID_POINTS * self.grid_m**2:
            least_m = math.sqrt((x1 - x0) * (y1 - y0) / _MOST_GRID_POINTS)
            raise ConfigurationError(f"grid_m must be from {least_m:.2f} to 10.0 in this area, got {self.grid_m!r}")
        check_number("ue_height_m", self.ue_height_m, 0.5, 200.0)
        check_choice("gap", self.gap, GAP_LEVELS)
        check_number("seed", self.seed, 0, 2**31 - 1, integer=True)
        _check_materials(self.materials)
        if (self.scene == HALL) != (self.hall is not None):
            raise ConfigurationError(
                f"scene must be {HALL!r} where there is a table [hall], and nowhere else, got {self.scene!r}"
            )
        height = self.stack.elements * self.stack.spacing if self.stack else 0.0
        if self.array.rows > 1 and self.array.row_spacing < height:
            raise ConfigurationError(
                f"array.row_spacing must be {height:g} or more, the height of a stack, got {self.array.row_spacing!r}"
            )
        if not self.access_points:
            raise ConfigurationError("access_points must name at least 1 access point, got none")
        for index, ap in enumerate(self.access_points):
            twins = [number for number, other in enumerate(self.access_points[:index]) if other.name == ap.name]
            if twins:
                raise ConfigurationError(
                    f"access_points[{index}].name must be another than that of access_points[{twins[0]}], "
                    f"got {ap.name!r} for both"
                )
        for needed, real in (("reality", True), ("twin", False)):
            if needed not in self.worlds:
                raise ConfigurationError(f"worlds must hold {needed!r}, got {sorted(self.worlds)}")
            if self.worlds[needed].real is not real:
                raise ConfigurationError(
                    f"worlds.{needed}.real must be {str(real).lower()}, got {str(not real).lower()}: "
                    "`reality` holds what its twins omit"
                )
        for name in self.worlds:
            if not _WORLD_NAME.fullmatch(name):
                raise ConfigurationError(f"worlds must have names of letters, digits, '-' and '_', got {name!r}")

    @property
    def wavelength_m(self) -> float:
        """Wavelength of the carrier [m]."""
        return SPEED_OF_LIGHT / self.carrier_hz

    @property
    def block_spacing_hz(self) -> float:
        """Spacing of resource blocks [Hz]."""
        return 12 * self.subcarrier_spacing_hz

    @property
    def carrier_blocks(self) -> int:
        """Resource blocks of the carrier; where NR has no such bandwidth, as many as fit in nine tenths of it."""
        blocks = _CARRIER_BLOCKS[round(self.subcarrier_spacing_hz / 1e3)]
        return blocks.get(self.bandwidth_hz / 1e6, int(0.9 * self.bandwidth_hz // self.block_spacing_hz))


def _build(kind: type, data: dict[str, Any], where: str) -> Any:
    _check_type(where, data, dict, "a table")
    names = [f.name for f in dataclasses.fields(kind)]
    check_keys(where, data, names)
    required = [
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in data:
            raise ConfigurationError(f"{where} needs the field {name!r}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})


def parse_recipe(data: dict[str, Any]) -> SiteRecipe:
    """A recipe from plain data, as read from TOML; raises `ConfigurationError` on anything unknown."""
    data = dict(data)
    check_keys("recipe", data, [f.name for f in dataclasses.fields(SiteRecipe)])
    worlds, access_points = data.get("worlds", {}), data.get("access_points", [])
    _check_type("worlds", worlds, dict, "a table")
    _check_type("access_points", access_points, list, "a list of tables")
    data["array"] = _build(ArrayRecipe, data.get("array", {}), "array")
    data["routes"] = _build(RouteRecipe, data.get("routes", {}), "routes")
    for name, kind in (("stack", StackRecipe), ("hall", HallRecipe), ("atmosphere", AtmosphereRecipe)):
        if name in data:
            data[name] = _build(kind, data[name], name)
    data["access_points"] = tuple(_build(AccessPoint, ap, "access_points") for ap in access_points)
    data["worlds"] = {name: _build(WorldRecipe, world, f"worlds.{name}") for name, world in worlds.items()}
    return _build(SiteRecipe, data, "recipe")


def recipe_names() -> list[str]:
    """Names of the sites that can be built: each shipped recipe, and it again with each other gap level."""
    names = sorted(path.stem for path in RECIPES.glob("*.toml"))
    return names + [f"{name}-{level}" for name in names for level in GAP_LEVELS if level != DEFAULT_GAP]


def recipe_text(name: str) -> str:
    """The recipe, as TOML, of a site that ships with the package.

    `munich` is the site with the default gap; `munich-mild` is the same with the gap `mild`.

    Raises:
        ConfigurationError: no such recipe; names the nearest.
    """
    check_choice("site", name, recipe_names())
    base, _, level = name.rpartition("-")
    if level not in GAP_LEVELS or not base:
        base, level = name, DEFAULT_GAP
    return f'name = "{name}"\ngap = "{level}"\n' + (RECIPES / f"{base}.toml").read_text(encoding="utf-8")


def load_recipe(text: str) -> SiteRecipe:
    """The recipe in a TOML text, as `recipe_text` gives it or as a site's `recipe.toml` holds it.

    Raises:
        ConfigurationError: a field is unknown, missing or out of range, or the text is not TOML.
    """
    try:
        return parse_recipe(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"the recipe is not valid TOML: {error}") from None


def open_recipe(name: str) -> tuple[str, SiteRecipe]:
    """Text and content of a shipped recipe, by its name, or of one of the user's, by its path, `.toml`.

    The scene of the content is a name or an absolute path, wherever the recipe lies.

    Raises:
        ConfigurationError: no such recipe, or one of its fields is wrong.
    """
    if Path(name).suffix != ".toml":
        text = recipe_text(name)
        return text, load_recipe(text)
    text = read_recipe_file(name)
    recipe = load_recipe(text)
    if Path(recipe.scene).suffix == ".xml":
        folder = Path(name).expanduser().resolve().parent
        recipe = dataclasses.replace(recipe, scene=str(folder / Path(recipe.scene).expanduser()))
    return text, recipe


def recipe_from(text: str, recipe: SiteRecipe, folder: Path) -> str:
    """The text of a recipe whose scene, if it is one's own, is named from `folder`.

    Args:
        text, recipe: as `open_recipe` gives them.
        folder: where the recipe goes.
    """
    if not recipe.scene.endswith(".xml"):
        return text
    scene = Path(os.path.relpath(recipe.scene, folder.resolve())).as_posix()
    return _SCENE.sub(lambda found: found[1] + json.dumps(scene), text, count=1)


def read_recipe_file(path: str) -> str:
    """The text of a recipe of one's own. Raises `ConfigurationError` if there is no such file, or it is no text."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"site must be the name of a recipe, or the path of one, got {path!r}: {error}"
        ) from None
