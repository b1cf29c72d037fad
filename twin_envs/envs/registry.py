"""The environments: one specification each, by which Gymnasium, PettingZoo, agents, benchmarks and tests know them.

import gymnasium
import twin_envs

twin_envs.register("mine/CodewordLength-v0", task="my_package.codeword_length:CodewordLength")
env = gymnasium.make("mine/CodewordLength-v0", num_ue=6)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium

from twin_envs.base.errors import ConfigurationError, hint
from twin_envs.base.registry import import_user_module
from twin_envs.envs.core.scenario import FAMILIES

NAMESPACE = "twin_envs"
_SINGLE = "twin_envs.envs.faces.single:TaskEnv"
_BATCH = "twin_envs.envs.faces.vector:TaskVectorEnv"
_ID = re.compile(r"(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)-v(?P<version>\d+)")


@dataclass(frozen=True, kw_only=True)
class EnvironmentSpecification:
    """All that is known of an environment by its name.

    Args:
        id: Gymnasium's, `"namespace/Name-v0"`.
        task: where the `Task` is, `"module:Class"`.
        single, vector: where the faces are; by default the general ones.
        simultaneous: whether the UEs decide in turn, each once in a period: then many agents may act at once.
        contenders: where a function is that returns the policies that compete; None for fixed choices alone.
        study: where a function is that adds figures of its own to the benchmark of decisions.
        small: options that make episodes short, for tests.
    """

    id: str
    task: str
    single: str = _SINGLE
    vector: str = _BATCH
    simultaneous: bool = False
    contenders: str | None = None
    study: str | None = None
    small: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The short name: of ours without namespace and version, of others the id."""
        parts = _ID.fullmatch(self.id)
        return parts["name"] if parts and parts["namespace"] == NAMESPACE else self.id

    @property
    def keywords(self) -> dict[str, str]:
        """What the general faces are told: which task they are faces of."""
        return {"task": self.task} if self.single == _SINGLE else {}


_SPECIFICATIONS: dict[str, EnvironmentSpecification] = {}


def packaged(name: str, module: str, *, version: int = 1, **fields: Any) -> EnvironmentSpecification:
    """The specification of one of our environments, whose task and faces follow from its name.

    Args:
        name: such as `FeedbackInterval`.
        module: where `{name}`, `{name}Env` and `{name}VectorEnv` are.
        version: to be raised when its dynamics, observations or rewards change.
        fields: further ones of the specification.
    """
    return EnvironmentSpecification(
        id=f"{NAMESPACE}/{name}-v{version}",
        task=f"{module}:{name}",
        single=f"{module}:{name}Env",
        vector=f"{module}:{name}VectorEnv",
        **fields,
    )


def register(
    id: str,
    task: str,
    *,
    simultaneous: bool = False,
    contenders: str | None = None,
    study: str | None = None,
    small: Mapping[str, Any] | None = None,
) -> None:
    """Register an environment of one's own with twin-envs, Gymnasium and, where it is installed, PettingZoo.

    Args:
        id: `"namespace/Name-v0"`.
        task: where its `Task` is, `"module:Class"`.
        simultaneous, contenders, study, small: see `EnvironmentSpecification`.

    Raises:
        ConfigurationError: the id has another form, or is taken by another environment.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ConfigurationError(f"id must be of the form 'namespace/Name-v0', got {id!r}")
    if not isinstance(task, str) or task.count(":") != 1:
        raise ConfigurationError(f"task must be 'module:Class', such as 'my_package:MyTask', got {task!r}")
    asked = EnvironmentSpecification(
        id=id, task=task, simultaneous=simultaneous, contenders=contenders, study=study, small=small or {}
    )
    if _SPECIFICATIONS.get(id) == asked:  # a script that is run, and then imported by its name
        return
    if id in _SPECIFICATIONS or id in gymnasium.registry:
        raise ConfigurationError(f"id {id!r} is registered already; give yours another name or version")
    _add(asked)


def unregister(id: str) -> None:
    """Take back what `register` did. Raises `ConfigurationError` if there is no such environment."""
    id = specification(id).id
    del _SPECIFICATIONS[id]
    gymnasium.registry.pop(id, None)
    for _, registry in _pettingzoo_registries():
        registry.pop(id, None)


def specification(env: str) -> EnvironmentSpecification:
    """The specification of an environment by its id, or of ours by its short name.

    As in Gymnasium, `"module:id"` imports the module first, which may register the environment.

    Raises:
        ConfigurationError: there is none; the message names the nearest.
    """
    if isinstance(env, str) and ":" in env:
        module, _, env = env.partition(":")
        import_user_module("env", module)
    short = {known.name: known for known in _SPECIFICATIONS.values()}
    found = _SPECIFICATIONS.get(env) or short.get(env)
    if found is None:
        names = environment_names()
        raise ConfigurationError(f"env must be one of {', '.join(map(repr, names))}, got {env!r}{hint(env, names)}")
    return found


def specifications() -> list[EnvironmentSpecification]:
    """All of them, ours first."""
    return list(_SPECIFICATIONS.values())


def environment_names() -> list[str]:
    """Short names of ours, and ids of the user's own."""
    return [known.name for known in _SPECIFICATIONS.values()]


def register_packaged() -> None:
    """Register the environments of twin-envs, once."""
    from importlib import import_module

    for family in FAMILIES:
        for spec in import_module(f"twin_envs.envs.{family}.specifications").SPECIFICATIONS:
            if spec.id not in _SPECIFICATIONS or spec.id not in gymnasium.registry:
                _add(spec)


def _add(spec: EnvironmentSpecification) -> None:
    _SPECIFICATIONS[spec.id] = spec
    if spec.id not in gymnasium.registry:
        gymnasium.register(spec.id, entry_point=spec.single, vector_entry_point=spec.vector, kwargs=dict(spec.keywords))
    for kind, registry in _pettingzoo_registries():
        if spec.id not in registry:
            from pettingzoo import register as register_with_pettingzoo

            entry_point = f"twin_envs.envs.faces.multi_agent:{kind}_env"
            register_with_pettingzoo(kind, spec.id, entry_point=entry_point, kwargs={"name": spec.id})


def _pettingzoo_registries() -> list[tuple[str, dict[str, Any]]]:
    try:
        from pettingzoo import aec_registry, parallel_registry
    except ImportError:  # not installed, or from before it had a registry
        return []
    return [("aec", aec_registry), ("parallel", parallel_registry)]
