"""Sites on disk: where they are, what is in them, and whether they are as they were built.

A site is a folder `<name>/` with `recipe.toml`, tensors in `*.safetensors` and `manifest.json`. The manifest holds the
size and sha256 of every other file and, as `digest`, the sha256 of itself without that field; so a file that was
truncated, damaged or edited by hand is refused. This guards against accidents, not against somebody who also rewrites
the hashes. Nothing here is pickled. `store_writer` makes sites.
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
from pathlib import Path
from typing import Any

import platformdirs
import safetensors.torch
import torch

from twin_envs.base.errors import ConfigurationError, SiteError, hint, nearest

MANIFEST = "manifest.json"
RECIPE = "recipe.toml"
FORMAT = 1
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
    """Folder of the sites built on this machine: `$TWIN_ENVS_HOME/sites`, by default in the user's cache folder."""
    home = os.environ.get("TWIN_ENVS_HOME")
    return Path(home).expanduser() / "sites" if home else platformdirs.user_cache_path("twin-envs") / "sites"


def packaged_sites() -> list[Path]:
    """Folders of the packaged sites, by name."""
    return _sites_in(PACKAGED_SITES)


def _sites_in(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if path.is_dir() and _NAME.fullmatch(path.name))


def available_sites() -> list[str]:
    """Names of the sites that are there to be used, built on this machine or packaged."""
    return sorted({path.name for root in (user_sites(), PACKAGED_SITES) for path in _sites_in(root)})


def find_site(name: str, recipes: Iterable[str] = ()) -> Path:
    """Folder of the site called `name`, the one built on this machine before the packaged one.

    That order lets `twin-envs site build` mend a damaged packaged site. A `name` with a path separator is the folder
    itself, so that another project can ship its own site.

    Args:
        name: name of a site, or path of its folder.
        recipes: names of the sites that could be built, for the message of the error.

    Raises:
        SiteError: there is no such site; the message has the nearest name and the command that builds it.
    """
    is_path = Path(name).name != name
    if is_path and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if not is_path and _NAME.fullmatch(name):
        for root in (user_sites(), PACKAGED_SITES):
            if (root / name).is_dir():
                return root / name
    known = sorted({*available_sites(), *recipes})
    if is_path:
        raise SiteError(f"there is no site folder {name!r}{hint(Path(name).name, known)}")
    if name in known:
        raise SiteError(f"site {name!r} is not built yet; build it with `{build_command(name)}`")
    raise SiteError(
        f"unknown site {name!r}{hint(name, known)} (sites: {', '.join(known) or 'none'}); "
        f"a site is built from its recipe with `{build_command(nearest(name, known) or 'NAME')}`"
    )


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
    try:
        manifest = json.loads((site / MANIFEST).read_bytes())
        digest, layout = manifest["digest"], manifest["format"]
    except FileNotFoundError:
        raise _refusal(site, MANIFEST, "is missing") from None
    except (ValueError, TypeError, KeyError):
        raise _refusal(site, MANIFEST, "is damaged") from None
    if digest != manifest_digest(manifest):
        raise _refusal(site, MANIFEST, "was changed after the site was built")
    if layout != FORMAT:
        raise _refusal(site, MANIFEST, f"is of format {layout}, this version of twin-envs reads format {FORMAT}")
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
    return (entry or {}).get("command") or build_command(site.name, force=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remembered_sha256(path: Path) -> str:
    stat = path.stat()
    return _sha256_of_version(path, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@functools.lru_cache(maxsize=4096)
def _sha256_of_version(path: Path, version: tuple[int, ...]) -> str:
    return _sha256(path)
