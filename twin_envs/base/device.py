"""Where to compute."""

from __future__ import annotations

import torch

from twin_envs.base.errors import ConfigurationError, check_choice


def choose_device(name: str) -> torch.device:
    """`auto` (a GPU where there is one), `cpu` or `cuda` as a torch device.

    Raises:
        ConfigurationError: another name, or no GPU although one was asked for.
    """
    check_choice("device", name, ("auto", "cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device must be 'auto' or 'cpu' on this machine, got 'cuda': torch finds no GPU")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
