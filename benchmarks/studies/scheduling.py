"""What it is worth to choose who reports where the uplink offers more or fewer opportunities, and for whom."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from twin_envs.agents.core.policies import Policy
from twin_envs.agents.csi_cell.scheduling import RoundRobin, SchedulingPlanner, SpeedTimesAge
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.studies.setting import Setting
from twin_envs.benchmarks.suite.figures import headroom

PLACES: dict[str, dict[str, Any]] = {
    "1 % of the uplink": {"csi_uplink_share": 0.01},
    "10 % of the uplink": {"csi_uplink_share": 0.1},
    "vehicles": {"population": "vehicles"},
}
"""Options under which the study is made, by name."""
_SHARE = 2
"""Episodes of this study, in those of the budget: the oracle takes its time."""
_DRIFT_M_S, _TRUST = 1.0, 0.6


def headroom_by_opportunities(setting: Setting) -> dict[str, Any]:
    """`ReportScheduling` with more opportunities to report, and with other UEs."""
    return {
        "headroom_by_opportunities": setting.side_by_side({name: partial(_headroom, place=name) for name in PLACES})
    }


def _headroom(setting: Setting, place: str) -> dict[str, Any]:
    """What round-robin, the rule, the twin and the oracle earn in one of `PLACES`."""
    seeds = evaluation_seeds(setting.seed, max(setting.budget.episodes // _SHARE, 2))
    envs, generator = setting.envs(len(seeds), **PLACES[place]), np.random.default_rng(setting.seed)
    policies: dict[str, Policy] = {
        "round-robin": RoundRobin(),
        "speed-age": SpeedTimesAge(_DRIFT_M_S),
        "twin": SchedulingPlanner(AgeingTwin(), _TRUST),
        "oracle": OracleRollouts(SpeedTimesAge(_DRIFT_M_S)),
    }
    runs = {name: setting.evaluate(name, policy, envs, seeds) for name, policy in policies.items()}
    twin, rule = runs["twin"].returns, runs["speed-age"].returns
    return {
        "policies": {name: interval(run.returns, generator) for name, run in runs.items()},
        "twin - speed-age": paired_difference(twin, rule, generator),
        "headroom": headroom(runs["round-robin"], runs["oracle"]),
        "episodes": len(seeds),
    }
