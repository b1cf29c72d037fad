"""Who competes in an environment: policies that are ready, and rules whose constants are still to be chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agents.heuristics import DOPPLER_CONSTANTS, DopplerRule
from agents.oracle import OraclePlanner
from agents.policies import FixedPolicy, Policy
from agents.twin_policies import TwinPlanner
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.errors import check_choice
from twin_envs.registration import ENVIRONMENTS


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """Policies of one environment; random and trained ones come on top.

    Attributes:
        fixed: every fixed choice by its name; the best on training seeds becomes `best-fixed`.
        tuned: rules by name, each with its candidates by constant; the best on training seeds competes.
        ready: policies without a constant, by name: those that know the twin, and `oracle`.
        reference: name of the tuned rule that practitioners would use; twin policies are measured against it.
    """

    fixed: dict[str, Policy]
    tuned: dict[str, dict[float, Policy]]
    ready: dict[str, Policy]
    reference: str = field(default="best-fixed")


def _feedback_interval() -> Contenders:
    return Contenders(
        fixed={f"fixed-{period}": FixedPolicy(action) for action, period in enumerate(REPORT_PERIODS_SLOTS)},
        tuned={"doppler": {constant: DopplerRule(constant) for constant in DOPPLER_CONSTANTS[::2]}},
        ready={"twin": TwinPlanner(), "oracle": OraclePlanner()},
        reference="doppler",
    )


_CONTENDERS: dict[str, Callable[[], Contenders]] = {"FeedbackInterval": _feedback_interval}


def contenders(env: str) -> Contenders:
    """The contenders of the environment `env`. Raises `ConfigurationError` if there is no such environment."""
    check_choice("env", env, ENVIRONMENTS)
    return _CONTENDERS[env]()
