"""Returns of our contenders that come with the package, so that a policy is compared with them without playing them.

`python -m benchmarks.returns` makes the file anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_envs.agents.core.policies import Array
from twin_envs.base.errors import ConfigurationError, check_choice, hint

PATH = Path(__file__).parents[1] / "returns.json"
_UNTIL_THEN = "play them by evaluate, and give their Evaluation"


@dataclass(frozen=True, kw_only=True)
class StoredReturns:
    """Returns in one environment with its default options.

    Attributes:
        env: id of the environment.
        site: digest of the site's files.
        seeds: of the episodes.
        policies: net spectral efficiency [bit/s/Hz] of each seed's episode, by the name of the policy.
    """

    env: str
    site: str
    seeds: Sequence[int]
    policies: Mapping[str, Sequence[float]]


def read_returns(path: Path = PATH) -> dict[str, StoredReturns]:
    """What is stored, by the id of the environment."""
    return {env: StoredReturns(env=env, **told) for env, told in json.loads(path.read_text(encoding="utf-8")).items()}


def stored_returns(policy: str, *, env: str, site: str, options: Mapping[str, object], seeds: Array) -> Array:
    """Stored returns of a policy of ours [bit/s/Hz], float64 [N].

    Args:
        policy: its name among the contenders, such as `best-fixed`, `doppler` or `twin`.
        env, site, options: id of the environment, digest of its site, and options other than the default ones.
        seeds: of the episodes, int64 [N], in any order.

    Raises:
        ConfigurationError: nothing is stored of the policy in this version of the environment, on this site, with these
            options or for these seeds.
    """
    stored = read_returns()
    if not stored:
        raise ConfigurationError(f"no returns are stored in this version; {_UNTIL_THEN}")
    if env not in stored:
        raise ConfigurationError(
            f"env must be one of which returns are stored, {', '.join(stored)}, got {env!r}{hint(env, stored)}; "
            f"for others, {_UNTIL_THEN}"
        )
    found = stored[env]
    if options:
        raise ConfigurationError(
            f"returns are stored for the default options of {env}, got {dict(options)!r}; for others, {_UNTIL_THEN}"
        )
    if site != found.site:
        raise ConfigurationError(
            f"returns are stored for the site of {env} with the digest {found.site[:12]}..., and the site that is used "
            f"has {site[:12]}...; {_UNTIL_THEN}"
        )
    check_choice("policy", policy, tuple(found.policies))
    places = {seed: place for place, seed in enumerate(found.seeds)}
    missing = [int(seed) for seed in seeds if int(seed) not in places]
    if missing:
        raise ConfigurationError(
            f"seeds must be among those of which returns are stored, {found.seeds[0]} to {found.seeds[-1]} "
            f"(seeds={len(found.seeds)} or fewer), got {missing[0]}; for others, {_UNTIL_THEN}"
        )
    return np.array(found.policies[policy])[[places[int(seed)] for seed in seeds]]
