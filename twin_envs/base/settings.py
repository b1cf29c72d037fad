"""Settings of the process that change what torch computes, or how fast: ours are the same whatever the user's are.

Everything of ours that computes runs under `computing`, what trains a network under `training`, and what makes things
that are kept and shared under `lasting`. Each puts the caller's settings back at the end, after an exception, too.

The number of threads is the calling thread's own, as OpenMP and MKL have it; that of other threads stays.
`torch.set_num_threads` would not do: threads that begin meanwhile would be left with one for good. The default dtype
and the precision of matrix products are the process's: where they are not ours, other threads meet ours for as long as
something of ours runs.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch

from twin_envs.base.crowding import crowding

THREADS_FROM = 256
"""Batches that are smaller compute with one thread: their operations are too short to be shared, and threads that wait
for each other come to a standstill where another process takes a core."""
_CPU = torch.device("cpu")
_AUTOCASTS = ("cpu", "cuda", "mps", "xpu")
_MKLDNN: Any = torch.backends.mkldnn
_PRODUCTS: tuple[Any, ...] = (_MKLDNN.matmul, _MKLDNN.conv, torch.backends.cuda.matmul)
"""What torch may compute with less than float32 if the user says so (`torch.set_float32_matmul_precision`)."""
_EXACT = ("none", "ieee")


@contextmanager
def computing(batch: int) -> Iterator[None]:
    """Without gradients, in float32 and no less, on the CPU where no device is named, without autocast.

    Args:
        batch: how many environments, or what else there are so many of, are computed at once. From `THREADS_FROM` on
            there are as many threads as the caller has, unless these were held up lately (see `crowding`); but in a
            forked process there is one: its parent's threads are gone, and OpenMP would wait for them for good.
            Results are the same, bit for bit, with one thread and with several.
    """
    alone = batch < THREADS_FROM or _forked or crowding.now
    with torch.inference_mode(), _ours(one_thread=alone), nullcontext() if _one() else crowding.watching():
        yield


@contextmanager
def lasting() -> Iterator[None]:
    """The same, but with ordinary tensors: what is kept serves all who ask later, training among them."""
    with torch.inference_mode(False), torch.no_grad(), _ours(one_thread=True):
        yield


@contextmanager
def training() -> Iterator[None]:
    """The same, but with gradients, and with as many threads as the caller has."""
    with torch.inference_mode(False), torch.enable_grad(), _ours(one_thread=_forked):
        yield


def _one() -> bool:
    """Whether the calling thread computes alone."""
    return torch.get_num_threads() == 1


class _Here(threading.local):
    inside = False  # whether this thread has our settings already


_here = _Here()


@contextmanager
def _ours(one_thread: bool) -> Iterator[None]:
    if _here.inside:
        yield
        return
    with ExitStack() as stack:
        _here.inside = True
        stack.callback(setattr, _here, "inside", False)
        stack.enter_context(_of_the_process)
        if torch.get_default_device() != _CPU:
            stack.enter_context(_CPU)
        for kind in _AUTOCASTS:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if one_thread:
            stack.enter_context(_one_thread())
        yield


class _OfTheProcess:
    """Settings that a process has but once, as ours until all who have entered have left, in whichever threads."""

    def __init__(self) -> None:
        self._lock, self._inside, self._undo = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._change()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()

    def _change(self) -> None:
        dtype = torch.get_default_dtype()
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            self._undo.callback(torch.set_default_dtype, dtype)
        for products in _PRODUCTS:
            precision = products.fp32_precision
            if precision not in _EXACT:
                products.fp32_precision = "ieee"
                self._undo.callback(_put_back, products, precision)


def _put_back(products: Any, precision: str) -> None:
    products.fp32_precision = "none"  # as it was if it had none of its own: then that of all products counts
    if products.fp32_precision != precision:
        products.fp32_precision = precision


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


_of_the_process = _OfTheProcess()
_forked = False


def _after_fork() -> None:
    global _of_the_process, _forked
    _of_the_process, _forked = _OfTheProcess(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
