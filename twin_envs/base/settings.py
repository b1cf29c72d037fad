"""Settings of the process that change what torch computes, or how fast: ours are the same whatever the user's are.

Everything of ours that computes runs under `computing`, what trains a network under `training`, and what makes things
that are kept and shared under `lasting`. Each puts the caller's settings back at the end, after an exception, too.

The number of threads is the calling thread's own, as OpenMP and MKL have it; that of other threads stays.
`torch.set_num_threads` would not do: threads that begin meanwhile would be left with one for good. The default dtype is
the process's, so where it is not float32, other threads meet float32 for as long as something of ours runs.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch

THREADS_FROM = 256
"""Batches that are smaller compute with one thread: their operations are too short to be shared, and threads that wait
for each other come to a standstill where another process takes a core."""
_CPU = torch.device("cpu")
_AUTOCASTS = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def computing(batch: int) -> Iterator[None]:
    """Without gradients, in float32, on the CPU where no device is named, without autocast.

    Args:
        batch: how many environments, or what else there are so many of, are computed at once. From `THREADS_FROM` on
            there are as many threads as the caller has, but in a forked process: its parent's threads are gone, and
            OpenMP would wait for them for good.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        _enter_ours(stack)
        if batch < THREADS_FROM or _forked:
            stack.enter_context(_one_thread())
        yield


@contextmanager
def lasting() -> Iterator[None]:
    """The same, but with ordinary tensors: what is kept serves all who ask later, training among them."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        _enter_ours(stack)
        stack.enter_context(_one_thread())
        yield


@contextmanager
def training() -> Iterator[None]:
    """The same, but with gradients, and with as many threads as the caller has."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        _enter_ours(stack)
        yield


def _enter_ours(stack: ExitStack) -> None:
    stack.enter_context(_float32)
    if torch.get_default_device() != _CPU:
        stack.enter_context(_CPU)
    for kind in _AUTOCASTS:
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))


class _Float32:
    """Makes float32 the default dtype until all who have entered have left, in whichever threads they are."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, torch.float32

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = torch.get_default_dtype()
                if self._before != torch.float32:
                    torch.set_default_dtype(torch.float32)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before != torch.float32:
                torch.set_default_dtype(self._before)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()  # torch gives a new thread its number when first asked, so ask before changing it
    if before == 1:
        yield
        return
    set_openmp, set_mkl = _thread_setters()
    mkl_before = set_mkl(1)
    try:
        set_openmp(1)
        yield
    finally:
        set_openmp(before)
        set_mkl(mkl_before)


@functools.cache
def _thread_setters() -> tuple[Callable[[int], object], Callable[[int], int]]:
    """What sets the calling thread's number of threads, in OpenMP and in MKL; the latter says what it was before.

    Of the libraries that torch is linked with. Where these have none, as on Windows, torch sets both.
    """
    library = ctypes.PyDLL(torch._C.__file__)
    if not hasattr(library, "omp_set_num_threads"):
        return torch.set_num_threads, int
    return library.omp_set_num_threads, getattr(library, "MKL_Set_Num_Threads_Local", int)


_float32 = _Float32()
_forked = False


def _after_fork() -> None:
    global _float32, _forked
    _float32, _forked = _Float32(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
