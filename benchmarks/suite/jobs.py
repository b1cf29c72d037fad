"""A job of the benchmark: one policy in one task, from the choice of its constant to the last evaluation episode."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

import twin_envs
from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.registry import policies
from twin_envs.agents.core.rollout import play
from twin_envs.agents.core.tuning import choose
from twin_envs.agents.learning.saving import code_version
from twin_envs.agents.learning.shipped import NAME
from twin_envs.base.errors import TwinEnvsError
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.benchmarks.suite import sealing
from twin_envs.benchmarks.suite.entrants import entrant
from twin_envs.benchmarks.suite.guard import Guard, PolicyFailed
from twin_envs.benchmarks.suite.protocol import Task, site_digest
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import specification

_PACKAGES = ("torch", "numpy", "gymnasium", "sionna")
_CODE = ("base", "world", "twin", "csi", "envs", "agents", "scenarios", "wrappers")
"""Packages of ours that what a policy earns depends on."""
_SOURCES = (".py", ".toml", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be played, and all that the outcome depends on.

    Attributes:
        task: what is played.
        policy: who plays, by name, folder or `"module:object"`.
        seed: chooses the seeds of the episodes.
        episodes, training_episodes: how many.
    """

    task: Task
    policy: str
    seed: int
    episodes: int
    training_episodes: int

    @property
    def name(self) -> str:
        """For progress lines."""
        return f"{self.policy} in {self.task.name}"

    def definition(self) -> dict[str, Any]:
        """All that the outcome depends on, as JSON has it, versions of files and packages among it."""
        return {
            "env": specification(self.task.env).id,
            "options": dict(self.task.options),
            "site": site_digest(self.task.site),
            "policy": self.policy,
            "source": _source_digest(self.policy),
            "seed": self.seed,
            "episodes": self.episodes,
            "training_episodes": self.training_episodes,
            "code": _code_digest(),
            "versions": {name: version(name) for name in _PACKAGES},
        }


def play_job(job: Job, progress: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Choose the policy's constant on training seeds, and play the evaluation episodes.

    Args:
        job: which.
        progress: called with the share that is done.

    Returns:
        `kind`, one of `entrants.KINDS`; `returns` of the episodes [bit/s/Hz]; `choice`, its constant, and
        `training_return`, where it was chosen on training seeds; `decisions`; `seconds` of the processor for tuning and
        for evaluation; `commit` and `dirty`. Instead, of a policy that failed: `kind`, `failed`, the reason, and the
        commit.
    """
    commit, dirty = code_version()
    origin = {"commit": commit, "dirty": dirty}

    def make(num_envs: int) -> TaskVectorEnv:
        return make_envs(job.task.env, num_envs, **job.task.options)

    ours, kind = contenders(job.task.env, make(1)), "own"
    try:
        found = entrant(job.policy, job.task.env, ours, job.seed)
        kind, candidates = found.kind, {key: Guard(policy) for key, policy in found.candidates.items()}
        began, told = process_time(), {}
        best = next(iter(candidates))
        if found.chosen_in_training:
            seeds = training_seeds(job.seed, job.training_episodes)
            choice = choose(candidates, make, seeds, lambda share: progress(share / 2))
            best = choice.best
            told = {"choice": best, "training_return": choice.returns[best]}
        chosen = process_time()
        seeds = evaluation_seeds(job.seed, job.episodes)
        run = play(candidates[best], make(len(seeds)), seeds, lambda share: progress((1 + share) / 2))
    except PolicyFailed as error:
        return {"kind": kind, "failed": str(error), **origin}
    seconds = {"tuning": chosen - began, "evaluation": process_time() - chosen}
    returns, decisions = run.returns.tolist(), len(run.steps["action"])
    return {"kind": kind, "returns": returns, **told, "decisions": decisions, "seconds": seconds, **origin}


def play_the_same(job: Job, definition: dict[str, Any]) -> dict[str, Any]:
    """Play a job on a machine that was sent it, if all that its outcome depends on is as in `definition`.

    Raises:
        TwinEnvsError: something is not.
    """
    here = job.definition()
    if other := [name for name in definition if here[name] != definition[name]]:
        raise TwinEnvsError(
            f"a worker has another version of {', '.join(other)} than the machine that asks; give all machines the "
            "same checkout, packages and sites"
        )
    return play_job(job)


def _source_digest(policy: str) -> str | None:
    """Of the package or file of one's own policy, or of the folder of a trained one; None for ours.

    What the package imports is not looked at.
    """
    if Path(policy).is_dir():
        return _hash(Path(policy), sorted(path for path in Path(policy).iterdir() if path.is_file()))
    module, colon, _ = policy.partition(":")
    if not colon and policy in policies and policy != NAME:  # what ships is in the digest of our code
        module = policies.get(policy).__module__
    elif not colon:
        return None
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return _hash(folder, sorted(folder.rglob("*.py")) if spec.submodule_search_locations else [Path(spec.origin)])


@functools.cache
def _code_digest() -> str:
    root = Path(twin_envs.__file__).parent
    return _hash(root, sorted(path for name in _CODE for path in (root / name).rglob("*") if path.suffix in _SOURCES))


def _hash(root: Path, files: list[Path]) -> str:
    contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    return sealing.digest({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
