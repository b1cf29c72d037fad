"""Networks that come with the package: one safetensors file each, whose header says how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.base.settings import lasting

Network = TypeVar("Network", bound=torch.nn.Module)
_ABOUT = "about"
"""The one key of the header: several would be in no certain order, and the file's hash be another each time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredNetwork(Generic[Network]):
    """A network whose weights come with the package, and can be made again.

    Args:
        file: the weights of the package.
        make: a network of the same architecture.
        made_for: what the header must say, by its key.
        said: how a message begins that says what it says instead, such as "it is of".
        command: makes the weights.
    """

    file: Path
    make: Callable[[], Network]
    made_for: Mapping[str, Any]
    said: str
    command: str

    @cached_property
    def packaged(self) -> Network:
        """The network that comes with the package."""
        return self.load(self.file)

    def save(self, network: Network, path: Path, about: Mapping[str, str]) -> None:
        """Write the weights of a network, and what is worth knowing of how they were made."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        header = json.dumps({**about, "command": self.command, **self.made_for}, sort_keys=True)
        write_files({path: save(tensors, {_ABOUT: header})})

    @lasting()
    def load(self, path: Path) -> Network:
        """A network from a file that `save` wrote; it is not trained any more.

        Raises:
            ConfigurationError: the file is missing or damaged, of another architecture, or made for something else.
        """

        def unusable(reason: str) -> ConfigurationError:
            return ConfigurationError(f"weights {path}: {reason}; make them again with: {self.command}")

        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        except (SafetensorError, OSError, ValueError) as error:
            raise unusable(f"it cannot be read ({error})") from error
        for key, value in self.made_for.items():
            if about.get(key) != value:
                raise unusable(f"{self.said} {about.get(key)}, this version has {value}")
        network = self.make()
        expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in tensors.items()}
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                shapes = (expected.get(name, "none"), found.get(name, "none"))
                raise unusable(f"tensor {name!r} should have shape {shapes[0]}, has {shapes[1]}")
            if not tensors[name].isfinite().all():
                raise unusable(f"tensor {name!r} holds values that are not finite")
        network.load_state_dict(tensors)
        return network.eval().requires_grad_(False)
