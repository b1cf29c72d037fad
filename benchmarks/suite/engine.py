"""Where work is done: in this process, or in several side by side. On a cluster it is `ray_engine`."""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

from twin_envs.base.errors import TwinEnvsError
from twin_envs.benchmarks.suite.jobs import Job, play_job

Outcome = dict[str, Any]
Result = TypeVar("Result")
Tell = Callable[[float], None]
"""Called with the share of a piece of work that is done."""
Piece = tuple[str, Callable[[Tell], Result]]
"""The name of a piece of work, and what does it."""
_LOOKED_EVERY_S = 1.0
"""Time between two looks at how far other processes are."""
_NOT_BEGUN = -1.0
"""In the place of the share of a piece."""
_shares: ctypes.Array[ctypes.c_double]
"""In a process of a pool: how far every piece is."""


def outcomes(
    processes: int, jobs: Sequence[Job], progress: Callable[[str, float], None]
) -> Iterator[tuple[Job, Outcome]]:
    """Play jobs, and give each with its outcome as soon as it is there.

    Args:
        processes: so many play side by side; 1 for this one alone.
        jobs: in the order in which they are begun.
        progress: called with the name of a job and the share of all jobs that is done.

    Raises:
        TwinEnvsError: one of the processes was killed.
    """
    for number, outcome in done(processes, [(job.name, partial(play_job, job)) for job in jobs], progress):
        yield jobs[number], outcome


def done(
    processes: int, pieces: Sequence[Piece[Result]], progress: Callable[[str, float], None]
) -> Iterator[tuple[int, Result]]:
    """Do pieces of work, and give the number of each with its result as soon as it is there.

    Args:
        processes: so many are done side by side, by processes that know nothing but what a piece holds; 1 for one after
            the other in this process.
        pieces: in the order in which they are begun.
        progress: called with the name of a piece and the share of all that is done.

    Raises:
        TwinEnvsError: one of the processes was killed.
    """
    return _in_turn(pieces, progress) if processes == 1 else _side_by_side(pieces, processes, progress)


def _in_turn(pieces: Sequence[Piece[Result]], progress: Callable[[str, float], None]) -> Iterator[tuple[int, Result]]:
    for number, (name, work) in enumerate(pieces):

        def tell(share: float, number: int = number, name: str = name) -> None:
            progress(name, (number + share) / len(pieces))

        tell(0.0)
        yield number, work(tell)


def _side_by_side(
    pieces: Sequence[Piece[Result]], processes: int, progress: Callable[[str, float], None]
) -> Iterator[tuple[int, Result]]:
    context = multiprocessing.get_context("spawn")
    shares = context.RawArray("d", [_NOT_BEGUN] * len(pieces))  # no lock: a process that is killed may have it
    pool = ProcessPoolExecutor(processes, context, _begin, (shares,))
    try:
        left = {pool.submit(_do, number, work): number for number, (_, work) in enumerate(pieces)}
        while left:
            finished, _ = wait(left, _LOOKED_EVERY_S, FIRST_COMPLETED)
            for future in finished:
                number = left.pop(future)
                yield number, future.result()
                shares[number] = 1.0
            now = list(shares)
            begun = [name for (name, _), share in zip(pieces, now, strict=True) if 0.0 <= share < 1.0]
            progress(", ".join(begun), sum(max(share, 0.0) for share in now) / len(pieces))
    except BrokenProcessPool:
        raise TwinEnvsError(
            "one of the processes that play was killed, perhaps for want of memory; give the same command again"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# In the processes of a pool


def _begin(shares: ctypes.Array[ctypes.c_double]) -> None:
    global _shares
    _shares = shares


def _do(number: int, work: Callable[[Tell], Result]) -> Result:
    def tell(share: float) -> None:
        _shares[number] = min(share, 1.0)

    tell(0.0)
    return work(tell)
