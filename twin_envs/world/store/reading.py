"""Sites on disk: where they are, what is in them, and whether they are as they were built.

A site is a folder `<name>/` with `recipe.toml`, tensors in `*.safetensors` and `manifest.json`. The manifest holds the
size and sha256 of every other file and, as `digest`, the sha256 of itself without that field; so a file that was
truncated, damaged or edited by hand is refused. This guards against accidents, not against somebody who also rewrites
the hashes. Nothing here is pickled. `writing` makes sites.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import platformdirs
import safetensors.torch
import torch

from twin_envs.base.errors import ConfigurationError, SiteError, hint, nearest
from twin_envs.world.recipe import recipe_names
from twin_envs.world.store.registry import sites

MANIFEST = "manifest.json"
RECIPE = "recipe.toml"
FORMAT = 2
"""Layout of a site's folder and of its files; a site of another format is refused and has to be built again."""
PACKAGED_SITES = Path(__file__).resolve().parents[2] / "sites"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """What `verify` found about one file of a site.

    Attributes:
        file: its name.
        ok: whether it is as it was built.
        detail: its size if `ok`, else what is wrong with it.
        remedy: the command that mends it, empty if `ok`.
    """

    file: str
    ok: bool
    detail: str
    remedy: str = ""


def user_sites() -> Path:
    """Folder of the sites built on this machine: `$TWIN_ENVS_HOME/sites`, by default in the user's cache folder.

    Raises:
        SiteError: this user has no home folder, and `TWIN_ENVS_HOME` is not set, or begins with `~`.
    """
    home = os.environ.get("TWIN_ENVS_HOME")
    try:
        return (Path(home) if home else platformdirs.user_cache_path("twin-envs")).expanduser() / "sites"
    except RuntimeError:
        raise SiteError(
            "this user has no home folder to keep sites in; set TWIN_ENVS_HOME to the path of a folder for them"
        ) from None


def packaged_sites() -> list[Path]:
    """Folders of the packaged sites, by name."""
    return _sites_in(PACKAGED_SITES)


def _sites_in(root: Path) -> list[Path]:
    """Folders of the sites in `root`; none where this user may not look."""
    found = root.glob("*") if os.path.isdir(root) else ()
    return sorted(path for path in found if os.path.isdir(path) and _NAME.fullmatch(path.name))


def site_roots() -> list[Path]:
    """Where sites are: those built on this machine, for a user who can have some, then the packaged ones."""
    try:
        return [user_sites(), PACKAGED_SITES]
    except SiteError:
        return [PACKAGED_SITES]


def available_sites() -> list[str]:
    """Names of the sites that are there to be used, built on this machine or packaged."""
    return sorted({path.name for root in site_roots() for path in _sites_in(root)})


def find_site(name: str, recipes: Iterable[str] = ()) -> Path:
    """Folder of the site called `name`; of one that is both built on this machine and packaged, the newer (`copies`).

    A `name` with a path separator is the folder itself; other packages may ship sites (`twin_envs.sites`), and
    `"module:object"` names a function of the user's that gives the folder.

    Args:
        name: name of a site, or path of its folder.
        recipes: names of the sites that could be built, for the message of the error.

    Raises:
        SiteError: there is no such site; the message has the nearest name and the command that builds it.
    """
    is_path = Path(name).name != name
    if is_path and os.path.isdir(os.path.expanduser(name)):
        return Path(os.path.expanduser(name))
    if not is_path and (found := copies(name)):
        return found[0]
    if not is_path and (name in sites or ":" in name):
        folder = Path(sites.get(name)())
        if not folder.is_dir():
            raise SiteError(f"site {name!r} must give the path of a site's folder, got {str(folder)!r}")
        return folder
    known = sorted({*available_sites(), *recipes})
    if is_path:
        raise SiteError(f"there is no site folder {name!r}{hint(Path(name).name, known)}")
    if name in known:
        raise SiteError(f"site {name!r} is not built yet; build it with `{build_command(name)}`")
    raise SiteError(
        f"unknown site {name!r}{hint(name, known)} (sites: {', '.join(known) or 'none'}); "
        f"a site is built from its recipe with `{build_command(nearest(name, known) or 'NAME')}`"
    )


def copies(name: str) -> list[Path]:
    """Folders of the site called `name`, in the user's folder and in the package: the one that is used, then the other.

    The newer is used: before all one that this version of twin-envs can read, then one that a later version of the
    builder made, then one that was built later. Where the manifest of one is damaged, it is the one built on this
    machine: so a damaged one is refused by name, and `twin-envs site build` mends a damaged packaged one.
    """
    found = [root / name for root in site_roots() if _NAME.fullmatch(name) and os.path.isdir(root / name)]
    ages = {site: _age(site) for site in found}
    known = [site for site in found if ages[site]]
    return found if known != found else sorted(found, key=lambda site: ages[site] or (), reverse=True)


def note_on_copies(name: str) -> str:
    """Which of two copies of the site called `name` is used, and why; empty if there are not two."""
    found = copies(name)
    if len(found) < 2:
        return ""
    used, other = found
    newer, older = _age(used), _age(other)
    if not newer or not older:
        why = "it was built on this machine, and the manifest of one of them is damaged"
    elif newer[0] != older[0]:
        why = "this version of twin-envs cannot read the other"
    elif newer[1] != older[1]:
        why = f"it is of version {newer[1]} of the builder, the other of version {older[1]}"
    else:
        why = f"it was built on {newer[2]:%Y-%m-%d %H:%M} UTC, the other on {older[2]:%Y-%m-%d %H:%M} UTC"
    return f"site {name!r} is there twice: {used} is used, not {other}, for {why}"


def built_utc(site: Path) -> datetime | None:
    """When the site in folder `site` was built; None if there is none or its manifest is damaged."""
    age = _age(site)
    return age[2] if age else None


def _age(site: Path) -> tuple[bool, int, datetime] | None:
    """Whether the site can be read, the version of its builder (0 if it names none), and when it was built."""
    try:
        manifest = _parse_manifest(site)
        builder = str(manifest["versions"].get("builder"))
        built = datetime.fromisoformat(manifest["built_utc"])
    except (SiteError, OSError, KeyError):
        return None
    return manifest["format"] == FORMAT, int(builder) if builder.isdecimal() else 0, built


def read_manifest(site: Path) -> dict[str, Any]:
    """The manifest of the site in folder `site`, once it and the recipe are known to be unchanged.

    Keys: `format`, `site`, `build_key`, `built_utc`, `versions`, `files` (name -> `sha256`, `bytes`, for an added file
    also `command`, and notes), `digest`, and what the builder had to say (source, licence, gap, ...).

    Raises:
        SiteError: the manifest or the recipe is missing, damaged, edited, or of another format.
    """
    manifest = _load_manifest(site)
    _require(site, RECIPE, manifest)
    return manifest


def read_recipe(site: Path) -> str:
    """Text of the site's `recipe.toml`. Raises `SiteError` if it is not the one that the site was built from."""
    read_manifest(site)
    return (site / RECIPE).read_bytes().decode()


def read_tensors(site: Path, file: str) -> dict[str, torch.Tensor]:
    """The tensors in `file` of the site, memory-mapped on the CPU (writing to them changes the copy in memory only).

    The file is hashed when it is read for the first time in this process, and again only if it has changed since.

    Raises:
        SiteError: the site has no such file, or the file, the recipe or the manifest is missing, damaged or edited.
    """
    manifest = read_manifest(site)
    if file not in manifest["files"]:
        files = manifest["files"]
        raise SiteError(f"site {site.name!r} has no file {file!r}{hint(file, files)} (files: {', '.join(files)})")
    _require(site, file, manifest)
    return safetensors.torch.load_file(site / file)


def verify(site: Path) -> list[FileCheck]:
    """Hash every file of the site anew and say which are as built; files that the manifest does not name are not."""
    try:
        manifest = _load_manifest(site)
    except SiteError as error:
        return [FileCheck(file=MANIFEST, ok=False, detail=str(error), remedy=_remedy(site))]
    checks = [FileCheck(file=MANIFEST, ok=True, detail=f"{(site / MANIFEST).stat().st_size} bytes")]
    for file, entry in manifest["files"].items():
        problem = _problem(site, file, entry, _sha256)
        remedy = _remedy(site, entry) if problem else ""
        detail = problem or f"{entry['bytes']} bytes"
        checks.append(FileCheck(file=file, ok=not problem, detail=detail, remedy=remedy))
    found = {p.relative_to(site).as_posix() for p in site.rglob("*") if not p.is_dir()}
    extra = sorted(found - set(manifest["files"]) - {MANIFEST})
    return checks + [
        FileCheck(file=file, ok=False, detail="is not in the manifest", remedy=f"rm {shlex.quote(str(site / file))}")
        for file in extra
    ]


def check_name(what: str, name: str) -> None:
    """Raise `ConfigurationError` unless `name` can be the name of a site or of a piece of one."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{what} must be of letters, digits, '-' and '_', got {name!r}")


def build_command(name: str, *, force: bool = False) -> str:
    """The command that builds the site `name`, anew if `force`."""
    return f"twin-envs site build {name}" + (" --force" if force else "")


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """sha256 of a manifest without its field `digest`."""
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _load_manifest(site: Path) -> dict[str, Any]:
    manifest = _parse_manifest(site)
    if (layout := manifest["format"]) != FORMAT:
        raise _refusal(site, MANIFEST, f"is of format {layout}, this version of twin-envs reads format {FORMAT}")
    return manifest


def _parse_manifest(site: Path) -> dict[str, Any]:
    """The manifest of a site of any format."""
    try:
        manifest = json.loads((site / MANIFEST).read_bytes())
        digest, _ = manifest["digest"], manifest["format"]
    except FileNotFoundError:
        raise _refusal(site, MANIFEST, "is missing") from None
    except (ValueError, TypeError, KeyError):
        raise _refusal(site, MANIFEST, "is damaged") from None
    if digest != manifest_digest(manifest):
        raise _refusal(site, MANIFEST, "was changed after the site was built")
    return manifest


def _require(site: Path, file: str, manifest: Mapping[str, Any]) -> None:
    entry = manifest["files"][file]
    problem = _problem(site, file, entry, _remembered_sha256)
    if problem:
        raise _refusal(site, file, problem, entry)


def _problem(site: Path, file: str, entry: Mapping[str, Any], sha256: Callable[[Path], str]) -> str | None:
    path = site / file
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size} bytes instead of {entry['bytes']}"
    return None if sha256(path) == entry["sha256"] else "was changed after the site was built"


def _refusal(site: Path, file: str, problem: str, entry: Mapping[str, Any] | None = None) -> SiteError:
    return SiteError(f"site {site.name!r}: {site / file} {problem}; rebuild it with `{_remedy(site, entry)}`")


def _remedy(site: Path, entry: Mapping[str, Any] | None = None) -> str:
    """The command that makes a file anew: its own, if its `entry` in the manifest has one, or that of the site."""
    return (entry or {}).get("command") or _rebuild_command(site)


def _rebuild_command(site: Path) -> str:
    """The command that builds anew the site in a folder: by name that of a shipped recipe, else from its own recipe."""
    if site.name in recipe_names() or not (site / RECIPE).is_file():
        return build_command(site.name, force=True)
    where = shlex.quote(str(site / RECIPE)), shlex.quote(str(site.parent))
    return f"twin-envs site build {where[0]} --out {where[1]} --force"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_version(path: Path) -> tuple[int, ...]:
    """Numbers that change when the file at `path` is written or replaced, even if the clock has gone back."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def _remembered_sha256(path: Path) -> str:
    return _sha256_of_version(path, file_version(path))


@functools.lru_cache(maxsize=4096)
def _sha256_of_version(path: Path, version: tuple[int, ...]) -> str:
    return _sha256(path)
