"""The folder of a run: the outcome of each job in a file of its own, so that a run that was killed goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twin_envs.base.files import write_files
from twin_envs.benchmarks.suite.jobs import Job
from twin_envs.benchmarks.suite.sealing import Damaged, digest, sealed, unsealed


class RunFolder:
    """Outcomes by job. A file says what its job was; one of another definition does not count.

    Args:
        folder: made when the first outcome is kept.
        tell: called with a line about each file that is not taken.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell

    def path(self, job: Job) -> Path:
        """The file of a job, in the folder of its task."""
        return self._folder / job.task.name / f"{quote(job.policy, safe='')}.json"

    def read(self, job: Job) -> dict[str, Any] | None:
        """What came of a job; None where it is still to be played, because there is no file, or none that counts."""
        path = self.path(job)
        if not path.exists():
            return None
        try:
            held = unsealed(path)
        except Damaged as damage:
            self._tell(f"{path} is damaged ({damage.reason}): it is played anew")
            return None
        if held["digest"] != digest(job.definition()):
            self._tell(f"{path} is of another version: it is played anew")
            return None
        outcome: dict[str, Any] = held["outcome"]
        return outcome

    def keep(self, job: Job, outcome: dict[str, Any]) -> None:
        """Write what came of a job, whole or not at all."""
        definition = job.definition()
        held = {"digest": digest(definition), "definition": definition, "outcome": outcome}
        write_files({self.path(job): sealed(held)})
