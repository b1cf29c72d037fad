"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write files, and make their folders: all of them, or none if one cannot be written (a full disk, say).

    A file that is there already is replaced at once, and stays as it was if nothing is written.

    Args:
        files: what each file shall hold.

    Raises:
        OSError: a file cannot be written; `filename` is its name, whatever the system said.
    """
    drafts = {path: path.with_name(f"{path.name}.tmp") for path in files}
    try:
        for path, data in files.items():
            with naming_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                drafts[path].write_bytes(data)
        for path, draft in drafts.items():
            with naming_errors(path):
                os.replace(draft, path)
    finally:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink()


def as_text(path: Path | str) -> str:
    """A path as a text that every file can hold: UTF-8, whatever the locale is, and bytes that are none escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """An `OSError` within has `path` as its `filename`; that of a full disk has none by itself."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
