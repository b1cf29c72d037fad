"""What the network does not know, and how it looks to somebody who reads it all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from reachable import reachable


def secrets(core: Any) -> dict[str, torch.Tensor]:
    """The tensors of a core that the network does not know, by name: reality's, and all state but what the view has.

    The atlas is that of `load_site`, so whoever loads the site on his own finds the same.
    """
    seen = {id(thing) for _, thing in reachable(core.network)}
    found = {}
    for state in core.states():
        if id(state) not in seen:
            found |= {f"{type(state).__name__}.{name}": values for name, values in vars(state).items()}
    for part in (core.reality, core.reality.atlas):
        found |= {f"{type(part).__name__}.{name}": value for name, value in vars(part).items()}
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor) and id(value) not in seen}


@contextmanager
def poisoned(core: Any) -> Iterator[None]:
    """Whatever the network does not know is NaN (or 0, where it is a whole number), and is itself again afterwards."""
    hidden = list(secrets(core).values())
    kept = [value.clone() for value in hidden]
    with torch.inference_mode():
        for secret in hidden:
            secret.fill_(float("nan") if secret.is_floating_point() or secret.is_complex() else 0)
    try:
        yield
    finally:
        with torch.inference_mode():
            for secret, value in zip(hidden, kept, strict=True):
                secret.copy_(value)
