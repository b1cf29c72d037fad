"""What episodes say about the policies that made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from twin_envs.agents.core.policies import Array, FixedPolicy, Policy
from twin_envs.agents.core.rollout import Episodes
from twin_envs.base.statistics import interval, paired_difference

SEEN = ("speed", "known", "twin_los_probability")
"""Fields of the observation that are kept of every step, where there are such."""
LINK = ("bler", "outage", "elapsed_slots")
"""What `info` says of the link in each window, and how long the window was, where it does."""
_MOST_ACTIONS = 64
"""Shares of more actions than this are not told."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Who is who among the policies that are compared.

    Attributes:
        rivals: all but random and fixed choices, in the order in which they are told.
        reference: the rule that practitioners would use.
        twins: policies that know the twin.
        best_twin: the one of them that did best on training seeds; None if there are none.
        trained: policies that were trained.
    """

    rivals: tuple[str, ...]
    reference: str
    twins: tuple[str, ...]
    best_twin: str | None
    trained: tuple[str, ...]

    @property
    def drawn(self) -> tuple[str, ...]:
        """Policies whose decisions a report draws."""
        twin = (self.best_twin,) if self.best_twin else ()
        drawn = (self.reference, *twin, *self.trained, "oracle")
        return tuple(name for name in dict.fromkeys(drawn) if name in ("best-fixed", *self.rivals))

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        """Pairs of policies that are compared episode by episode, the first expected to be the better one."""
        pairs = [("best-fixed", "random"), *((name, "best-fixed") for name in self.rivals)]
        pairs += [(name, self.reference) for name in (*self.twins, *self.trained)]
        if self.best_twin:
            pairs += [(name, self.best_twin) for name in (*self.trained, "oracle") if name in self.rivals]
        return list(dict.fromkeys(pairs))


def scores(runs: dict[str, Episodes], roles: Roles, seed: int) -> dict[str, Any]:
    """Mean return of each policy and the paired differences that `roles` asks for, with intervals; the headroom; by how
    much the best twin policy beats each of the others; and what the link lost, where `info` tells that.

    Every interval is drawn with the same `seed`, so that policies that earn the same have the same interval.
    """

    def difference(a: str, b: str) -> dict[str, float]:
        return paired_difference(runs[a].returns, runs[b].returns, np.random.default_rng(seed))

    rivals = [name for name in runs if name not in (*roles.twins, "oracle")] if roles.best_twin else []
    return {
        "policies": {name: interval(run.returns, np.random.default_rng(seed)) for name, run in runs.items()},
        "paired": {f"{a} - {b}": difference(a, b) for a, b in roles.comparisons},
        "headroom": headroom(runs["best-fixed"], runs["oracle"]) if "oracle" in runs else None,
        "twin_margins": {name: difference(str(roles.best_twin), name) for name in rivals},
        "link": {name: link(run) for name, run in runs.items() if set(LINK) <= set(run.steps)},
    }


def link(run: Episodes) -> dict[str, float]:
    """Mean over time of `bler`, the share of transport blocks that were lost when they were sent first, UEs in outage
    left out, and of `outage`, the share of UEs that met the BLER target with no MCS.
    """
    bler, outage, elapsed = (run.steps[name] for name in LINK)
    return {"bler": float(np.average(bler, weights=elapsed)), "outage": float(np.average(outage, weights=elapsed))}


def headroom(best_fixed: Episodes, oracle: Episodes) -> float:
    """By which share the oracle beats the best fixed choice."""
    return float(oracle.returns.mean() / best_fixed.returns.mean() - 1.0)


def action_shares(run: Episodes, space: gymnasium.Space[Any]) -> list[list[float]]:
    """How often each action was chosen: a list of shares for each component of the action.

    Empty for actions that cannot be counted; a component of more than 64 actions is left out.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        sizes = [int(space.n)]
    elif isinstance(space, gymnasium.spaces.MultiDiscrete):
        sizes = [int(size) for size in space.nvec]
    else:
        return []
    columns = run.steps["action"].reshape(-1, len(sizes)).T
    return [
        (np.bincount(column, minlength=size) / len(column)).tolist()
        for column, size in zip(columns, sizes, strict=True)
        if size <= _MOST_ACTIONS
    ]


def action_names(fixed: Mapping[str, Policy], space: gymnasium.Space[Any]) -> list[str]:
    """Names of the actions of a Discrete space after the fixed choices, without `fixed-`; else none."""
    if not isinstance(space, gymnasium.spaces.Discrete) or space.n > _MOST_ACTIONS:
        return []
    names = {policy.action: name for name, policy in fixed.items() if isinstance(policy, FixedPolicy)}
    return [names.get(action, str(action)).removeprefix("fixed-") for action in range(int(space.n))]


def trace(runs: dict[str, Episodes], roles: Roles) -> dict[str, Array]:
    """Arrays for drawing, `{policy}/{field}`: every decision of the policies that `roles` has drawn."""
    return {
        f"{name}/{field}": runs[name].steps[field]
        for name in roles.drawn
        for field in ("action", *SEEN)
        if field in runs[name].steps
    }
