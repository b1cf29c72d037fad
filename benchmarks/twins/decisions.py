"""What a channel twin's fidelity is worth where it decides: the same policies and episodes, another twin each time.

Privileged: tells how far twins are from reality (see `READS_REALITY`). The policies know the twin alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from rich.console import Console

from twin_envs.agents.core.contenders import Contenders, contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array, Policy, attach
from twin_envs.agents.core.rollout import play
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import evaluation_seeds, training_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.twins.coverage import judge, put, queries_per_second_of
from twin_envs.benchmarks.twins.splits import Split
from twin_envs.envs.core.configuration import CommissionedConfig, EnvironmentConfig
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.reality.twin_error import measure
from twin_envs.world.store.site import Site

TRACED, WORLD = "traced", "twin"
"""The channel twin, and its world, to which all others are compared."""
_ONLY = "none"
"""The constant of a policy that has none."""
Make = Callable[[int], TaskVectorEnv]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A decision in which twins are compared.

    Args:
        env: name of the environment.
        policies: those that know the twin, by name (see `Contenders`).
        options: of the environment, the same with every twin.
        quick: more of them, if little is to be computed.
    """

    env: str
    policies: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "ApAssociation": Case(env="ApAssociation", policies=("twin-planner", "twin-fused"), quick={"episode_slots": 2000}),
    "BeamSelection": Case(env="BeamSelection", policies=("twin-planner", "twin-in-ssb")),
    "FeedbackInterval": Case(
        env="FeedbackInterval",
        policies=("twin", "twin-knowledge"),
        options={"estimator": "ls"},
        quick={"episode_slots": 1000},
    ),
}
"""By name. In `FeedbackInterval` estimates are made without the twin, so that what differs is the decision alone."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is computed.

    Args:
        quick: with the options of cases for little computing.
        episodes: evaluation episodes, the same with every twin.
        training_episodes: on which the constants of each policy are chosen, with each twin anew.
        constants: at most so many of each policy that knows the twin are tried; of rules that do not, all.
        judged: places at which the accuracy of a twin is measured.
    """

    quick: bool
    episodes: int
    training_episodes: int
    constants: int
    judged: int


def decisions(
    cases: Mapping[str, Case], names: Sequence[str], effort: Effort, seed: int, device: torch.device, console: Console
) -> dict[str, Any]:
    """What policies earn with every channel twin, and with traced worlds of less fidelity.

    Args:
        cases: decisions, by name.
        names: of channel twins, `traced` among them.
        effort: how much to compute.
        seed: chooses the seeds of episodes, and the places.
        device: where to compute.
        console: told what is being done.

    Returns:
        `episodes`, and `cases` by name: `env`, `site`, `options`, `commissioning_places`; `twins`, how good each twin
        is where it was not measured (see `coverage`) and how many queries it answers in a second, or the gap of its
        world and `coverage_mismatch` as `missed` where nothing is measured at all; `without`, what the best fixed
        choice, the best tuned rule that does not know the twin and the oracle earn [bit/s/Hz]; `returns` by policy and
        twin; `over_traced`, the paired difference to the same policy with the traced twin, and `over_rule`,
        to that rule; `chosen`, the constants; `refused`, why a twin will not do.
    """
    found = {}
    for name, case in cases.items():

        def tell(what: str, name: str = name) -> None:
            console.print(f"{name}: {what} ...")

        found[name] = _case(case, names, effort, seed, device, tell)
    return {"episodes": effort.episodes, "cases": found}


def _case(
    case: Case, names: Sequence[str], effort: Effort, seed: int, device: torch.device, tell: Callable[[str], None]
) -> dict[str, Any]:
    options = {**case.options, **(case.quick if effort.quick else {})}
    seeds = evaluation_seeds(seed, effort.episodes)
    make = _maker(case.env, device, options)
    core = make(1).core
    chosen: dict[str, Any] = {}
    without: dict[str, Array] = {}
    for role, candidates in _without(contenders(case.env, make(1))).items():
        tell(role)
        best = chosen[role] = _chosen(candidates, make, effort, seed)
        without[role] = play(candidates[best], make(len(seeds)), seeds).returns
    returns: dict[str, dict[str, Array]] = {policy: {} for policy in case.policies}
    refused: dict[str, dict[str, str]] = {policy: {} for policy in case.policies}
    twins: dict[str, Any] = {}
    for told, own in _twins(core.site, names):
        make = _maker(case.env, device, {**options, **own})
        try:
            envs = make(effort.episodes)
        except ConfigurationError as error:
            for policy in case.policies:
                refused[policy][told] = str(error)
            continue
        twins[told] = _accuracy(envs, effort.judged, seed)
        known = contenders(case.env, envs)
        for policy in case.policies:
            candidates = _thinned(known.tuned.get(policy) or {_ONLY: known.ready[policy]}, effort.constants)
            try:
                attach(next(iter(candidates.values())), envs)
            except ConfigurationError as error:
                refused[policy][told] = str(error)
                continue
            tell(f"{policy}, {told}")
            best = _chosen(candidates, make, effort, seed)
            put(chosen, (policy, told), best)
            returns[policy][told] = play(candidates[best], envs, seeds).returns
    return {
        "env": case.env,
        "site": core.site.recipe.name,
        "options": options,
        "commissioning_places": _places(core.config),
        "twins": twins,
        "without": {role: interval(earned, np.random.default_rng(seed)) for role, earned in without.items()},
        **_compared(returns, without["rule"], seed),
        "chosen": chosen,
        "refused": refused,
    }


def _compared(returns: Mapping[str, Mapping[str, Array]], rule: Array, seed: int) -> dict[str, Any]:
    """Means by policy and twin, and paired differences to the traced twin and to the rule, all with intervals."""
    found: dict[str, Any] = {}
    for policy, by_twin in returns.items():
        for told, earned in by_twin.items():
            put(found, ("returns", policy, told), interval(earned, np.random.default_rng(seed)))
            for figure, other in (("over_traced", by_twin[TRACED]), ("over_rule", rule)):
                put(found, (figure, policy, told), paired_difference(earned, other, np.random.default_rng(seed)))
    return found


def _maker(env: str, device: torch.device, options: Mapping[str, Any]) -> Make:
    """Makes a batch of so many environments, each number once: a twin that learns does so whenever one is made."""
    return cache(partial(make_envs, env, device=device, **options))


def _twins(site: Site, names: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The options of each twin and how it is told of: the channel twins, and traced worlds of less fidelity."""
    for name in names:
        yield name, {"channel_twin": name, "twin": WORLD}
    for world in site.manifest["gap"]:
        if world != WORLD:
            yield f"{TRACED}, {world}", {"channel_twin": TRACED, "twin": world}


def _without(known: Contenders) -> dict[str, Mapping[Any, Policy]]:
    """Who competes for being the best that does not know the twin, by role; the oracle has no rival."""
    return {
        "best-fixed": known.fixed,
        "rule": {
            f"{name}, {constant}": policy
            for name, by_constant in known.tuned.items()
            if name not in known.twins
            for constant, policy in by_constant.items()
        },
        "oracle": {_ONLY: known.ready["oracle"]},
    }


def _chosen(candidates: Mapping[Any, Policy], make: Make, effort: Effort, seed: int) -> Any:
    """The constant of the candidate that is best on training seeds.

    Candidates play one after the other: side by side, as `choose` has them, each would plan for the others' cells, too.
    """
    if len(candidates) == 1:
        return next(iter(candidates))
    seeds = training_seeds(seed, effort.training_episodes)
    return max(
        candidates, key=lambda constant: float(play(candidates[constant], make(len(seeds)), seeds).returns.mean())
    )


def _thinned(candidates: Mapping[Any, Policy], most: int) -> dict[Any, Policy]:
    """At most so many of the candidates, from the first to the last at even distances."""
    constants = list(candidates)
    places = np.linspace(0, len(constants) - 1, min(len(constants), most)).round().astype(int)
    return {constants[place]: candidates[constants[place]] for place in places}


def _accuracy(envs: TaskVectorEnv, judged: int, seed: int) -> dict[str, float]:
    """How good the twin is that these environments know: where nothing is measured, the gap of its traced world."""
    config, site = envs.core.config, envs.core.site
    places = _places(config)
    if not places:
        gap = site.manifest["gap"][config.twin]
        return {"mae_db": gap["gain_mae_db"], "missed": gap["coverage_mismatch"]}
    twin = envs.core.channel_twin(config.twin, places)
    kept = measure(site, config.world, judged, seed + 1)
    aps = torch.ones(len(site.geometry.ap_position_m), dtype=torch.bool, device=site.device)
    told = judge(twin, Split(learn=kept, judge=kept, aps=aps), site)
    return {**told, "queries_per_second": queries_per_second_of(twin, kept)}


def _places(config: EnvironmentConfig) -> int:
    """At how many places twins are told what was measured; none where no sounder goes round."""
    return config.commissioning_places if isinstance(config, CommissionedConfig) else 0
