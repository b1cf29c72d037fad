"""Where to compute."""

from __future__ import annotations

import torch

from twin_envs.base.errors import ConfigurationError


def choose_device(device: str | torch.device) -> torch.device:
    """The device that torch understands by `device`, such as `cpu` or `cuda:0`, or `auto`: a GPU where there is one.

    A device has one name here: a GPU is told with its number, the processor without.

    Raises:
        ConfigurationError: torch knows no such device, or cannot compute on it here.
    """
    if isinstance(device, str) and device == "auto":
        device = "cuda" if _gpu_can_be_used() else "cpu"
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ConfigurationError(
            f"device must be 'auto' or a device of torch, such as 'cpu' or 'cuda:0', got {device!r}"
        ) from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"device must be 'auto' or 'cpu' on this machine, got {device!r}: torch finds no GPU")
    if not _computes(chosen):
        raise ConfigurationError(f"device must be one that torch can compute on here, got {device!r}")
    return torch.zeros((), device=chosen).device


def _computes(device: torch.device) -> bool:
    try:
        return bool(torch.ones((), device=device) == 1)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        return False


def _gpu_can_be_used() -> bool:
    if not torch.cuda.is_available():
        return False
    try:
        torch.cuda.init()
    except RuntimeError:  # a process that was forked from one that has used it
        return False
    return True
