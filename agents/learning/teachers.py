"""Whom a learner imitates."""

from __future__ import annotations

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.evaluation import as_policy
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.registry import policies
from twin_envs.base.errors import ConfigurationError, check_choice
from twin_envs.envs.faces.vector import TaskVectorEnv


def find_teacher(name: str, env: str, envs: TaskVectorEnv) -> tuple[str, Policy]:
    """The policy to imitate in `envs`, and its whole name.

    In a twin world an `Oracle` reads that world, not reality, so it may teach.

    Args:
        name: of a contender of the environment; of one with a constant to choose `"NAME: CONSTANT"`, or `"NAME"` for
            the middle one of its constants. Or what `twin_envs.policies` knows, `"module:object"` among it. An empty
            text is the last of the contenders that know the twin, the planner.
        env: name of the environment.
        envs: a batch of it.

    Raises:
        ConfigurationError: there is no such policy.
    """
    known = contenders(env, envs)
    if not name and not known.twins:
        raise ConfigurationError(f"teacher must be given, for no policy of {env} knows the twin")
    name = name or known.twins[-1]
    rule, _, constant = (part.strip() for part in name.partition(":"))
    if rule in known.tuned:
        candidates = {str(key): policy for key, policy in known.tuned[rule].items()}
        constant = constant or list(candidates)[len(candidates) // 2]
        check_choice(f"the constant of the teacher {rule}", constant, candidates)
        return f"{rule}: {constant}", candidates[constant]
    if name in known.ready:
        return name, known.ready[name]
    if name not in policies and ":" not in name:
        check_choice("teacher", name, [*known.tuned, *known.ready, *policies])
    return name, as_policy(name)
