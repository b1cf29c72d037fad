"""What twins are worth where beams are chosen: how good their beams are, and what that brings."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import numpy as np
import torch

from twin_envs.agents.beams.oracle import OracleSweep
from twin_envs.agents.beams.rules import LastBeam
from twin_envs.agents.beams.twin import TwinBeam, TwinSweepPlanner, goodput_table
from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.policies import Array, Policy
from twin_envs.agents.core.rollout import Episodes
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.settings import computing
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.base.units import linear_to_db
from twin_envs.benchmarks.studies.setting import Setting
from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.envs.beams.actions import TwinActions
from twin_envs.envs.beams.core import BeamCore
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.faces.vector import TaskVectorEnv

_EPISODES = 4
"""Episodes of these studies, in those of the budget: episodes are short."""
_RANKS = (1, 2, 3)
_AS_DRAWN: dict[str, Any] = {"calibration_sweeps": 0}
PLACES: dict[str, dict[str, Any]] = {
    "default": {},
    "phone": {"gnss_bias_m": 2.5},
    "nobody in the way": {"blockers": 0, "self_blocking": False, "car_windows": "open"},
    "an SSB for each beam": {"ssb_beams": 64},
}
"""Options under which `BeamSelection` is studied, by name."""
CALIBRATIONS = {"default": (5, 100)}
"""Numbers of sweeps besides none and the default."""


def worth_of_the_twin(setting: Setting) -> dict[str, Any]:
    """`BeamSelection` with more and less calibration, with poorer positions, and with nobody in the way."""
    return {"worth_of_the_twin": setting.side_by_side({name: partial(_worth, place=name) for name in PLACES})}


def _worth(setting: Setting, place: str) -> dict[str, Any]:
    """What the twin's beams are worth in one of `PLACES`, by the number of calibration sweeps."""
    seeds, generator = _seeds(setting), np.random.default_rng(setting.seed)

    def returns(name: str, policy: Policy, envs: TaskVectorEnv) -> Array:
        return setting.evaluate(f"{name}, {place}", policy, envs, seeds).returns

    default = setting.envs(len(seeds), **PLACES[place])
    blind: dict[str, Policy] = {"last-7": LastBeam(2), "oracle": OracleSweep()}
    found = {name: interval(returns(name, policy, default), generator) for name, policy in blind.items()}
    by_sweeps, planned = {}, {}
    for sweeps in sorted({0, *CALIBRATIONS.get(place, ()), cast(BeamView, default.network).config.calibration_sweeps}):
        envs = setting.envs(len(seeds), **{**PLACES[place], "calibration_sweeps": sweeps})
        planned[sweeps] = returns("twin-planner", TwinSweepPlanner(), envs)
        by_sweeps[str(sweeps)] = {
            **hits(envs, seeds, cast(BeamView, envs.network).twin),
            "twin-3": interval(returns("twin-3", TwinBeam(1), envs), generator),
            "twin-planner": interval(planned[sweeps], generator),
            "twin-planner over no calibration": paired_difference(planned[sweeps], planned[0], generator),
        }
    return {"options": PLACES[place], "episodes": len(seeds), "policies": found, "calibration_sweeps": by_sweeps}


def worth_of_each_twin(setting: Setting) -> dict[str, Any]:
    """`TwinFidelity`: what asking each twin brings by deadline, and how good their beams are."""
    seeds = _seeds(setting)
    envs, raw = setting.envs(len(seeds)), setting.envs(len(seeds), **_AS_DRAWN)
    single = contenders(setting.env, envs).fixed
    runs = {name: setting.evaluate(f"{name} by deadline", by, envs, seeds) for name, by in single.items()}
    runs |= {name: setting.runs[name] for name in setting.drawn}
    actions, undrawn = (cast(TwinActions, batch.network.actions) for batch in (envs, raw))
    return {
        "mean_by_deadline": {name: mean_by_deadline(run) for name, run in runs.items()},
        "twins": {
            world: {
                "latency_slots": int(latency),
                "calibrated": hits(envs, seeds, asked),
                "not calibrated": hits(raw, seeds, as_drawn),
            }
            for world, latency, asked, as_drawn in zip(
                actions.twins, actions.latency_slots, actions.maps, undrawn.maps, strict=True
            )
        },
    }


def _seeds(setting: Setting) -> range:
    return evaluation_seeds(setting.seed, _EPISODES * setting.budget.episodes)


def hits(envs: TaskVectorEnv, seeds: range, twin: BeamMap) -> dict[str, float]:
    """How good the beams are that a twin expects to be best where sensing sees the UEs.

    Judged by the beams' true power when episodes begin.

    Returns:
        `top_1` to `top_3`: share of UEs whose best beam is among the twin's so many best; `rate_of_3`: what the best of
        the twin's three carries, over what the best beam carries, means over UEs. A UE that the twin does not know is
        missed.
    """
    envs.reset(seed=list(seeds))
    network = cast(BeamView, envs.network)
    with computing(envs.num_envs):
        env, ue = torch.ones_like(network.state.beam).nonzero().T
        beliefs = twin.ask(network.sensed(env, ue), network.state.ap[env])
        start_s = torch.zeros(len(env), dtype=torch.float64, device=envs.core.device)
        true = cast(BeamCore, envs.core).beam_snr(env, ue, start_s).mean(1)[:, : network.codebook.beams]
        covered = beliefs.covered > 0
        ranked = beliefs.mean_power.topk(_RANKS[-1], -1).indices
        found = ((ranked == true.argmax(-1)[:, None]) & covered[:, None]).cumsum(-1).float().mean(0).tolist()
        goodput = goodput_table(network.link, network.device)
        of_three = torch.where(covered, goodput(linear_to_db(true.gather(-1, ranked).amax(-1))), 0.0)
        rate = float(of_three.mean() / goodput(linear_to_db(true.amax(-1))).mean())
    return {**{f"top_{rank}": share for rank, share in zip(_RANKS, found, strict=True)}, "rate_of_3": rate}


def mean_by_deadline(run: Episodes) -> dict[str, float]:
    """Mean net spectral efficiency of bursts [bit/s/Hz] by their length in slots."""
    steps = run.steps
    _, bursts = np.unique(steps["episode"], return_counts=True)
    spent = steps["ssb_cost"] + steps["sweep_cost"] + steps["feedback_cost"]
    net = (steps["delivered"] - spent) * bursts[steps["episode"]]
    return {
        str(slots): float(net[steps["deadline_slots"] == slots].mean()) for slots in np.unique(steps["deadline_slots"])
    }
