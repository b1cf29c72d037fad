"""A site in memory: its recipe, its map and its worlds.

The two-worlds rule: `Site.reality` is privileged. Only what is listed in `READS_REALITY` may call it, and a test fails
if something else does. Everything else asks `Site.twin`.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from functools import cache, lru_cache, partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import check_choice
from twin_envs.base.settings import lasting
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.merging import merge
from twin_envs.world.ground import Ground
from twin_envs.world.motion import Routes
from twin_envs.world.recipe import SiteRecipe, load_recipe, recipe_names
from twin_envs.world.sensing.sky_view import SkyView
from twin_envs.world.store.reading import (
    MANIFEST,
    PACKAGED_SITES,
    copies,
    file_version,
    find_site,
    note_on_copies,
    read_manifest,
    read_recipe,
    read_tensors,
)

_log = logging.getLogger(__name__)
P = ParamSpec("P")
Made = TypeVar("Made")

READS_REALITY = (
    "twin_envs.world.building",
    "twin_envs.csi.training.site_codec",
    "twin_envs.envs.reality",
    "twin_envs.envs.core.core",
    "twin_envs.envs.csi_cell.core",
    "twin_envs.envs.csi_cell.downlink",
    "twin_envs.envs.association.core",
    "twin_envs.envs.beams.core",
    "twin_envs.agents.csi_cell.optimum",
    "twin_envs.agents.csi_cell.oracle",
    "twin_envs.agents.csi_cell.scheduling_oracle",
    "twin_envs.agents.association.oracle",
    "twin_envs.agents.beams.oracle",
    "twin_envs.benchmarks.audit",
    "twin_envs.benchmarks.city",
    "twin_envs.benchmarks.codecs",
    "twin_envs.benchmarks.csi",
    "twin_envs.benchmarks.sensing",
    "twin_envs.benchmarks.twins",
    "twin_envs.benchmarks.studies.beams",
)
"""The modules and packages that may read reality: it is built and measured, the cores live in it, oracles bound the
score with it, a codec trained on the twin is scored in it, and audits and studies measure what the twin is worth in it.
`pyproject.toml` says who may import them."""

Tensors = dict[str, torch.Tensor]

MAP_FILE = "map.safetensors"
"""The file with what the map says: heights, sky view, routes, grid points; and the ground, where it is not level."""
_RASTER_M = 1.0


def world_file(world: str) -> str:
    """Name of the file that holds the atlas of `world`."""
    return f"world-{world}.safetensors"


def scattering_file(world: str) -> str:
    """Name of the file with what the walls of twin world `world` scatter, where that was traced."""
    return f"scattering-{world}.safetensors"


def scattering_command(name: str, world: str) -> str:
    """The command that traces it."""
    return f"twin-envs site scatter {shlex.quote(name)}" + ("" if world == "twin" else f" --world {shlex.quote(world)}")


def geometry_of(recipe: SiteRecipe, tensors: Tensors) -> Geometry:
    """The grid that all atlases of a site share, from the tensors of its map."""
    return Geometry(
        carrier_hz=recipe.carrier_hz,
        ap_position_m=torch.tensor([ap.position_m for ap in recipe.access_points], dtype=torch.float32),
        cell_of=tensors["cell_of"].long(),
        point_m=tensors["point_m"].float(),
        origin_m=recipe.area_m[:2],
        grid_m=recipe.grid_m,
        ground=Ground(height_m=tensors.get("ground_m"), origin_m=recipe.area_m[:2], ue_height_m=recipe.ue_height_m),
    )


class Site(Constant):
    """A built site, its files checked and memory-mapped; `load_site` keeps one for each name and device.

    Args:
        path: its folder.
        device: where its tensors go.

    Attributes:
        recipe: how it was described.
        manifest: how it was built: gap, coverage, versions, hashes.
        geometry: grid points and APs.
        routes: where UEs move.
        sky_view: where GNSS works.
        height_m: of the highest surface above the ground on a raster of 1 m, float32 [ny, nx], from the area's lower
            left corner.
        kept: what `kept_by_site` keeps, by the function that makes it.

    Raises:
        SiteError: a file is missing or damaged; the message names it and the command that rebuilds it.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path, self.device = path, device
        self.manifest: dict[str, Any] = read_manifest(path)
        self.recipe = load_recipe(read_recipe(path))
        tensors = read_tensors(path, MAP_FILE)
        self.geometry = geometry_of(self.recipe, tensors).to(device)
        self.routes = Routes(
            tensors["route_points_cm"].float() / 100,
            tensors["route_length_m"],
            tensors["route_kind"],
            device,
            self.geometry.ground,
        )
        self.sky_view = SkyView(tensors["sky_view"].float(), self.recipe.area_m[:2], _RASTER_M, device)
        self.height_m = tensors["height_m"].float()
        self._atlases: dict[str, Atlas] = {}
        self.kept: dict[Callable[..., Any], Callable[..., Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """The site without what can be made again; some of it cannot be pickled."""
        return {**vars(self), "kept": {}}

    @property
    def asked_for(self) -> str:
        """What commands call this site: its name where that finds it, else the path of its folder."""
        return self.path.name if self.path in copies(self.path.name)[:1] else str(self.path)

    @property
    def twins(self) -> list[str]:
        """Names of the worlds that are twins."""
        return [name for name, world in self.recipe.worlds.items() if not world.real]

    def twin(self, world: str) -> Atlas:
        """The atlas of a twin world. Raises `ConfigurationError` for any other, reality included."""
        check_choice("twin", world, self.twins)
        return self._atlas(world)

    def reality(self, world: str) -> Atlas:
        """The atlas of the world in which a cell lives: `reality`, or a twin world to train in. Privileged.

        Raises:
            ConfigurationError: no such world.
        """
        check_choice("world", world, self.recipe.worlds)
        return self._atlas(world)

    @lasting()
    def scattering_twin(self, world: str) -> Atlas | None:
        """A twin world with what its walls scatter; None if that was not traced. Refuses what `twin` refuses."""
        check_choice("twin", world, self.twins)
        file = scattering_file(world)
        if file not in self.manifest["files"]:
            return None
        if file not in self._atlases:
            both = merge(read_tensors(self.path, world_file(world)), read_tensors(self.path, file))
            self._atlases[file] = Atlas(self.geometry, both, self.device)
        return self._atlases[file]

    def tensors(self, file: str) -> Tensors:
        """The tensors of another file of the site, on the CPU. Raises `ConfigurationError` for an atlas."""
        check_choice("file", file, [f for f in self.manifest["files"] if not f.startswith("world-")])
        return read_tensors(self.path, file)

    @lasting()
    def _atlas(self, world: str) -> Atlas:
        if world not in self._atlases:
            self._atlases[world] = Atlas(self.geometry, read_tensors(self.path, world_file(world)), self.device)
        return self._atlases[world]


def kept_by_site(make: Callable[Concatenate[Site, P], Made]) -> Callable[Concatenate[Site, P], Made]:
    """A function of a site that makes each thing once and shares it for as long as the site is in memory.

    A cache beside the site would keep the site, with all its atlases, when nobody else does.

    Args:
        make: a function of a site and of hashable positional arguments. Of one site the results for the 16 latest
            combinations of these are kept.
    """

    @wraps(make)
    def get(site: Site, *args: P.args, **kwargs: P.kwargs) -> Made:
        if make not in site.kept:
            site.kept[make] = lru_cache(maxsize=16)(partial(make, site))
        made: Made = site.kept[make](*args, **kwargs)
        return made

    return get


@lru_cache(maxsize=8)
@lasting()
def _load(path: Path, device: torch.device, version: tuple[int, ...]) -> Site:
    return Site(path, device)


@cache
def _tell(level: int, note: str) -> None:
    """Log a note, once in the life of the process."""
    _log.log(level, "%s", note)


def load_site(name: str, device: torch.device | str = "cpu") -> Site:
    """The site called `name` (or in the folder `name`), from memory if it was loaded before and is still the same.

    Of a site that is both built on this machine and packaged, the newer is taken, and the log has a note: a warning if
    what was built on this machine is the older.

    Raises:
        SiteError: unknown, not built, or damaged; the message says what to do.
    """
    path = find_site(name, recipe_names())
    if note := note_on_copies(name):
        _tell(logging.WARNING if path.parent == PACKAGED_SITES else logging.INFO, note)
    manifest = path / MANIFEST
    return _load(path, torch.device(device), file_version(manifest) if manifest.exists() else ())
