"""Is sensing as sure as it says? Its errors against the standard deviations that it states, over whole walks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from twin_envs.agents.core.environments import make_envs

EPISODES, QUICK_EPISODES = 256, 32
_READINGS = 100
_SELDOM = 0.001
"""Share of the uplink with which a report, and so a reading, comes in about 98 slots: 100 of them in 5 s."""


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of sensing.

    Args:
        quick: fewer episodes.
        seed: of the episodes.

    Returns:
        For position and velocity: the mean square of the error over the stated standard deviation, by axis (1 if what
        is stated is true) with its standard error over UEs, whose walks are independent, the shares of errors within 1
        and 2 standard deviations (.68 and .95), and the median error.
    """
    episodes = QUICK_EPISODES if quick else EPISODES
    envs = make_envs("ReportScheduling", episodes, episode_slots=10_000, csi_uplink_share=_SELDOM)
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    sensing, rows = envs.network.sensing, torch.arange(envs.num_envs, device=envs.core.device)
    errors: dict[str, list[np.ndarray]] = {"position": [], "velocity": []}
    off: dict[str, list[np.ndarray]] = {"position": [], "velocity": []}
    for _ in range(_READINGS):
        envs.step(envs.action_space.sample())
        true = envs.core.motion.at(rows, envs.network.state.now_slots * envs.network.slot_s)
        for name, std, value in zip(errors, ("position_std_m", "velocity_std_m_s"), true, strict=True):
            error = (getattr(sensing, name) - value[..., :2]).cpu().numpy()
            errors[name].append(error / getattr(sensing, std)[..., None].cpu().numpy())
            off[name].append(np.linalg.norm(error, axis=-1))
    return {
        name: {
            "normalised_square": float(np.mean(np.square(errors[name]))),
            "standard_error": _standard_error(np.square(errors[name])),
            "within_1_std": float(np.mean(np.abs(errors[name]) <= 1)),
            "within_2_std": float(np.mean(np.abs(errors[name]) <= 2)),
            "median_error": float(np.median(off[name])),
        }
        for name in errors
    }


def _standard_error(squares: np.ndarray[Any, Any]) -> float:
    """Of the mean of `squares` [readings, B, U, 2]."""
    by_ue = squares.mean((0, 3))
    return float(by_ue.std(ddof=1) / np.sqrt(by_ue.size))
