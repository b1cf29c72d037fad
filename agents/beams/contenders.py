"""Who competes where beams are swept and twins are asked."""

from __future__ import annotations

from twin_envs.agents.beams.fidelity import AdaptiveTwin, DeadlineRule
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.beams.rules import HierarchicalSweep, LastBeam, PeriodicSweep, TriggeredSweep
from twin_envs.agents.beams.twin import TwinBeam, TwinSweep, TwinSweepPlanner
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.environments import num_actions
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.envs.core.network_view import NetworkView


def beam_selection(network: NetworkView) -> Contenders:
    """Those of `BeamSelection`."""
    names = ("1", "3", "7", "15", "all")
    drops_db = (2.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0)
    return Contenders(
        fixed={f"last-{name}": LastBeam(width) for width, name in enumerate(names)},
        tuned={
            "trigger-3": {db: TriggeredSweep(1, db) for db in drops_db},
            "trigger-7": {db: TriggeredSweep(2, db) for db in drops_db},
            "hierarchical-3": {db: HierarchicalSweep(1, db) for db in drops_db},
            "hierarchical-7": {db: HierarchicalSweep(2, db) for db in drops_db},
            "periodic-7": {float(turns): PeriodicSweep(2, turns) for turns in (2, 3, 4, 8)},
            "twin-sweep": {share: TwinSweep(share) for share in (0.3, 0.5, 0.7, 0.8, 0.9)},
        },
        ready={"twin-3": TwinBeam(1), "twin-planner": TwinSweepPlanner(), "oracle": OracleSweep()},
        reference="trigger-7",
    )


def twin_fidelity(network: NetworkView) -> Contenders:
    """Those of `TwinFidelity`; a fixed choice for each twin."""
    return Contenders(
        fixed={f"ask-{twin}": FixedPolicy(twin) for twin in range(num_actions(network.action_space))},
        tuned={
            "deadline": {share: DeadlineRule(share) for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)},
            "twin-adaptive": {times: AdaptiveTwin(times) for times in (0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)},
        },
        ready={"oracle": OracleTwin()},
        reference="deadline",
    )
