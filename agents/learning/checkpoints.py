"""A training on disk, so that it can go on after an interruption."""

from __future__ import annotations

import dataclasses
import json
from operator import attrgetter
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from twin_envs.agents.learning.saving import PolicyCard, check_tensors, pack_tensors, read_card
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files

CHECKPOINT_FILE = "checkpoint.safetensors"
_STATE = ("step", "exp_avg", "exp_avg_sq")
"""What Adam remembers of each parameter."""


def save_checkpoint(folder: Path, card: PolicyCard, model: BaseAlgorithm) -> None:
    """Write weights, the optimisers' state and the card, whose steps are those done, into one file in `folder`.

    Replay buffers and the states of the environments are not kept.

    Raises:
        OSError: the file cannot be written; an earlier one stays.
    """
    header = {"card": json.dumps(dataclasses.asdict(card), allow_nan=False)}
    write_files({folder / CHECKPOINT_FILE: pack_tensors(_tensors(model), header)})


def read_checkpoint(folder: Path) -> PolicyCard | None:
    """The card in the checkpoint in `folder`; None if there is no checkpoint.

    Raises:
        ConfigurationError: it is damaged.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            data = json.loads((file.metadata() or {})["card"])
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{path} is no checkpoint; delete it to train anew: {error}") from None
    return read_card(path, data)


def restore(folder: Path, model: BaseAlgorithm) -> None:
    """Give `model` the weights and the optimisers' state of the checkpoint in `folder`.

    Raises:
        ConfigurationError: the checkpoint is damaged, or of another model.
    """
    path = folder / CHECKPOINT_FILE
    try:
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{path} is no checkpoint; delete it to train anew: {error}") from None
    check_tensors(path, _expected(model, held), held)
    for name, part in _parts(model).items():
        mine = {key.partition("/")[2]: value for key, value in held.items() if key.startswith(f"{name}/")}
        if isinstance(part, nn.Module):
            part.load_state_dict(mine)
        elif isinstance(part, torch.optim.Optimizer):
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in mine.items():
                index, _, field = key.partition("/")
                state.setdefault(int(index), {})[field] = value
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})
        else:
            part.data.copy_(mine["value"])


def _parts(model: BaseAlgorithm) -> dict[str, nn.Module | torch.optim.Optimizer | torch.Tensor]:
    """Networks, optimisers and single parameters of an algorithm: what Stable-Baselines3 saves, too."""
    names, variables = model._get_torch_save_params()
    return {name: attrgetter(name)(model) for name in (*names, *variables)}


def _tensors(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """All that is kept, `{part}/{weight}` and `{optimiser}/{parameter}/{field}`."""
    tensors: dict[str, torch.Tensor] = {}
    for name, part in _parts(model).items():
        if isinstance(part, nn.Module):
            tensors |= {f"{name}/{key}": value for key, value in part.state_dict().items()}
        elif isinstance(part, torch.optim.Optimizer):
            for index, state in part.state_dict()["state"].items():
                tensors |= {f"{name}/{index}/{field}": state[field] for field in _STATE}
        else:
            tensors[f"{name}/value"] = part
    return tensors


def _expected(model: BaseAlgorithm, held: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a fresh `model`, and the state of those parameters that `held` has one of."""
    expected = _tensors(model)
    for name, part in _parts(model).items():
        if isinstance(part, torch.optim.Optimizer):
            parameters = [parameter for group in part.param_groups for parameter in group["params"]]
            for index, parameter in enumerate(parameters):
                if f"{name}/{index}/step" in held:
                    fields = (torch.zeros(()), parameter, parameter)
                    expected |= {f"{name}/{index}/{field}": value for field, value in zip(_STATE, fields, strict=True)}
    return expected
