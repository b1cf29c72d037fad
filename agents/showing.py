"""A page about a site, with an episode on it: who was where, who served whom, and how old the CSI was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.envs.core.snapshot import Snapshot
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import specification
from twin_envs.world.building.showing import Episode, write_page

SHOWN = ("FeedbackInterval", "BeamSelection", "ApSelection")
"""The environments among which the first is shown that suits the site."""
_FRAMES = 200


def show(name: str, path: Path, *, env: str | None = None, num_ue: int = 8, seed: int = 0) -> Path:
    """Write a page about a built site, one HTML file that needs no other and no network, and return its path.

    The page has the map, the gain of each AP in each world, the gap of each twin, the routes, and an episode under the
    middle one of the environment's fixed choices: where the network believes UEs to be, which APs serve them, and what
    the network knows of them, the age of their CSI among it.

    Args:
        name: name of a built site, or path of its folder.
        path: of the page, `.html`.
        env: name of an environment; by default the first of `FeedbackInterval`, `BeamSelection` and `ApSelection` that
            suits the site.
        num_ue: UEs in the episode.
        seed: of the episode.

    Raises:
        ConfigurationError: a number is out of range, or no such environment suits the site.
        SiteError: there is no such site, or it is damaged.
    """
    check_number("num_ue", num_ue, 1, 200, integer=True)
    check_number("seed", seed, 0, 2**31 - 1, integer=True)
    chosen, envs = _made(name, [env] if env else list(SHOWN), num_ue)
    return write_page(name, path, watch(chosen, envs, seed))


def watch(env: str, envs: TaskVectorEnv, seed: int) -> Episode:
    """The episode with a seed in the first environment of a batch, under the middle one of its fixed choices."""
    fixed = contenders(env, envs).fixed
    policy = list(fixed)[len(fixed) // 2]
    attach(fixed[policy], envs)
    observation, _ = envs.reset(seed=[seed] * envs.num_envs)
    step_s = envs.network.config.episode_slots * envs.network.slot_s / _FRAMES
    seen, state, start = [envs.task.snapshot(0)], None, np.ones(envs.num_envs, bool)
    over = False
    while not over:
        action, state = fixed[policy].predict(observation, state, start, deterministic=True)
        observation, _, _, truncated, _ = envs.step(action)
        start, over = truncated, bool(truncated[0])
        snapshot = envs.task.snapshot(0)
        if not over and snapshot.time_s == seen[-1].time_s:  # UEs that report in the same slot
            seen[-1] = snapshot
        elif not over and snapshot.time_s >= len(seen) * step_s:
            seen.append(snapshot)
    return _episode(f"{specification(env).name}, {policy}", seen)


def _made(site: str, names: list[str], num_ue: int) -> tuple[str, TaskVectorEnv]:
    """The first environment that suits the site."""
    refusal: ConfigurationError | None = None
    for name in names:
        try:
            return name, make_envs(name, 1, site=site, num_ue=num_ue)
        except ConfigurationError as error:
            refusal = refusal or error
    raise ConfigurationError(f"env must suit the site {site!r}, got {', '.join(names)}: {refusal}")


def _episode(title: str, seen: list[Snapshot]) -> Episode:
    return Episode(
        title=title,
        time_s=np.array([snapshot.time_s for snapshot in seen]),
        ue_m=np.stack([snapshot.ue_m for snapshot in seen]),
        ue_std_m=np.stack([snapshot.ue_std_m for snapshot in seen]),
        serving=tuple(tuple((link.ap, link.ue) for link in snapshot.links) for snapshot in seen),
        notes={name: np.stack([snapshot.notes[name] for snapshot in seen]) for name in seen[0].notes},
    )
