"""How pip makes the wheel: as setuptools does, in a temporary folder, so that a checkout may be read-only."""

import shlex
import tempfile
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 (hooks for editable installations and source archives, as they are)

Settings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Nothing beside what `pyproject.toml` names; setuptools would write into the checkout to find that out."""
    return []


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Make the wheel in `wheel_directory` and return its name (PEP 517)."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = ["egg_info", "--egg-base", folder, "build", "--build-base", folder]
        given = dict(config_settings or {})
        asked = given.get("--global-option", [])
        given["--global-option"] = [*(shlex.split(asked) if isinstance(asked, str) else asked), *elsewhere]
        return build_meta.build_wheel(wheel_directory, given, metadata_directory)
