"""Making sites: piece by piece, resumable, by one builder at a time, and put in place all at once."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
import safetensors
import safetensors.torch
import torch

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.base.files import write_files
from twin_envs.world.store.reading import (
    FORMAT,
    MANIFEST,
    PACKAGED_SITES,
    RECIPE,
    build_command,
    built_utc,
    check_name,
    copies,
    manifest_digest,
    read_manifest,
    site_roots,
    user_sites,
    verify,
)

_TENSOR_FILE = re.compile(r"([A-Za-z0-9][\w-]*/)?[A-Za-z0-9][\w.-]*\.safetensors")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger(__name__)

Tensors = Mapping[str, torch.Tensor]


def package_versions(*packages: str) -> dict[str, str]:
    """Versions of the installed `packages`, for `build_site`."""
    return {package: importlib.metadata.version(package) for package in packages}


def build_key(recipe: str, versions: Mapping[str, str]) -> str:
    """What a build depends on, as a sha256: the text of the recipe and the versions of the tools."""
    return hashlib.sha256(json.dumps([recipe, dict(versions)], sort_keys=True).encode()).hexdigest()


def build_site(
    name: str,
    recipe: str,
    build: Callable[[SiteWriter], Path],
    *,
    versions: Mapping[str, str],
    root: Path | None = None,
    force: bool = False,
) -> Path:
    """Build the site `name` in `root`, unless it is there already, and return its folder.

    Only one process builds a site at a time. Another one that asks for it meanwhile waits, and then takes what the
    first has built. An interrupted build goes on with the pieces that it has finished, whether `force` or not.

    Args:
        name: letters, digits, `-` and `_`.
        recipe: text of `recipe.toml`.
        build: does the work with the `SiteWriter` that it is given, and ends with `return writer.publish(...)`.
        versions: versions of the tools that decide the result.
        root: folder of the site's folder, by default `user_sites()`.
        force: build it again even if an intact site of the same recipe and versions is there.

    Raises:
        SiteError: the folder cannot be written, or the disk is full; the message says what to set. Pieces that are
            finished are kept.
    """
    check_name("name of a site", name)
    site = (root or user_sites()) / name
    build_before = built_utc(site)
    with _locked(site):
        built_meanwhile = built_utc(site) != build_before
        if (built_meanwhile or not force) and _is_intact(site, build_key(recipe, versions)):
            return site
        writer = SiteWriter(site, recipe, versions)
        try:
            return build(writer)
        finally:
            writer.tidy()


def add_tensors(
    site: Path,
    file: str,
    tensors: Tensors,
    *,
    command: str,
    notes: Mapping[str, Any],
    header: dict[str, str] | None = None,
) -> None:
    """Add `file` (or put it in the place of an earlier one) to a finished site, and its hash to the manifest.

    Args:
        site: folder of the site.
        file: name of the file, `*.safetensors`, at most one folder deep.
        tensors: what it holds.
        command: the command that makes this file; named when the file is found damaged.
        notes: notes for the file's entry in the manifest (seed, hash of the data, scores). JSON-able.
        header: notes for the file's own header.

    Raises:
        SiteError: the site's manifest or recipe is missing, damaged or edited, or its folder cannot be written; the
            site is as it was.
    """
    _check_file(file)
    with _locked(site):
        manifest = read_manifest(site)
        data = _serialise(tensors, header)
        entry = {**notes, "command": command, **_entry(data)}
        manifest["files"] = {**manifest["files"], file: entry}
        _write(site, {site / file: data, site / MANIFEST: _manifest_text(manifest)})


def check_writable(site: Path) -> None:
    """Raise `SiteError`, which says what to do, unless files can be added to `site`: before long work, not after it."""
    with _told(site), tempfile.TemporaryFile(dir=site), tempfile.TemporaryFile(dir=site.parent):
        pass


class SiteWriter:
    """A site in the making: finished pieces in `<name>.building/` beside it, then all at once the site itself.

    `build_site` makes one under its lock. A piece is any part of the work that an interrupted build should not do
    again (a tile of an atlas); pieces of another recipe or of other versions are thrown away.
    """

    def __init__(self, site: Path, recipe: str, versions: Mapping[str, str]) -> None:
        self.site, self.recipe, self.versions = site, recipe, dict(versions)
        self.key = build_key(recipe, versions)
        self._folder = site.with_name(f"{site.name}.building")
        self._key_file = self._folder / "build-key"
        if not self._key_file.is_file() or self._key_file.read_bytes() != self.key.encode():
            shutil.rmtree(self._folder, ignore_errors=True)

    def has(self, piece: str) -> bool:
        """Whether `piece` is finished; one that is damaged is removed and counts as not finished."""
        return self._find(piece) is not None

    def put(self, piece: str, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> None:
        """Keep the finished `piece`: tensors and JSON-able metadata. The name of its file has its sha256."""
        check_name("name of a piece", piece)
        data = _serialise(tensors, {"metadata": json.dumps(dict(metadata or {}))})
        path = self._folder / f"{piece}.{hashlib.sha256(data).hexdigest()}.piece"
        key = {} if self._key_file.is_file() else {self._key_file: self.key.encode()}
        _write(self.site, {**key, path: data})
        for other in self._folder.glob(f"{piece}.*.piece"):
            if other != path:
                other.unlink()

    def get(self, piece: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and metadata of the finished `piece`. Raises `SiteError` if it is not finished."""
        path = self._find(piece)
        if path is None:
            raise SiteError(f"site {self.site.name!r}: piece {piece!r} is not built yet")
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, json.loads(file.metadata()["metadata"])

    def publish(self, files: Mapping[str, Tensors], notes: Mapping[str, Any]) -> Path:
        """Write the site, put it in the place of an earlier one, drop the pieces, and return the site's folder.

        Args:
            files: tensors of each file (`reality.safetensors`, `codecs/csinet-128.safetensors`).
            notes: what else the manifest says: source and licence of the scene, measured gap, coverage. JSON-able.
        """
        for file in files:
            _check_file(file)
        finished, replaced = self._folder / "finished", self._folder / "replaced"
        for leftover in (finished, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        entries = {}
        try:
            for file in (RECIPE, *files):
                data = self.recipe.encode() if file == RECIPE else _serialise(files[file])
                entries[file] = _entry(data)
                _write(self.site, {finished / file: data})
            head = {"format": FORMAT, "site": self.site.name, "build_key": self.key, "built_utc": _stamp(self.site)}
            manifest = {**notes, **head, "versions": self.versions, "files": entries}
            _write(self.site, {finished / MANIFEST: _manifest_text(manifest)})
            if self.site.exists():
                self.site.rename(replaced)
            finished.rename(self.site)
        finally:
            if replaced.exists() and not self.site.exists():
                replaced.rename(self.site)
            shutil.rmtree(finished, ignore_errors=True)
        shutil.rmtree(self._folder)
        return self.site

    def tidy(self) -> None:
        """Remove the folder of the pieces if there are none."""
        with suppress(OSError):
            self._folder.rmdir()

    def _find(self, piece: str) -> Path | None:
        check_name("name of a piece", piece)
        for path in self._folder.glob(f"{piece}.*.piece"):
            if hashlib.sha256(path.read_bytes()).hexdigest() == path.name.split(".")[1]:
                return path
            path.unlink()
        return None


@contextmanager
def _locked(site: Path) -> Iterator[None]:
    path = site.with_name(f"{site.name}.lock")
    lock = filelock.FileLock(path)
    with _told(site):
        site.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _log.warning("site %r is being built by another process; waiting for it", site.name)
            lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is held: whoever waits for this file sees that it is gone, and makes another
        lock.release()


@contextmanager
def _told(site: Path) -> Iterator[None]:
    """What the system refuses in the folder of `site` is a `SiteError` that names it and says what to do."""
    try:
        yield
    except OSError as error:
        where = error.filename or site.parent
        raise SiteError(f"site {site.name!r}: cannot write {where}: {error.strerror}{_way_out(site, error)}") from None


def _way_out(site: Path, error: OSError) -> str:
    if site.parent == PACKAGED_SITES:
        return f"; build a site of your own with `{build_command(site.name)}`"
    ways = ["make room there"] if error.errno in _FULL else []
    ways += ["set TWIN_ENVS_HOME to a folder that can be written"] if site.parent in site_roots() else []
    return f"; {', or '.join(ways)}" if ways else ""


def _write(site: Path, files: Mapping[Path, bytes]) -> None:
    with _told(site):
        write_files(files)


def _is_intact(site: Path, key: str) -> bool:
    return site.is_dir() and all(check.ok for check in verify(site)) and read_manifest(site)["build_key"] == key


def _stamp(site: Path) -> str:
    """The time for a manifest: later than that of each copy of the site, even if the clock has gone back since."""
    known = [built_utc(copy) for copy in {site, *copies(site.name)}]
    return max([datetime.now(UTC), *(time + timedelta(microseconds=1) for time in known if time)]).isoformat()


def _check_file(file: str) -> None:
    if not _TENSOR_FILE.fullmatch(file):
        raise ConfigurationError(f"a file of a site must be '[folder/]name.safetensors', got {file!r}")


def _serialise(tensors: Tensors, metadata: dict[str, str] | None = None) -> bytes:
    owned = {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
    return safetensors.torch.save(owned, metadata)


def _entry(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _manifest_text(manifest: Mapping[str, Any]) -> bytes:
    as_read = json.loads(json.dumps(dict(manifest)))  # tuples and keys that JSON changes would change the digest
    return json.dumps({**as_read, "digest": manifest_digest(as_read)}, indent=2, allow_nan=False).encode() + b"\n"
