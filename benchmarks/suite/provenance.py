"""Results on disk, with where they come from."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from twin_envs import __version__
from twin_envs.agents.learning.saving import code_version
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files

_PACKAGES = ("torch", "gymnasium", "numpy", "scipy", "sionna", "stable-baselines3")


def provenance(arguments: dict[str, Any], *, seed: int, device: torch.device) -> dict[str, Any]:
    """Where a result comes from: commit (None if unknown), versions, device, seed and arguments of the command."""
    commit, dirty = code_version()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": {"twin-envs": __version__, "python": platform.python_version(), **_versions()},
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "malloc": {name: value for name, value in sorted(os.environ.items()) if name.startswith("MALLOC_")},
        "seed": seed,
        "arguments": arguments,
    }


def write_result(path: Path, benchmark: str, figures: dict[str, Any], origin: dict[str, Any]) -> None:
    """Write `{"benchmark", "provenance", "figures"}` as JSON.

    Raises:
        ConfigurationError: a figure is NaN or infinite; nothing is written.
    """
    try:
        text = json.dumps({"benchmark": benchmark, "provenance": origin, "figures": figures}, indent=1, allow_nan=False)
    except ValueError as error:
        raise ConfigurationError(f"figures of {benchmark!r} must be finite numbers: {error}") from None
    write_files({path: f"{text}\n".encode()})


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"
