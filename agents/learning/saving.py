"""Trained policies on disk: a folder with the weights (safetensors) and how they came about (JSON), no pickle."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from twin_envs.agents.learning.algorithms import Configuration, check_space, configure, new_network
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.agents.learning.spaces import read_space
from twin_envs.base.errors import ConfigurationError, check_keys, check_number
from twin_envs.base.files import write_files
from twin_envs.envs.registry import specification

WEIGHTS_FILE = "policy.safetensors"
CARD_FILE = "policy.json"


@dataclass(frozen=True, kw_only=True)
class PolicyCard:
    """What a trained policy is, and how it came about.

    Args:
        env: name of the environment it decides in.
        algorithm: what trained it.
        options: options of the environments that it was trained in; `world` is among them.
        seed, steps, num_envs: of the training.
        hyperparameters: of the algorithm.
        observation: names of the observation's numbers, in order.
        action_space: as `describe_space` describes it.
        commit: of the code that trained it; None if it is not known.
        learning_curve: pairs of steps done and mean return of the policy in episodes of its world [bit/s/Hz].
        items: what each number of the observation is about, as `ObservationLayout.items` has it; empty if none is
            about an item.
        begun_from: what the card of the policy said whose weights the training began with; None if it began with fresh
            ones.
        privileged: whether a teacher has read the world of the training, a twin world, as an oracle does.
        site: name and digest of the site that it was trained at, in one of its twin worlds; None if they are not known.
        command: what trains it again, those before it, whose weights it began with, included; None if no command did.
        seconds: processor time of the training, of those before it included, learning curve and all.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    env: str
    algorithm: str
    options: dict[str, Any]
    seed: int
    steps: int
    num_envs: int
    hyperparameters: dict[str, Any]
    observation: list[str]
    action_space: dict[str, Any]
    commit: str | None
    learning_curve: list[list[float]]
    items: list[str | None] = field(default_factory=list)
    begun_from: dict[str, Any] | None = None
    privileged: bool = False
    site: dict[str, str] | None = None
    command: str | None = None
    seconds: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        specification(self.env)
        if not isinstance(self.hyperparameters, dict):
            raise ConfigurationError(f"hyperparameters must be an object, got {self.hyperparameters!r}")
        configure(self.algorithm, self.hyperparameters)
        names = self.observation
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ConfigurationError(f"observation must be a list of 1 name or more, got {names!r}")
        if not isinstance(self.items, list) or len(self.items) not in (0, len(names)):
            raise ConfigurationError(f"items must be a list of {len(names)}, as observation has, got {self.items!r}")
        check_space(self.algorithm, read_space(self.action_space))
        if self.site is not None and (not isinstance(self.site, dict) or self.site.keys() != {"name", "digest"}):
            raise ConfigurationError(f"site must be null or have a name and a digest, got {self.site!r}")
        if self.command is not None and not isinstance(self.command, str):
            raise ConfigurationError(f"command must be null or a text, got {self.command!r}")
        if self.seconds is not None:
            check_number("seconds", self.seconds, 0.0)

    @property
    def name(self) -> str:
        """Of the policy in tables: what it began from, its algorithm's, and whether it learnt from raw rewards."""
        name = f"{self.begun_from['algorithm']}-{self.algorithm}" if self.begun_from else self.algorithm
        return name if self.configuration.reward == "relative" else f"{name}-raw"

    @property
    def configuration(self) -> Configuration:
        """The hyperparameters."""
        return configure(self.algorithm, self.hyperparameters)

    def new_policy(self) -> SB3Policy:
        """The policy that this card describes, with fresh weights."""
        action_space = read_space(self.action_space)
        network = new_network(self.configuration, len(self.observation), self.items, action_space)
        return SB3Policy(network, self.observation, action_space)

    def told_after(self) -> dict[str, Any]:
        """What the card of a policy tells of this one, with whose weights its training began."""
        names = ("algorithm", "options", "seed", "steps", "num_envs", "hyperparameters", "command")
        return {name: getattr(self, name) for name in names}


def save_policy(folder: Path, card: PolicyCard, policy: SB3Policy) -> None:
    """Write a policy into `folder`, which is made if need be; older files are replaced at once or not at all.

    Raises:
        OSError: a file cannot be written.
    """
    card_text = json.dumps(dataclasses.asdict(card), indent=1, allow_nan=False) + "\n"
    weights = pack_tensors(policy.network.state_dict())
    write_files({folder / WEIGHTS_FILE: weights, folder / CARD_FILE: card_text.encode()})


def load_policy(folder: Path) -> tuple[SB3Policy, PolicyCard]:
    """The policy in `folder`, on the CPU, and its card.

    Raises:
        ConfigurationError: a file is missing or damaged, a field unknown, missing or outside its range, or the weights
            do not fit the card.
    """
    path = folder / CARD_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} describes no policy: {error}") from None
    card = read_card(path, data)
    policy = card.new_policy()
    load_weights(folder / WEIGHTS_FILE, policy.network)
    return policy, card


def read_card(path: Path, data: Any) -> PolicyCard:
    """The card that the file `path` holds as `data`. Raises `ConfigurationError` if it is none."""
    fields = dataclasses.fields(PolicyCard)
    names = [f.name for f in fields]
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} must hold an object with the fields {names}, got {type(data).__name__}")
    check_keys(str(path), data, names)
    for name in (f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING):
        if name not in data:
            raise ConfigurationError(f"{path} needs the field {name!r}")
    return PolicyCard(**data)


def pack_tensors(tensors: dict[str, torch.Tensor], header: dict[str, str] | None = None) -> bytes:
    """What a safetensors file holds."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, header)


def load_weights(path: Path, network: nn.Module) -> None:
    """Load a safetensors file into `network`. Raises `ConfigurationError` if it is damaged or does not fit."""
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{path} holds no weights: {error}") from None
    check_tensors(path, network.state_dict(), weights)
    network.load_state_dict(weights)


def check_tensors(path: Path, expected: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor]) -> None:
    """Raise `ConfigurationError` unless the tensors in `path` are finite, and have names and shapes as `expected`."""
    shapes = {name: list(tensor.shape) for name, tensor in expected.items()}
    held = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if held != shapes:
        odd = sorted(name for name in shapes.keys() | held.keys() if shapes.get(name) != held.get(name))[0]
        raise ConfigurationError(f"{path} must hold {odd} of shape {shapes.get(odd)}, got {held.get(odd)}")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ConfigurationError(f"{path} must hold finite weights, got NaN or infinity")


def code_version() -> tuple[str | None, bool | None]:
    """The commit of this code and whether it was changed since; None where it is not a Git working copy."""
    folder = Path(__file__).resolve().parents[2]
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        return commit, bool(_git(folder, "status", "--porcelain").strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout
