"""Studies that go on where they were interrupted: what is finished is kept, piece by piece, in a folder.

A piece is a JSON file of figures, and a safetensors file if it has tensors; both hold the sha256 of what they say, so
that a damaged piece is refused, not quoted. `setting.json` says what the study was asked and what it was asked of. A
folder is for one setting: pieces of two do not mix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.benchmarks.suite.sealing import Damaged, sealed, unsealed

Tensors = dict[str, torch.Tensor]
_SETTING = "setting.json"


class Run:
    """A folder of finished pieces.

    Args:
        folder: made if it is not there.
        setting: all that figures depend on, as JSON has it.

    Raises:
        ConfigurationError: the folder holds pieces of another setting, or what it holds is damaged.
    """

    def __init__(self, folder: Path, setting: Mapping[str, Any]) -> None:
        self.folder, self._setting = folder, json.loads(json.dumps(setting))
        path = folder / _SETTING
        if not path.exists():
            write_files({path: sealed({"setting": self._setting})})
            return
        found = unsealed(path)["setting"]
        for field in sorted(self._setting.keys() | found.keys()):
            if found.get(field) != self._setting.get(field):
                raise ConfigurationError(
                    f"{folder} holds a run with {field} = {found.get(field)!r}, and this one has "
                    f"{self._setting.get(field)!r}; remove the folder or choose another with --run"
                )

    def piece(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The figures of a piece: read if it is finished, else made and kept.

        Raises:
            ConfigurationError: it is damaged, or a figure that was made is not finite; then nothing is kept.
        """
        path = self.folder / f"{name}.json"
        if not path.exists():
            made = make()
            try:
                data = sealed({"figures": made})
            except ValueError as error:
                raise ConfigurationError(f"figures of {name!r} must be finite numbers, got {made} ({error})") from None
            write_files({path: data})
        figures: dict[str, Any] = unsealed(path)["figures"]
        return figures

    def tensors(self, name: str, make: Callable[[], Tensors]) -> Tensors:
        """The tensors of a piece, on the CPU: read if it is finished, else made and kept.

        Their sha256 and the setting are written beside them, in `NAME.seal.json`.

        Raises:
            ConfigurationError: they are damaged, or of another piece.
        """
        path, seal = self.folder / f"{name}.safetensors", self.folder / f"{name}.seal.json"
        if not seal.exists():
            data = save({key: value.detach().cpu().contiguous() for key, value in make().items()})
            about = {"sha256": hashlib.sha256(data).hexdigest(), "setting": self._setting}
            write_files({path: data, seal: sealed(about)})
        expected = unsealed(seal)["sha256"]
        try:
            data = path.read_bytes()
            found = hashlib.sha256(data).hexdigest()
            if found != expected:
                raise Damaged(path, f"its sha256 should be {expected}, is {found}")
            return load(data)
        except (OSError, SafetensorError) as error:
            raise Damaged(path, str(error)) from None
