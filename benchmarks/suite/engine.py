"""Where jobs are played: in this process, or in several side by side. On a cluster it is `ray_engine`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from twin_envs.base.errors import TwinEnvsError
from twin_envs.benchmarks.suite.jobs import Job, play_job

Outcome = dict[str, Any]


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
    return _in_turn(jobs, progress) if processes == 1 else _side_by_side(jobs, processes, progress)


def _in_turn(jobs: Sequence[Job], progress: Callable[[str, float], None]) -> Iterator[tuple[Job, Outcome]]:
    for number, job in enumerate(jobs):

        def tell(share: float, number: int = number, name: str = job.name) -> None:
            progress(name, (number + share) / len(jobs))

        tell(0.0)
        yield job, play_job(job, tell)


def _side_by_side(
    jobs: Sequence[Job], processes: int, progress: Callable[[str, float], None]
) -> Iterator[tuple[Job, Outcome]]:
    pool = ProcessPoolExecutor(max_workers=processes, mp_context=multiprocessing.get_context("spawn"))
    try:
        played = {pool.submit(play_job, job): job for job in jobs}
        for number, future in enumerate(as_completed(played), start=1):
            yield played[future], future.result()
            progress(played[future].name, number / len(jobs))
    except BrokenProcessPool:
        raise TwinEnvsError(
            "one of the processes that play was killed, perhaps for want of memory; the same command goes on"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
