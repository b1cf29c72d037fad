"""The environments' ids."""

from __future__ import annotations

import gymnasium

_MODULES = {"FeedbackInterval": "feedback_interval", "BeamSelection": "beam_selection", "TwinFidelity": "twin_fidelity"}
ENVIRONMENTS = tuple(_MODULES)
"""Names of the environments; the id of each is `twin_envs/{name}-v0`."""


def register_all() -> None:
    """Register every environment with Gymnasium, once."""
    for name, module in _MODULES.items():
        env_id = f"twin_envs/{name}-v0"
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=f"twin_envs.envs.{module}:{name}Env",
                vector_entry_point=f"twin_envs.envs.{module}:{name}VectorEnv",
            )
