"""The global random generators, which belong to the user."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def generators_kept() -> Iterator[None]:
    """Put the global generators of torch (CPU and every GPU), NumPy and Python back as they were.

    For what moves them, such as importing sionna, which seeds torch's.
    """
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002, to put it back
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    try:
        with torch.random.fork_rng(devices=gpus):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
