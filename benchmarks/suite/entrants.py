"""Who plays in a task: our contenders by name, and policies of somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin_envs.agents.core.contenders import Contenders, contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.evaluation import as_policy
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import Policy, RandomPolicy
from twin_envs.agents.core.registry import policies
from twin_envs.agents.learning.saving import PolicyCard, load_policy
from twin_envs.agents.learning.shipped import NAME, load_trained
from twin_envs.base.errors import ConfigurationError, check_choice
from twin_envs.benchmarks.suite.guard import blaming
from twin_envs.benchmarks.suite.protocol import Task, configuration, site_digest, unbuilt_sites
from twin_envs.envs.registry import specification

RANDOM, FIXED = "random", "best-fixed"
KINDS = ("random", "fixed", "rule", "twin", "learned", "own", "oracle")
"""What policies may be. `rule`: knows neither twin nor reality; `learned`: ours that was trained in the twin and ships;
`own`: somebody else's, whatever it knows; `oracle`: reads reality."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A policy that plays.

    Attributes:
        kind: one of `KINDS`.
        candidates: the same policy with each of its constants; one without a constant has one candidate.
    """

    kind: str
    candidates: Mapping[Any, Policy]

    @property
    def chosen_in_training(self) -> bool:
        """Whether it plays training episodes, too: all of ours do but random, what was trained, and oracles."""
        return self.kind in ("fixed", "rule", "twin")


def names_of_ours(task: Task, held_out: Sequence[str]) -> list[str]:
    """Names of our contenders in a task, and of random and the best fixed choice.

    The trained policy that ships is among them where it fits, unless its site is `held_out`.
    """
    found = contenders(task.env, make_envs(task.env, 1, **task.options))
    barred = NAME in found.ready and _is_held_out(load_trained(task.env)[1], held_out)
    return [RANDOM, FIXED, *found.tuned, *(name for name in found.ready if name != NAME or not barred)]


def reference(env: str) -> str:
    """Name of the rule that practitioners would use in an environment."""
    return contenders(env).reference


def entrant(name: str, env: str, ours: Contenders, seed: int) -> Entrant:
    """The policy called `name` in an environment.

    Args:
        name: of one of ours; a folder that `twin-envs train` wrote; a name in `twin_envs.policies`, or
            `"module:object"`.
        env: name of the environment.
        ours: contenders of the task.
        seed: of the random policy.

    Raises:
        PolicyFailed: somebody else's policy cannot be made.
    """
    if name == RANDOM:
        return Entrant(kind="random", candidates={None: RandomPolicy(seed)})
    if name == FIXED:
        return Entrant(kind="fixed", candidates=ours.fixed)
    if name in ours.tuned:
        return Entrant(kind="twin" if name in ours.twins else "rule", candidates=ours.tuned[name])
    if name in ours.ready:
        policy, kind = ours.ready[name], "twin" if name in ours.twins else "learned" if name == NAME else "rule"
    else:
        with blaming("making it"):
            policy, kind = load_policy(Path(name))[0] if Path(name).is_dir() else as_policy(name), "own"
    return Entrant(kind="oracle" if isinstance(policy, Oracle) else kind, candidates={None: policy})


def entries(tasks: Sequence[Task], asked: Sequence[str], held_out: Sequence[str]) -> list[tuple[Task, str]]:
    """Who plays which task: those that are `asked` for, or all of ours; none that was trained at a site `held_out`.

    One of ours plays where it competes, a trained one in the environment that it was trained for, others everywhere.
    The trained ones that ship are ours.

    Raises:
        ConfigurationError: nobody is called so, with the nearest name; or one was trained at a site that is held out.
    """
    ours = {task.name: names_of_ours(task, held_out) for task in tasks}
    known = list(dict.fromkeys(name for names in ours.values() for name in names))
    found = []
    for name in asked:
        trained_for = _trained_for(name, tasks, held_out)
        if name not in known and trained_for is None:
            _check_own(name, known)
        for task in tasks:
            env = specification(task.env).id
            if name in ours[task.name] if name in known else trained_for in (None, env):
                found.append((task, name))
    return found if asked else [(task, name) for task in tasks for name in ours[task.name]]


def _check_own(name: str, known: Sequence[str]) -> None:
    """Raise `ConfigurationError` unless `name` is in `twin_envs.policies` or a `"module:object"` that is there."""
    if ":" in name or name in policies:
        policies.get(name)
    else:
        check_choice("policy (or 'module:object', or the folder of a trained one)", name, [*known, *policies])


def _trained_for(name: str, tasks: Sequence[Task], held_out: Sequence[str]) -> str | None:
    """Id of the environment that the policy in folder `name` was trained for; None if it is no folder."""
    if not Path(name).is_dir():
        return None
    _, card = load_policy(Path(name))
    env = specification(card.env).id
    check_choice(f"env of the policy in {name}", env, dict.fromkeys(specification(task.env).id for task in tasks))
    if _is_held_out(card, held_out):
        site = configuration(env, card.options).site
        raise ConfigurationError(f"the policy in {name} was trained at {site!r}, which the protocol holds out")
    return env


def _is_held_out(card: PolicyCard, held_out: Sequence[str]) -> bool:
    """Whether a policy was trained at a site that is held out, by whatever name."""
    site = configuration(card.env, card.options).site
    unbuilt = unbuilt_sites((site, *held_out))
    built = [other for other in held_out if other not in unbuilt]
    return site in held_out or (site not in unbuilt and site_digest(site) in {site_digest(other) for other in built})
