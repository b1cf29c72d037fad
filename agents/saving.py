"""Trained policies on disk: a folder with the weights (safetensors) and how they came about (JSON), no pickle."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.sb3 import SB3Policy
from twin_envs.envs.observation import CSI_LAYOUT
from twin_envs.errors import ConfigurationError, check_choice, check_keys, check_number
from twin_envs.registration import ENVIRONMENTS

WEIGHTS_FILE = "policy.safetensors"
CARD_FILE = "policy.json"
ALGORITHMS = ("ppo",)
_LARGEST = 10**6


@dataclass(frozen=True, kw_only=True)
class PolicyCard:
    """What a trained policy is, and how it came about.

    Args:
        env: name of the environment it decides in.
        algorithm: what trained it.
        options: options of the environments that it was trained in; `world` is among them.
        seed, steps, num_envs: of the training.
        hyperparameters: of the algorithm.
        observation: names of the observation's fields, in order.
        actions: number of actions.
        hidden: sizes of the hidden layers of actor and critic.
        commit: of the code that trained it; None if it is not known.
        learning_curve: pairs of steps done and mean return of the policy in episodes of its world [bit/s/Hz].

    Raises:
        ConfigurationError: a field is outside its range.
    """

    env: str
    algorithm: str = "ppo"
    options: dict[str, Any]
    seed: int
    steps: int
    num_envs: int
    hyperparameters: dict[str, Any]
    observation: list[str] = field(default_factory=lambda: [f.name for f in CSI_LAYOUT.fields])
    actions: int
    hidden: list[int]
    commit: str | None
    learning_curve: list[list[float]]

    def __post_init__(self) -> None:
        check_choice("env", self.env, ENVIRONMENTS)
        check_choice("algorithm", self.algorithm, ALGORITHMS)
        check_number("actions", self.actions, 2, _LARGEST, integer=True)
        if not isinstance(self.hidden, list) or not self.hidden:
            raise ConfigurationError(f"hidden must be a list of 1 size or more, got {self.hidden!r}")
        for index, size in enumerate(self.hidden):
            check_number(f"hidden[{index}]", size, 1, 4096, integer=True)
        if self.observation != [f.name for f in CSI_LAYOUT.fields]:
            raise ConfigurationError(
                f"observation must have the fields {[f.name for f in CSI_LAYOUT.fields]}, got {self.observation!r}; "
                "train the policy anew"
            )


def new_network(card: PolicyCard) -> ActorCriticPolicy:
    """The network that a card describes, with fresh weights. No global generator is left changed."""
    with torch.random.fork_rng(devices=[]):
        return ActorCriticPolicy(
            CSI_LAYOUT.space, spaces.Discrete(card.actions), lambda _: 0.0, net_arch=list(card.hidden)
        )


def save_policy(folder: Path, card: PolicyCard, policy: SB3Policy) -> None:
    """Write a policy into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in policy.network.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    text = json.dumps(dataclasses.asdict(card), indent=1, allow_nan=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def load_policy(folder: Path) -> tuple[SB3Policy, PolicyCard]:
    """The policy in `folder`, on the CPU, and its card.

    Raises:
        ConfigurationError: a file is missing or damaged, a field unknown, missing or outside its range, or the weights
            do not fit the card.
    """
    card = _read_card(folder / CARD_FILE)
    path = folder / WEIGHTS_FILE
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{path} holds no weights: {error}") from None
    network = new_network(card)
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: list(tensor.shape) for name, tensor in weights.items()}
    if found != shapes:
        odd = sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))[0]
        raise ConfigurationError(f"{path} must hold {odd} of shape {shapes.get(odd)}, got {found.get(odd)}")
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise ConfigurationError(f"{path} must hold finite weights, got NaN or infinity")
    network.load_state_dict(weights)
    return SB3Policy(network), card


def _read_card(path: Path) -> PolicyCard:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} describes no policy: {error}") from None
    names = [f.name for f in dataclasses.fields(PolicyCard)]
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} must hold an object with the fields {names}, got {type(data).__name__}")
    check_keys(str(path), data, names)
    for name in names:
        if name not in data:
            raise ConfigurationError(f"{path} needs the field {name!r}")
    return PolicyCard(**data)


def code_version() -> tuple[str | None, bool | None]:
    """The commit of this code and whether it was changed since; None where it is not a Git working copy."""
    folder = Path(__file__).resolve().parent.parent
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        return commit, bool(_git(folder, "status", "--porcelain").strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout
