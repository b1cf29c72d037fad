"""The policies that compete in an environment, few of each kind: for what is said of all of them."""

from dataclasses import replace
from itertools import islice
from typing import Any

from twin_envs.agents.core.contenders import Contenders, contenders
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.csi_cell.oracle import HindsightOracle
from twin_envs.envs.faces.vector import TaskVectorEnv


def competitors(env: str, envs: TaskVectorEnv | None = None) -> dict[str, Any]:
    """The policies of an environment by name: one fixed choice, of each rule one candidate, and those without any.

    They are those of the batch `envs`, by default of the environment's usual options.
    """
    about = contenders(env, envs)
    fixed = dict(list(about.fixed.items())[-1:])
    tuned = {name: list(candidates.values())[len(candidates) // 2] for name, candidates in about.tuned.items()}
    if env == "CsiProtocolFlat":  # the same policies decide there as in CsiProtocol; other is how they say it
        return {"random": RandomPolicy(0), **fixed, "doppler": tuned["doppler"], "twin": tuned["twin"]}
    return {"random": RandomPolicy(0), **fixed, **tuned, **about.ready}


def few(env: str, envs: Any = None) -> Contenders:
    """The contenders of an environment, with the first and the last fixed choice and two candidates of each rule, and
    an oracle in hindsight that plays the first of its policies alone: to play many takes long.
    """
    about = contenders(env, envs)
    names = list(about.fixed)
    ready = {
        name: HindsightOracle(policy.policies[:1]) if isinstance(policy, HindsightOracle) else policy
        for name, policy in about.ready.items()
    }
    return replace(
        about,
        fixed={name: about.fixed[name] for name in (names[0], names[-1])},
        tuned={name: dict(islice(by.items(), 2)) for name, by in about.tuned.items()},
        ready=ready,
    )
