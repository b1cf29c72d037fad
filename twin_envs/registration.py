"""The environments' ids."""

from __future__ import annotations

import gymnasium

ENVIRONMENTS = ("FeedbackInterval",)


def register_all() -> None:
    """Register every environment with Gymnasium, once."""
    modules = {"FeedbackInterval": "feedback_interval"}
    for name in ENVIRONMENTS:
        env_id = f"twin_envs/{name}-v0"
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=f"twin_envs.envs.{modules[name]}:{name}Env",
                vector_entry_point=f"twin_envs.envs.{modules[name]}:{name}VectorEnv",
            )
