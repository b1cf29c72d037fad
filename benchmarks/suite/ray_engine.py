"""Jobs on a Ray cluster. A job is one of Ray's tasks and takes one core; what it earns is the same as anywhere."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twin_envs.base.errors import ConfigurationError, DependencyMissing, TwinEnvsError
from twin_envs.benchmarks.suite.jobs import Job, play_the_same

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise DependencyMissing("jobs on a cluster need Ray; in the checkout of twin-envs: pip install '.[ray]'") from error

RETRIES = 3
"""So often a job is played anew whose worker, or whose machine, was lost."""
_KNOCK_S = 10.0


def outcomes(
    address: str | None, jobs: Sequence[Job], progress: Callable[[str, float], None]
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Play jobs on a cluster, and give each with its outcome as soon as it is there.

    Args:
        address: of the cluster, such as `auto` or `10.0.0.1:6379`; None for one on this machine, for as long as it
            takes.
        jobs: in the order in which they are begun.
        progress: called with the name of a job and the share of all jobs that is done.

    Raises:
        ConfigurationError: there is no cluster at the address.
        TwinEnvsError: a worker has another version of what is played, or was lost more than `RETRIES` times.
    """
    try:
        _knock(address)
        ray.init(address=address or "local", log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(f"address must be of a Ray cluster that runs, got {address!r}: {error}") from None
    try:
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(play_the_same)
        playing = {task.remote(job, job.definition()): job for job in jobs}
        for number in range(1, len(jobs) + 1):
            [done], _ = ray.wait(list(playing))
            job = playing.pop(done)
            yield job, _outcome(done, job)
            progress(job.name, number / len(jobs))
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Raise `OSError` or `ValueError` if nobody listens at host:port, for which Ray would end this process."""
    host, colon, port = (address or "").rpartition(":")
    if colon and "//" not in host:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _outcome(done: Any, job: Job) -> dict[str, Any]:
    try:
        outcome: dict[str, Any] = ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, TwinEnvsError):
            raise error.cause from None
        raise
    except RayError as error:
        raise TwinEnvsError(
            f"Ray lost {job.name} {RETRIES + 1} times ({type(error).__name__}), perhaps for want of memory; the same "
            "command goes on"
        ) from None
    return outcome
