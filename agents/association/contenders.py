"""Who competes where access points are chosen."""

from __future__ import annotations

from collections.abc import Mapping

from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.association.planner import MeasuredPlanner
from twin_envs.agents.association.rules import (
    EventTrigger,
    FixedNeighbourhood,
    KeptAps,
    NearestAps,
    PathLossRule,
    StrongestMeasured,
)
from twin_envs.agents.association.twin import FusedGains, TwinGains, TwinPlanner
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.policies import FixedPolicy, Policy
from twin_envs.envs.association.view import association_view
from twin_envs.envs.core.network_view import NetworkView

_MARGINS = (0.0, 0.01, 0.03)
_GAPS_DB = (3.0, 6.0, 9.0)


def ap_association(network: NetworkView) -> Contenders:
    """Those of `ApAssociation`; a fixed choice for each AP and its neighbours."""
    around = {f"around-{ap}": FixedNeighbourhood(ap) for ap in range(association_view(network).aps)}
    return _contenders(around, (0.0, 2.0, 4.0, 8.0, 12.0, 16.0))


def ap_selection(network: NetworkView) -> Contenders:
    """Those of `ApSelection`; a fixed choice for each AP."""
    fixed = {f"fixed-{ap}": FixedPolicy(ap) for ap in range(association_view(network).aps)}
    return _contenders(fixed, (0.0, 3.0, 6.0, 12.0))


def _contenders(fixed: Mapping[str, Policy], hysteresis_db: tuple[float, ...]) -> Contenders:
    """Those of both, which differ in the `fixed` choices and the hysteresis of the rules."""
    return Contenders(
        fixed={"kept": KeptAps(), **fixed},
        tuned={
            "strongest": {db: StrongestMeasured(db) for db in hysteresis_db},
            "event": {db: EventTrigger(db) for db in (0.0, 0.5, 1.0, 3.0, 6.0, 10.0)},
            "measured-planner": {margin: MeasuredPlanner(margin=margin) for margin in _MARGINS},
            "twin-gain": {db: TwinGains(db) for db in hysteresis_db},
            "twin-fused": {
                f"hysteresis {db:g} dB, gap {gap:g} dB": FusedGains(db, gap) for db in hysteresis_db for gap in _GAPS_DB
            },
            "twin-planner": {
                f"margin {margin:g}, gap {gap:g} dB": TwinPlanner(margin=margin, gap_db=gap)
                for margin in _MARGINS
                for gap in _GAPS_DB
            },
        },
        ready={
            "nearest": NearestAps(),
            "path-loss": PathLossRule(),
            "oracle": OracleClusters(),
        },
        reference="strongest",
    )
