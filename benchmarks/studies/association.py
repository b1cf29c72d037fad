"""What share of the best access points' gain a choice by each kind of knowledge keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from twin_envs.agents.association.oracle import true_gains
from twin_envs.agents.association.rules import ApPolicy, NearestAps, PathLossRule, StrongestMeasured
from twin_envs.agents.association.twin import FusedGains, TwinGains
from twin_envs.agents.core.policies import Array
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.statistics import interval
from twin_envs.benchmarks.studies.setting import Setting
from twin_envs.envs.association.core import AssociationCore
from twin_envs.envs.faces.vector import TaskVectorEnv

BASIS = "nearest"


def association(setting: Setting) -> dict[str, Any]:
    """`ApAssociation` and `ApSelection`: what share of the gain the choices keep."""
    seeds = evaluation_seeds(setting.seed, setting.budget.episodes)

    def progress(share: float) -> None:
        setting.progress("what the choices keep of the gain", share)

    return {"gain_kept": gain_kept(setting.envs(len(seeds)), seeds, setting.seed, progress)}


def gain_kept(envs: TaskVectorEnv, seeds: range, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """How good the APs are that each kind of knowledge would choose if every AP had room.

    The UEs are served by those that they hear best, as far as there is room; the choices are only looked at.

    Args:
        envs: of an association environment, one for each of `seeds`.
        seeds: of the episodes.
        seed: of the bootstrap.
        progress: called with the share that is done.

    Returns:
        By kind of knowledge `kept`, the true gains of the `cluster_size` APs chosen, summed, over those of the best:
        mean over decisions with its interval over episodes; and `as_nearest`, the share of decisions in which they are
        the nearest.
    """
    choosers: dict[str, ApPolicy] = {
        BASIS: NearestAps(),
        "path-loss": PathLossRule(),
        "twin-gain": TwinGains(0.0),
        "twin-fused": FusedGains(0.0),
        "strongest": StrongestMeasured(0.0),
    }
    for chooser in choosers.values():
        chooser.attach(envs.network)
    core = cast(AssociationCore, envs.core)
    cluster_size = core.config.cluster_size
    kept: dict[str, list[Array]] = {name: [] for name in choosers}
    same: dict[str, list[Array]] = {name: [] for name in choosers}
    observation, _ = envs.reset(seed=list(seeds))
    running = np.ones(len(seeds), dtype=bool)
    while running.any():
        gain = choosers[BASIS].mine(true_gains(core))
        best = np.sort(gain, -1)[:, -cluster_size:].sum(-1)
        values_db = {name: chooser.value_db(observation) for name, chooser in choosers.items()}
        chosen = {name: best_aps(value_db, cluster_size) for name, value_db in values_db.items()}
        for name, mask in chosen.items():
            kept[name].append(np.where(running, (gain * mask).sum(-1) / best, np.nan))
            same[name].append(np.where(running, (mask == chosen[BASIS]).all(-1), np.nan))
        observation, _, _, truncated, _ = envs.step(choosers["strongest"].predict(observation)[0])
        running &= ~truncated
        progress(float(envs.network.state.now_slots.max()) / core.config.episode_slots if running.any() else 1.0)
    generator = np.random.default_rng(seed)
    return {
        name: {
            "kept": interval(np.nanmean(kept[name], 0), generator),
            "as_nearest": float(np.nanmean(same[name])),
        }
        for name in choosers
    }


def best_aps(value_db: Array, size: int) -> Array:
    """The `size` APs of the highest value, bool [N, A]; of equal ones the first."""
    mask = np.zeros(value_db.shape, dtype=bool)
    np.put_along_axis(mask, np.argsort(-value_db, axis=-1, kind="stable")[:, :size], True, -1)
    return mask
