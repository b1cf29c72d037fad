"""Who competes where beams are swept and twins are asked."""

from __future__ import annotations

from twin_envs.agents.beams.correction import CorrectionConfig
from twin_envs.agents.beams.fidelity import AdaptiveTwin, DeadlineRule
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.beams.rules import AgedReport, CloseReport, LastBeam
from twin_envs.agents.beams.twin import TwinBeam, TwinInSsb, TwinSweep, TwinSweepPlanner
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.environments import num_actions
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.envs.core.network_view import NetworkView

_SWEEPS = {"1": 0, "3": 1, "7": 2, "15": 3, "all": 4}
_MARGINS_DB = (0.5, 1.0, 2.0, 4.0, 8.0)
_WAYS_M = (0.0, 0.01, 0.03, 0.1, 0.2)


def beam_selection(network: NetworkView) -> Contenders:
    """Those of `BeamSelection`."""
    return Contenders(
        fixed={f"last-{name}": LastBeam(width) for name, width in _SWEEPS.items()},
        tuned={
            **{f"close-{n}": {db: CloseReport(_SWEEPS[n], db) for db in _MARGINS_DB} for n in ("3", "7")},
            **{f"aged-{n}": {way: AgedReport(_SWEEPS[n], way) for way in _WAYS_M} for n in ("3", "7")},
            "twin-beam": {name: TwinBeam(width) for name, width in _SWEEPS.items()},
            "twin-in-ssb": {name: TwinInSsb(width) for name, width in _SWEEPS.items()},
            "twin-sweep": {share: TwinSweep(share) for share in (0.3, 0.5, 0.7, 0.8, 0.9)},
            "twin-planner": {_told(config): TwinSweepPlanner(config) for config in _corrections()},
        },
        ready={"oracle": OracleSweep()},
        reference="best-fixed",
    )


def _corrections() -> list[CorrectionConfig]:
    """How the twin may err: more or less, for shorter or longer."""
    return [
        CorrectionConfig(common_db=common_db, local_db=local_db, memory_s=memory_s)
        for common_db in (6.0, 15.0)
        for local_db in (5.0, 10.0, 15.0)
        for memory_s in (1.0, 10.0)
    ]


def _told(config: CorrectionConfig) -> str:
    return f"common {config.common_db:g} dB, local {config.local_db:g} dB for {config.memory_s:g} s"


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
