"""twin-envs: Gymnasium environments for CSI acquisition on ray-traced sites, with the network's digital twin."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twin_envs.envs.registry import (
    EnvironmentSpecification,
    register,
    register_packaged,
    specification,
    specifications,
    unregister,
)

__version__ = "0.1.0"

_WHERE = {
    "ConfigurationError": "twin_envs.base.errors",
    "DependencyMissing": "twin_envs.base.errors",
    "SiteError": "twin_envs.base.errors",
    "TwinEnvsError": "twin_envs.base.errors",
    "Core": "twin_envs.envs.core.core",
    "Evaluation": "twin_envs.agents.core.evaluation",
    "Field": "twin_envs.envs.core.layout",
    "NetworkState": "twin_envs.envs.core.network_view",
    "NetworkView": "twin_envs.envs.core.network_view",
    "ObservationLayout": "twin_envs.envs.core.layout",
    "Policy": "twin_envs.agents.core.policies",
    "Snapshot": "twin_envs.envs.core.snapshot",
    "Step": "twin_envs.envs.core.step",
    "Task": "twin_envs.envs.core.task",
    "TensorState": "twin_envs.base.state",
    "build_site": "twin_envs.world.building.builder:build",
    "channel_twins": "twin_envs.twin.registry",
    "check_site": "twin_envs.world.store.checking:check",
    "codecs": "twin_envs.csi.codecs.registry",
    "draft_site": "twin_envs.world.building.drafting:draft",
    "evaluate": "twin_envs.agents.core.evaluation",
    "export_site": "twin_envs.world.building.export:export",
    "list_sites": "twin_envs.world.store.checking:listing",
    "load_scenario": "twin_envs.envs.core.scenario",
    "load_site": "twin_envs.world.store.site",
    "load_trained": "twin_envs.agents.learning.shipped",
    "mobilities": "twin_envs.world.mobilities",
    "policies": "twin_envs.agents.core.registry",
    "predictors": "twin_envs.csi.prediction.registry",
    "preview_site": "twin_envs.world.building.preview:preview",
    "process_envs": "twin_envs.envs.faces.processes",
    "scenarios": "twin_envs.envs.core.scenario",
    "sensors": "twin_envs.world.sensing.registry",
    "show_site": "twin_envs.agents.showing:show",
    "sites": "twin_envs.world.store.registry",
    "tensor": "twin_envs.base.state",
    "tensor_envs": "twin_envs.envs.faces.tensors",
}
"""Where the public names are that need torch, as `module` or `module:name`; each is imported when asked for."""

__all__ = [
    "ConfigurationError",
    "Core",
    "DependencyMissing",
    "EnvironmentSpecification",
    "Evaluation",
    "Field",
    "NetworkState",
    "NetworkView",
    "ObservationLayout",
    "Policy",
    "SiteError",
    "Snapshot",
    "Step",
    "Task",
    "TensorState",
    "TwinEnvsError",
    "__version__",
    "build_site",
    "channel_twins",
    "check_site",
    "codecs",
    "draft_site",
    "evaluate",
    "export_site",
    "list_sites",
    "load_scenario",
    "load_site",
    "load_trained",
    "mobilities",
    "policies",
    "predictors",
    "preview_site",
    "process_envs",
    "register",
    "scenarios",
    "sensors",
    "show_site",
    "sites",
    "specification",
    "specifications",
    "tensor",
    "tensor_envs",
    "unregister",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_packaged()
