"""The policies that compete in an environment, few of each kind: for what is said of all of them."""

from typing import Any

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.policies import RandomPolicy


def competitors(env: str) -> dict[str, Any]:
    """The policies of an environment by name: one fixed choice, of each rule one candidate, and those without any."""
    about = contenders(env)
    fixed = dict(list(about.fixed.items())[-1:])
    tuned = {name: list(candidates.values())[len(candidates) // 2] for name, candidates in about.tuned.items()}
    return {"random": RandomPolicy(0), **fixed, **tuned, **about.ready}
