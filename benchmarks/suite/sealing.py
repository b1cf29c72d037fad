"""Figures in files that tell whether they were damaged: each holds the sha256 of what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twin_envs.base.errors import ConfigurationError


class Damaged(ConfigurationError):
    """A file does not hold what was written to it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); remove it, and the same command makes it anew")
        self.path, self.reason = path, reason


def digest(held: Mapping[str, Any]) -> str:
    """sha256 of what JSON can hold, whatever the order of its keys. Raises `ValueError` if a number is not finite."""
    return hashlib.sha256(json.dumps(held, sort_keys=True, allow_nan=False).encode()).hexdigest()


def sealed(held: Mapping[str, Any]) -> bytes:
    """A file that holds `held` and its digest. Raises `ValueError` if a number is not finite."""
    return json.dumps({"held": held, "sha256": digest(held)}, indent=1).encode()


def unsealed(path: Path) -> dict[str, Any]:
    """What a file of `sealed` holds. Raises `Damaged` if it is none, or not as it was written."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        held: dict[str, Any] = document["held"]
        expected, found = document["sha256"], digest(held)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(path, str(error)) from None
    if found != expected:
        raise Damaged(path, f"its sha256 should be {expected}, is {found}")
    return held
