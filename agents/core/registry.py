"""Policies by name, for commands: `twin-envs evaluate --policy NAME` and `--policy my_package:MyPolicy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin_envs.base.registry import Registry

policies: Registry[Callable[[], Any]] = Registry(
    "policy",
    "twin_envs.policies",
    random="twin_envs.agents.core.policies:RandomPolicy",
    learned="twin_envs.agents.learning.shipped:Learned",
    csi_twin="twin_envs.agents.csi_cell.twin:TwinPlanner",
    csi_oracle="twin_envs.agents.csi_cell.oracle:OraclePlanner",
    round_robin="twin_envs.agents.csi_cell.scheduling:RoundRobin",
    nearest_aps="twin_envs.agents.association.rules:NearestAps",
    association_twin="twin_envs.agents.association.twin:TwinPlanner",
    association_oracle="twin_envs.agents.association.oracle:OracleClusters",
    beams_twin="twin_envs.agents.beams.twin:TwinSweepPlanner",
    beams_oracle="twin_envs.agents.beams.oracle:OracleSweep",
    fidelity_twin="twin_envs.agents.beams.fidelity:AdaptiveTwin",
    fidelity_oracle="twin_envs.agents.beams.oracle:OracleTwin",
)
