"""Who competes in an environment: policies that are ready, and rules whose constants are still to be chosen."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium

from twin_envs.agents.association import rules as association
from twin_envs.agents.association import twin as association_twin
from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.association.planner import MeasuredPlanner
from twin_envs.agents.beams import rules as beams
from twin_envs.agents.beams.fidelity import AdaptiveTwin, DeadlineRule
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.beams.twin import TwinBeam, TwinSweep, TwinSweepPlanner
from twin_envs.agents.core.policies import FixedPolicy, Policy
from twin_envs.agents.csi_cell.measured import Trust
from twin_envs.agents.csi_cell.oracle import HindsightOracle, OraclePlanner
from twin_envs.agents.csi_cell.rules import (
    DOPPLER_CONSTANTS,
    DopplerClass,
    DopplerProtocol,
    DopplerRule,
    EventTrigger,
    FixedChoice,
    KnowledgeRule,
    SnrClass,
)
from twin_envs.agents.csi_cell.scheduling import CoherenceRule, LostBlocks, RoundRobin, SchedulingPlanner, SpeedTimesAge
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.base.errors import check_choice
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.pilots import PILOT_SPACINGS
from twin_envs.envs.association.ap_association import DEFAULT_APS
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.faces.vector import TaskVectorEnv


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """Policies of one environment; random and trained ones come on top.

    Attributes:
        fixed: every fixed choice by its name; the best on training seeds becomes `best-fixed`.
        tuned: rules by name, each with its candidates by constant, or by a name if there are several constants; the
            best on training seeds competes.
        ready: policies without a constant by name, `oracle` among them.
        reference: name of the rule that practitioners would use; twin policies are measured against it.
    """

    fixed: dict[str, Policy]
    tuned: dict[str, dict[float, Policy] | dict[str, Policy]]
    ready: dict[str, Policy]
    reference: str = field(default="best-fixed")

    @property
    def twins(self) -> list[str]:
        """Names of the policies that know the twin: those that begin with `twin`."""
        return [name for name in (*self.tuned, *self.ready) if name.startswith("twin")]


TRAINED: dict[str, dict[str, Any]] = {"ppo": {}, "ppo-raw": {"reward": "raw", "discount": 0.99}}
"""What PPO trains in the twin, by name, and which hyperparameters are other than in the environment's `Training`: from
the rewards as they are, with the discount that libraries have by default."""
_SPARSE = Mode(spacing=1, additional=0, codeword=3)
"""CSI-RS in every other block, one DM-RS symbol, 512 bits: picked by hand after a few fixed choices were tried."""
_BITS = (64, 128, 256, 512)
"""Codeword lengths of the codec of the default site."""
_DOPPLER = DOPPLER_CONSTANTS[::2]
_SIMILARITIES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


def _feedback_interval() -> Contenders:
    return Contenders(
        fixed={f"fixed-{period}": FixedPolicy(action) for action, period in enumerate(REPORT_PERIODS_SLOTS)},
        tuned={
            "doppler": {constant: DopplerRule(constant) for constant in _DOPPLER},
            "event": {threshold: EventTrigger(threshold) for threshold in _SIMILARITIES},
            "twin-knowledge": {constant: KnowledgeRule(constant, 0.5) for constant in _DOPPLER},
        },
        ready={"twin": TwinPlanner(), "oracle": OraclePlanner()},
        reference="doppler",
    )


def _pilot_density() -> Contenders:
    names = [f"fixed-1/{s}-{a}" for s in PILOT_SPACINGS for a in range(len(DMRS_SYMBOLS))]
    return Contenders(
        fixed={name: FixedPolicy(action) for action, name in enumerate(names)},
        tuned={
            "snr-class": {float(db): SnrClass(float(db), _SPARSE) for db in range(-10, 35, 5)},
            "doppler-class": {
                f"{hz} Hz, 1/{PILOT_SPACINGS[s]}": DopplerClass(hz, replace(_SPARSE, spacing=s))
                for hz, s in itertools.product((50.0, 75.0, 100.0, 150.0, 300.0, 1000.0), (0, 1))
            },
            "twin-knowledge": {c: KnowledgeRule(1.0, c, _SPARSE) for c in (0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)},
        },
        ready={"twin": TwinPlanner(), "oracle": OraclePlanner()},
        reference="snr-class",
    )


def _csi_protocol() -> Contenders:
    """Rules and fixed choices have all that matters of a report tuned together; the trust was picked by hand.

    Shorter periods than those of the fixed choices ask for more than the uplink carries, whatever the codeword, and
    sparser CSI-RS or more DM-RS were never near the best.
    """
    lengths, periods_slots = range(len(_BITS)), (40, 80, 160, 320)
    grid = itertools.product(periods_slots, (0, 1, 2), (0, 1), lengths)
    fixed = {
        f"fixed-{p}-1/{PILOT_SPACINGS[s]}-{a}-{_BITS[c]}": FixedChoice(p, Mode(spacing=s, additional=a, codeword=c))
        for p, s, a, c in grid
    }
    modes = {_BITS[c]: replace(_SPARSE, codeword=c) for c in (2, 3)}
    constants, thresholds_db = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0), (20.0, 25.0, 30.0, 35.0, 40.0)
    twin = TwinPlanner(trust=Trust(level=1.0, ageing=0.5))
    planners = [OraclePlanner(), OraclePlanner(trust=Trust(ageing=0.5)), TwinPlanner(trust=twin.trust)]
    return Contenders(
        fixed=fixed,
        tuned={
            "doppler": {
                f"{constant}, {db} dB, {share}": DopplerProtocol(constant, db, share)
                for constant, db, share in itertools.product(constants[1:], thresholds_db, (0.125, 0.25, 0.5))
            },
            "doppler-period": {f"{k}, {n} bit": DopplerRule(k, modes[n]) for k in constants for n in modes},
            "event": {f"{k}, {n} bit": EventTrigger(k, modes[n]) for k in _SIMILARITIES[2:] for n in modes},
            "twin-knowledge": {f"{k}, {n} bit": KnowledgeRule(k, 0.5, modes[n]) for k in constants for n in modes},
        },
        ready={"twin": twin, "oracle-planner": planners[1], "oracle": HindsightOracle(planners)},
        reference="doppler",
    )


def _report_scheduling() -> Contenders:
    return Contenders(
        fixed={"round-robin": RoundRobin()},
        tuned={
            "speed-age": {drift: SpeedTimesAge(drift) for drift in (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 10.0)},
            "event": {share: LostBlocks(share) for share in (0.3, 0.5, 0.7, 0.8, 0.9)},
            "twin-knowledge": {typical: CoherenceRule(typical) for typical in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)},
            "twin": {trust: SchedulingPlanner(AgeingTwin(), trust) for trust in (0.2, 0.4, 0.6, 0.8, 1.0)},
        },
        ready={"oracle": OracleRollouts(SpeedTimesAge(1.0))},
        reference="speed-age",
    )


def _association(fixed: dict[str, Policy], hysteresis_db: tuple[float, ...]) -> Contenders:
    tuned: dict[str, dict[float, Policy]] = {
        "strongest": {db: association.StrongestMeasured(db) for db in hysteresis_db},
        "event": {db: association.EventTrigger(db) for db in (0.0, 0.5, 1.0, 3.0, 6.0, 10.0)},
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


def _ap_association(aps: int = DEFAULT_APS) -> Contenders:
    around = {f"around-{ap}": association.FixedNeighbourhood(ap) for ap in range(aps)}
    return _association({"kept": association.KeptAps(), **around}, (0.0, 2.0, 4.0, 8.0, 12.0, 16.0))


def _ap_selection(aps: int = DEFAULT_APS) -> Contenders:
    fixed = {f"fixed-{ap}": FixedPolicy(ap) for ap in range(aps)}
    return _association({"kept": association.KeptAps(), **fixed}, (0.0, 3.0, 6.0, 12.0))


def _beam_selection() -> Contenders:
    names = ("1", "3", "7", "15", "all")
    drops_db = (2.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0)
    return Contenders(
        fixed={f"last-{name}": beams.LastBeam(width) for width, name in enumerate(names)},
        tuned={
            "trigger-3": {db: beams.TriggeredSweep(1, db) for db in drops_db},
            "trigger-7": {db: beams.TriggeredSweep(2, db) for db in drops_db},
            "hierarchical-3": {db: beams.HierarchicalSweep(1, db) for db in drops_db},
            "hierarchical-7": {db: beams.HierarchicalSweep(2, db) for db in drops_db},
            "periodic-7": {float(turns): beams.PeriodicSweep(2, turns) for turns in (2, 3, 4, 8)},
            "twin-sweep": {share: TwinSweep(share) for share in (0.3, 0.5, 0.7, 0.8, 0.9)},
        },
        ready={"twin-3": TwinBeam(1), "twin-planner": TwinSweepPlanner(), "oracle": OracleSweep()},
        reference="trigger-7",
    )


def _twin_fidelity(twins: int = 4) -> Contenders:
    return Contenders(
        fixed={f"ask-{twin}": FixedPolicy(twin) for twin in range(twins)},
        tuned={
            "deadline": {share: DeadlineRule(share) for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)},
            "twin-adaptive": {times: AdaptiveTwin(times) for times in (0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)},
        },
        ready={"oracle": OracleTwin()},
        reference="deadline",
    )


_CONTENDERS: dict[str, Callable[..., Contenders]] = {
    "FeedbackInterval": _feedback_interval,
    "PilotDensity": _pilot_density,
    "CsiProtocol": _csi_protocol,
    "CsiProtocolFlat": _csi_protocol,
    "ReportScheduling": _report_scheduling,
    "ApAssociation": _ap_association,
    "ApSelection": _ap_selection,
    "BeamSelection": _beam_selection,
    "TwinFidelity": _twin_fidelity,
}


_COUNTED = ("ApAssociation", "ApSelection", "TwinFidelity")
"""Those with a fixed choice for each AP or twin of the site, as many as an action has numbers or values."""


def contenders(env: str, envs: TaskVectorEnv | None = None) -> Contenders:
    """The contenders of the environment `env`.

    Args:
        env: its name.
        envs: a batch of it; by default one of its default site.

    Raises:
        ConfigurationError: it has none.
    """
    check_choice("env", env, _CONTENDERS)
    if envs is None or env not in _COUNTED:
        return _CONTENDERS[env]()
    space = envs.single_action_space
    return _CONTENDERS[env](int(space.n) if isinstance(space, gymnasium.spaces.Discrete) else space.shape[0])
