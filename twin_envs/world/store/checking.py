"""What sites there are, and whether one is as it was built: what `twin-envs site list` and `site check` print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin_envs.world.recipe import recipe_names
from twin_envs.world.store.reading import (
    FileCheck,
    available_sites,
    find_site,
    note_on_copies,
    read_manifest,
    verify,
)


@dataclass(frozen=True, kw_only=True)
class SiteCheck:
    """A site, and what was found about it.

    Attributes:
        path: its folder; of a site that is both built here and packaged, that of the one that is used.
        note: which of two copies is used and why; empty if there are not two.
        files: what was found about each file.
        manifest: what the builder said of it, `coverage`, `gap` and `latency_s` among it; empty unless `ok`.
    """

    path: Path
    note: str
    files: tuple[FileCheck, ...]
    manifest: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether each file is as it was built."""
        return all(check.ok for check in self.files)


def check(name: str) -> SiteCheck:
    """Hash every file of a site anew.

    Args:
        name: name of a site, or path of its folder.

    Raises:
        SiteError: there is no such site; the message has the nearest name and the command that builds it.
    """
    path = find_site(name, recipe_names())
    files = tuple(verify(path))
    intact = all(file.ok for file in files)
    return SiteCheck(path=path, note=note_on_copies(name), files=files, manifest=read_manifest(path) if intact else {})


def listing() -> dict[str, Path | None]:
    """Folders of the sites that are there to be used, by name; None for a recipe that can be built and is not yet."""
    built = available_sites()
    return {name: find_site(name) if name in built else None for name in sorted({*built, *recipe_names()})}
