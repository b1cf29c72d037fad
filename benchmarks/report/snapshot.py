"""What the network sees in the middle of an episode: the environment's own picture of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin_envs.agents.core.contenders import Contenders, contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array, Policy, attach


def picture(env: str, result: dict[str, Any]) -> tuple[str, Array]:
    """A policy's name, and the picture, uint8 [H, W, 3], in the middle of the first evaluation episode under it.

    Args:
        env: name of the environment.
        result: what `benchmarks.decisions` found there. The policy is the best of those that know the twin, if any.
    """
    name = result["roles"]["best_twin"] or "best-fixed"
    envs = make_envs(env, 1, render_mode="rgb_array", **result["options"])
    policy = policy_named(contenders(env, envs), name, result["chosen"])
    attach(policy, envs)
    observation, _ = envs.reset(seed=[result["evaluation_seeds"][0]])
    state, start = None, np.ones(1, bool)
    while int(envs.network.state.now_slots[0]) < envs.network.config.episode_slots // 2:
        action, state = policy.predict(observation, state, start)
        observation, *_ = envs.step(action)
        start = np.zeros(1, bool)
    (frame,) = envs.render()
    envs.close()
    return name, np.asarray(frame)


def policy_named(candidates: Contenders, name: str, chosen: dict[str, dict[str, Any]]) -> Policy:
    """The policy of that name, with the constant that was chosen for it.

    Args:
        candidates: among whom it is.
        name: `best-fixed`, or that of a rule or of a policy that is ready.
        chosen: `{name: {"choice": constant}}`, as `benchmarks.decisions` tells it.
    """
    if name == "best-fixed":
        return candidates.fixed[chosen[name]["choice"]]
    return candidates.tuned[name][chosen[name]["choice"]] if name in candidates.tuned else candidates.ready[name]
