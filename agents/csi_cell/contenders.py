"""Who competes where CSI is acquired."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from twin_envs.agents.core.contenders import Contenders
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
from twin_envs.agents.csi_cell.scheduling import (
    CoherenceRule,
    LostTransportBlocks,
    RoundRobin,
    SchedulingPlanner,
    SpeedTimesAge,
)
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.agents.csi_cell.scheduling_twin import AgeingTwin
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.pilots import PILOT_SPACINGS
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.view import CsiCellView, csi_view

_DOPPLER = DOPPLER_CONSTANTS[::2]
_TRUSTS = {"twin alone": Trust(), "half the ageing": Trust(ageing=0.5), "level, half": Trust(level=1.0, ageing=0.5)}
"""In what link adaptation has measured, by name. That it grants no more than it does is counted on by all."""
_SIMILARITIES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


def feedback_interval(network: NetworkView) -> Contenders:
    """Those of `FeedbackInterval`."""
    fixed = {f"fixed-{period}": FixedPolicy(action) for action, period in enumerate(REPORT_PERIODS_SLOTS)}
    return Contenders(
        fixed=fixed,
        tuned={
            "doppler": {constant: DopplerRule(constant) for constant in _DOPPLER},
            "event": {threshold: EventTrigger(threshold) for threshold in _SIMILARITIES},
            "twin-knowledge": {constant: KnowledgeRule(constant, 0.5) for constant in _DOPPLER},
            "twin": {
                f"{name}, {utilisation}": TwinPlanner(utilisation, trust)
                for (name, trust), utilisation in itertools.product(_TRUSTS.items(), (1.0, 1.3))
            },
        },
        ready=_oracles(fixed),
        reference="doppler",
    )


def pilot_density(network: NetworkView) -> Contenders:
    """Those of `PilotDensity`."""
    sparse = _sparse(csi_view(network))
    names = [
        f"fixed-{c.ports}-1/{c.spacing}-{a}" for c in csi_view(network).actions.csi_rs for a in range(len(DMRS_SYMBOLS))
    ]
    fixed = {name: FixedPolicy(action) for action, name in enumerate(names)}
    return Contenders(
        fixed=fixed,
        tuned={
            "snr-class": {float(db): SnrClass(float(db), sparse) for db in range(-10, 35, 5)},
            "doppler-class": {
                f"{hz} Hz, 1/{PILOT_SPACINGS[s]}": DopplerClass(hz, replace(sparse, csi_rs=s))
                for hz, s in itertools.product((50.0, 75.0, 100.0, 150.0, 300.0, 1000.0), (0, 1))
            },
            "twin-knowledge": {c: KnowledgeRule(1.0, c, sparse) for c in (0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)},
        },
        ready={"twin": TwinPlanner()} | _oracles(fixed),
        reference="snr-class",
    )


def csi_protocol(network: NetworkView) -> Contenders:
    """Those of `CsiProtocol` and `CsiProtocolFlat`.

    Rules, fixed choices and the twin's trust in measurements are tuned. Shorter periods than those of the fixed choices
    ask for more than the uplink carries, and more DM-RS were never near the best. Of the codeword's lengths every
    other is fixed, the longest among them.
    """
    cell = csi_view(network)
    lengths = cell.codec.codeword_lengths
    grid = itertools.product((40, 80, 160, 320), (0, 1), (0, 1), range(len(lengths))[::-2])
    fixed = {
        f"fixed-{p}-1/{PILOT_SPACINGS[s]}-{a}-{lengths[c]}": FixedChoice(p, Mode(csi_rs=s, additional=a, codeword=c))
        for p, s, a, c in grid
    }
    modes = {bits: replace(_sparse(cell), codeword=lengths.index(bits)) for bits in lengths[-2:]}
    constants, thresholds_db = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0), (20.0, 25.0, 30.0, 35.0, 40.0)
    planners = [
        OraclePlanner(),
        OraclePlanner(trust=Trust(ageing=0.5)),
        TwinPlanner(trust=Trust(level=1.0, ageing=0.5)),
    ]
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
            "twin": {name: TwinPlanner(trust=trust) for name, trust in _TRUSTS.items()},
        },
        ready={"oracle-planner": planners[1], "oracle": HindsightOracle(planners)},
        reference="doppler",
    )


def report_scheduling(network: NetworkView) -> Contenders:
    """Those of `ReportScheduling`."""
    return Contenders(
        fixed={"round-robin": RoundRobin()},
        tuned={
            "speed-age": {drift: SpeedTimesAge(drift) for drift in (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 10.0)},
            "event": {share: LostTransportBlocks(share) for share in (0.3, 0.5, 0.7, 0.8, 0.9)},
            "twin-knowledge": {typical: CoherenceRule(typical) for typical in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)},
            "twin": {trust: SchedulingPlanner(AgeingTwin(), trust) for trust in (0.2, 0.4, 0.6, 0.8, 1.0)},
        },
        ready={"oracle": OracleRollouts(SpeedTimesAge(1.0))},
        reference="speed-age",
    )


def _oracles(fixed: Mapping[str, Policy]) -> dict[str, Policy]:
    """The planner that reads reality, and the best of it and all fixed choices in hindsight."""
    planner = OraclePlanner()
    return {"oracle-planner": planner, "oracle": HindsightOracle([planner, *fixed.values()])}


def _sparse(cell: CsiCellView) -> Mode:
    """CSI-RS in every other resource block, one DM-RS symbol, the longest codeword; picked by hand."""
    return Mode(csi_rs=1, additional=0, codeword=len(cell.codec.codeword_lengths) - 1)
