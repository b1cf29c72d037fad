"""Who competes in an environment: policies that are ready, and rules whose constants are still to be chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agents import association, association_twin
from agents.association_oracle import OracleClusters
from agents.association_planning import MeasuredPlanner
from agents.heuristics import DOPPLER_CONSTANTS, DopplerRule
from agents.oracle import OraclePlanner
from agents.policies import FixedPolicy, Policy
from agents.twin_policies import TwinPlanner
from twin_envs.envs.ap_association import DEFAULT_APS
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


def _association(fixed: dict[str, Policy], hysteresis_db: tuple[float, ...]) -> Contenders:
    tuned: dict[str, dict[float, Policy]] = {
        "strongest": {db: association.StrongestMeasured(db) for db in hysteresis_db},
        "event": {db: association.EventTrigger(db) for db in (1.0, 3.0, 6.0, 10.0)},
        "measured-planner": {margin: MeasuredPlanner(margin=margin) for margin in (0.0, 0.01, 0.03)},
        "twin-gain": {db: association_twin.TwinGains(db) for db in hysteresis_db},
        "twin-fused": {db: association_twin.FusedGains(db) for db in hysteresis_db},
    }
    ready: dict[str, Policy] = {
        "nearest": association.NearestAps(),
        "path-loss": association.PathLossRule(),
        "twin-planner": association_twin.TwinPlanner(),
        "oracle": OracleClusters(),
    }
    return Contenders(fixed=fixed, tuned=tuned, ready=ready, reference="strongest")


def _ap_association() -> Contenders:
    around = {f"around-{ap}": association.FixedNeighbourhood(ap) for ap in range(DEFAULT_APS)}
    return _association({"kept": association.KeptAps(), **around}, (0.0, 2.0, 4.0, 8.0))


def _ap_selection() -> Contenders:
    fixed = {f"fixed-{ap}": FixedPolicy(ap) for ap in range(DEFAULT_APS)}
    return _association({"kept": association.KeptAps(), **fixed}, (0.0, 3.0, 6.0, 12.0))


_CONTENDERS: dict[str, Callable[[], Contenders]] = {
    "FeedbackInterval": _feedback_interval,
    "ApAssociation": _ap_association,
    "ApSelection": _ap_selection,
}


def contenders(env: str) -> Contenders:
    """The contenders of the environment `env`. Raises `ConfigurationError` if there is no such environment."""
    check_choice("env", env, ENVIRONMENTS)
    return _CONTENDERS[env]()
