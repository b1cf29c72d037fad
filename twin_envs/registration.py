"""The environments' ids."""

from __future__ import annotations

import gymnasium

_MODULES = {
    "FeedbackInterval": "csi_cell.feedback_interval",
    "PilotDensity": "csi_cell.pilot_density",
    "CsiProtocol": "csi_cell.csi_protocol",
    "CsiProtocolFlat": "csi_cell.csi_protocol",
    "ReportScheduling": "csi_cell.report_scheduling",
    "ApAssociation": "association.ap_association",
    "ApSelection": "association.ap_selection",
    "BeamSelection": "beams.beam_selection",
    "TwinFidelity": "beams.twin_fidelity",
}
ENVIRONMENTS = tuple(_MODULES)
"""Names of the environments; the id of each is `twin_envs/{name}-v0`."""
SIMULTANEOUS = ("ApAssociation", "ApSelection", "BeamSelection", "TwinFidelity")
"""Those in which the UEs decide in turn, each once in a period: many agents may act at once in them."""


def register_all() -> None:
    """Register every environment with Gymnasium and, where it is installed, with PettingZoo, once."""
    for name, module in _MODULES.items():
        env_id = f"twin_envs/{name}-v0"
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=f"twin_envs.envs.{module}:{name}Env",
                vector_entry_point=f"twin_envs.envs.{module}:{name}VectorEnv",
            )
    _register_for_many_agents()


def _register_for_many_agents() -> None:
    try:
        from pettingzoo import aec_registry, parallel_registry, register
    except ImportError:  # not installed, or from before it had a registry
        return
    for kind, names, registry in (("aec", ENVIRONMENTS, aec_registry), ("parallel", SIMULTANEOUS, parallel_registry)):
        for name in names:
            if f"twin_envs/{name}-v0" not in registry:
                entry_point = f"twin_envs.envs.faces.multi_agent:{kind}_env"
                register(kind, f"twin_envs/{name}-v0", entry_point=entry_point, kwargs={"name": name})
