"""Are rewards what they say, and resource elements those that a slot has? Both are counted again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twin_envs.agents.core.environments import make_envs
from twin_envs.envs.csi_cell.view import csi_view
from twin_envs.envs.registry import environment_names

EPISODES, QUICK_EPISODES = 16, 4
SLOTS, QUICK_SLOTS = 2000, 400
_STEPS = 64
_SYMBOLS = {"D": 14, "S": 10, "U": 0}
_CELLS: dict[str, dict[str, Any]] = {
    "as by default": {},
    "sparse CSI-RS": {"pilot_density": 0.5, "csi_rs_period_slots": 20},
    "other slots": {"tdd_pattern": "DDDDDDDSUU", "csi_rs_period_slots": 40, "dmrs_additional": 2},
}


def figures(quick: bool, seed: int) -> dict[str, Any]:
    """What the audit says of rewards and costs.

    Args:
        quick: fewer and shorter episodes.
        seed: of episodes and actions.

    Returns:
        `books`: for each environment the largest difference between a step's reward and what was delivered less the
        costs, and between it and the sum over its UEs [bit/s/Hz]. `elements`: for cells with periodic CSI-RS, the
        largest relative difference between what a window delivered, or what its CSI-RS cost, and the same counted
        slot by slot.
    """
    episodes, slots = (QUICK_EPISODES, QUICK_SLOTS) if quick else (EPISODES, SLOTS)
    return {
        "books": {env: books(env, episodes, seed) for env in environment_names()},
        "elements": {name: elements(options, episodes, slots, seed) for name, options in _CELLS.items()},
    }


def books(env: str, episodes: int, seed: int) -> dict[str, float]:
    """Rewards against their terms, under random actions."""
    envs = make_envs(env, episodes)
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    terms, ues = [], []
    for _ in range(_STEPS):
        _, reward, _, _, info = envs.step(envs.action_space.sample())
        costs = sum(value for name, value in info.items() if name.endswith("_cost") and name[0] != "_")
        terms.append(np.abs(reward - (info["delivered"] - costs)).max())
        ues.append(np.abs(reward - info["by_ue"].sum(-1)).max())
    return {"reward_less_terms": float(max(terms)), "reward_less_ues": float(max(ues))}


def elements(options: dict[str, Any], episodes: int, slots: int, seed: int) -> dict[str, float]:
    """Delivered bits and the cost of CSI-RS in every window of random episodes, against a count of slots."""
    envs = make_envs("FeedbackInterval", episodes, episode_slots=slots, **options)
    network = csi_view(envs.network)
    config, recipe, state = network.config, network.recipe, network.state
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    ports = recipe.array.rows * recipe.array.columns
    worst = {"delivered": 0.0, "pilot_cost": 0.0}
    running = np.ones(episodes, dtype=bool)
    while running.any():
        starts = state.now_slots.cpu().numpy().copy()
        _, _, _, truncated, info = envs.step(envs.action_space.sample())
        rate = state.bits_per_re.sum(-1).cpu().numpy() / (slots * envs.network.slot_s * recipe.bandwidth_hz)
        for env in np.flatnonzero(running & ~truncated):
            window = range(starts[env], starts[env] + int(info["elapsed_slots"][env]))
            letters = [config.tdd_pattern[slot % len(config.tdd_pattern)] for slot in window]
            taken = 2 + config.dmrs_additional  # by PDCCH and DM-RS
            symbols = sum(_SYMBOLS[letter] - taken for letter in letters if letter != "U")
            occasions = sum(slot % config.csi_rs_period_slots == 0 for slot in window)
            counted = {
                "delivered": rate[env] * symbols * 12 * recipe.carrier_blocks,
                "pilot_cost": rate[env] * occasions * ports * math.ceil(recipe.csi_blocks * config.pilot_density),
            }
            for name, value in counted.items():
                error = abs(float(info[name][env]) - value) / max(value, 1e-9)
                worst[name] = max(worst[name], float(error if value else info[name][env]))
        running &= ~truncated
    return worst
