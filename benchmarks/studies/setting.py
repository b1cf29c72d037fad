"""What a study of an environment needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.rollout import Episodes, play
from twin_envs.base.progress import TellProgress
from twin_envs.benchmarks.suite.engine import Tell, done
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.faces.vector import TaskVectorEnv


@dataclass(frozen=True, kw_only=True)
class StudyBudget:
    """How much is computed.

    Args:
        episodes: of each kind in the studies of speed and of uplink.
        periods_slots: fixed periods in these.
        csi_uplink_shares: shares of the uplink over which the headroom is shown.
        optimum_episodes, optimum_slots: episodes of one UE for which the exact optimum is found, and their length.
    """

    episodes: int = 32
    periods_slots: tuple[int, ...] = REPORT_PERIODS_SLOTS
    csi_uplink_shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.3, 1.0)
    optimum_episodes: int = 16
    optimum_slots: int = 1000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a study needs to know.

    Attributes:
        env: name of the environment.
        options: of the environment.
        seed: chooses the training and evaluation seeds.
        runs: the episodes of each policy in the comparison.
        drawn: policies whose decisions are looked at.
        budget: how much is computed.
        progress: called with what is being done and the share of it that is.
        jobs: processes that work side by side. The figures do not depend on it.
    """

    env: str
    options: dict[str, Any]
    seed: int
    runs: dict[str, Episodes]
    drawn: tuple[str, ...]
    budget: StudyBudget
    progress: TellProgress
    jobs: int = 1

    def envs(self, num_envs: int, **options: Any) -> TaskVectorEnv:
        """A batch with some options replaced."""
        return make_envs(self.env, num_envs, **{**self.options, **options})

    def evaluate(self, name: str, policy: Policy, envs: TaskVectorEnv, seeds: range) -> Episodes:
        """The episodes of a policy, with the sensed speed of each step."""
        return play(policy, envs, seeds, lambda share: self.progress(f"evaluating {name}", share), keep=("speed",))

    def side_by_side(self, parts: Mapping[str, Callable[[Setting], Any]]) -> dict[str, Any]:
        """What each part of a study finds, by its name; parts know no `runs`."""
        alone = replace(self, runs={}, progress=_nobody)
        work = [(name, partial(_find, part, alone)) for name, part in parts.items()]
        found = done(self.jobs, work, lambda name, share: self.progress("looking closer", share, name))
        return {work[number][0]: what for number, what in found}


def _nobody(what: str, share: float, detail: str = "", /) -> None:
    """Nobody is told."""


def _find(part: Callable[[Setting], Any], setting: Setting, tell: Tell) -> Any:
    return part(replace(setting, progress=lambda what, share, detail="", /: tell(share)))
