"""The faces for many agents: every UE is one, `ue_0`, `ue_1` and so on. They need PettingZoo.

    env = pettingzoo.make("aec", "twin_envs/FeedbackInterval-v1", num_ue=6, reward="own")

Agents, observations, actions and the physics are those of the single environment; equal actions earn equal rewards.
An agent's `info` tells of its own last decision. An episode's end truncates all agents at once.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import load_env_creator

from twin_envs.base.errors import ConfigurationError, DependencyMissing, check_choice
from twin_envs.base.settings import computing
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.envs.faces.actions import checked_action
from twin_envs.envs.faces.single import Array, TaskEnv
from twin_envs.envs.registry import specification, specifications

try:
    from pettingzoo import AECEnv, ParallelEnv
except ImportError as error:
    raise DependencyMissing(
        "environments for many agents need PettingZoo; in the checkout of twin-envs: pip install '.[multi]'"
    ) from error

REWARDS = ("team", "own")
"""`team`: every agent earns what the single environment earns. `own`: each earns what its UE added, and pays for the
resources that it took; together they earn what the single environment earns."""


class _EveryUe:
    """What the faces share.

    Args:
        env: the single environment; it is used up.
        reward: one of `REWARDS`.

    Raises:
        ConfigurationError: there is no such reward.
    """

    def __init__(self, env: TaskEnv, reward: str = "team") -> None:
        check_choice("reward", reward, REWARDS)
        self.env, self.reward, self.render_mode = env, reward, env.render_mode
        self.metadata: dict[str, Any] = {**env.metadata, "name": type(env.task).__name__}
        self.possible_agents = [f"ue_{ue}" for ue in range(env.core.config.num_ue)]
        self.agents: list[str] = []
        self._begun = False
        self.action_spaces = {agent: deepcopy(env.action_space) for agent in self.possible_agents}
        self.observation_spaces = {agent: deepcopy(env.observation_space) for agent in self.possible_agents}
        seen, ues = env.observation_layout.space, len(self.possible_agents)
        self.state_space = gymnasium.spaces.Box(np.tile(seen.low, ues), np.tile(seen.high, ues), dtype=np.float32)

    @property
    def observation_layout(self) -> ObservationLayout:
        """Name, unit, range, slice and meaning of every number of an observation."""
        return self.env.observation_layout

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """What the agent may do, the same object at every call."""
        return self.action_spaces[agent]

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """What the agent sees, the same object at every call."""
        return self.observation_spaces[agent]

    def state(self) -> Array:
        """What the network sees of all UEs, for a critic that judges all agents at once.

        The observations of all agents now, one after the other, float32 [U D]; nothing of what no agent may know.
        """
        return self.env.observe(*range(len(self.possible_agents))).reshape(-1)

    def render(self) -> Any:
        """A picture, as the single environment makes it."""
        return self.env.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self.env.close()

    def _begin(self, seed: int | None) -> None:
        self.env.reset(seed=seed)
        self.agents, self._begun = list(self.possible_agents), True

    def _reset_infos(self) -> dict[str, dict[str, Any]]:
        """What each agent is told who has not decided yet."""
        return {agent: self.env.reset_info() for agent in self.possible_agents}

    def _turn(self) -> str:
        return self.possible_agents[self.env.turn]

    @computing(1)
    def _earned(self, by_ue: torch.Tensor) -> dict[str, float]:
        """Rewards of all agents, from what each UE added [1, U]."""
        earned = by_ue if self.reward == "own" else by_ue.sum(-1, keepdim=True).expand_as(by_ue)
        return dict(zip(self.possible_agents, earned[0].tolist(), strict=True))


class TaskAECEnv(_EveryUe, AECEnv[str, Array, Any]):
    """The agents act one at a time: a step is the decision of the UE whose turn it is, such as who just reported."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin a new episode; `options` are ignored."""
        self._begin(seed)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = self._reset_infos()
        self.agent_selection = self._turn()

    def observe(self, agent: str) -> Array:
        """What the agent sees now."""
        return self.env.observe(self.possible_agents.index(agent))[0]

    def step(self, action: Any) -> None:
        """The decision of `agent_selection`; once the episode is over, None for each agent."""
        if not self.agents:
            raise gymnasium.error.ResetNeeded("call reset before step")
        agent = self.agent_selection
        if self.truncations[agent]:
            return self._was_dead_step(action)
        step, self.infos[agent] = self.env.decide(action)
        self._cumulative_rewards[agent] = 0.0
        self.rewards = self._earned(step.by_ue)
        self._accumulate_rewards()
        self.truncations = dict.fromkeys(self.agents, bool(step.truncated))
        self.agent_selection = self._turn()


class TaskParallelEnv(_EveryUe, ParallelEnv[str, Array, Any]):
    """All agents act at once: a step is one turn of each UE.

    Their turns follow one another within the step, so a UE acts on an observation from the step's beginning.
    """

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
        """Begin a new episode; `options` are ignored."""
        self._begin(seed)
        return self._observe(), self._reset_infos()

    @computing(1)
    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Array], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """The decisions of all agents; once the episode is over, and there are none, nothing is told of anybody."""
        if self._begun and not self.agents:
            return {}, {}, {}, {}, {}
        self._check(actions)
        agents, truncated = self.agents, False
        by_ue = torch.zeros(1, len(agents), device=self.env.core.device)
        infos: dict[str, dict[str, Any]] = {}
        for _ in agents:
            agent = self._turn()
            step, infos[agent] = self.env.decide(actions[agent])
            by_ue = by_ue + step.by_ue
            truncated = bool(step.truncated)
            if truncated:
                self.agents = []
                break
        over = dict.fromkeys(agents, truncated)
        infos = {**self._reset_infos(), **infos}  # time may be over before all have decided
        return self._observe(), self._earned(by_ue), dict.fromkeys(agents, False), over, infos

    def _observe(self) -> dict[str, Array]:
        return dict(zip(self.possible_agents, self.env.observe(*range(len(self.possible_agents))), strict=True))

    def _check(self, actions: dict[str, Any]) -> None:
        if not self._begun:
            raise gymnasium.error.ResetNeeded("call reset before step")
        if set(actions) != set(self.agents):
            raise gymnasium.error.InvalidAction(f"actions must be of {', '.join(self.agents)}, got {actions!r}")
        for agent, action in actions.items():
            checked_action(self.action_spaces[agent], action, f"the action of {agent}")


def aec_env(name: str, *, reward: str = "team", **options: Any) -> TaskAECEnv:
    """The environment `name` for agents that act one at a time.

    Args:
        name: its id, or its short name such as `FeedbackInterval`.
        reward: one of `REWARDS`.
        options: those of the single environment, `device` and `render_mode` among them.

    Raises:
        ConfigurationError: there is no such environment or option, or it is outside its range.
        SiteError: the site is missing or damaged.
    """
    return TaskAECEnv(_single(name, options), reward)


def parallel_env(name: str, *, reward: str = "team", **options: Any) -> TaskParallelEnv:
    """The same for agents that act at once, in environments whose UEs decide in turn.

    Raises:
        ConfigurationError: the UEs of this environment do not decide in turn; it has the face `aec`.
    """
    spec = specification(name)
    if not spec.simultaneous:
        several = ", ".join(repr(known.name) for known in specifications() if known.simultaneous)
        raise ConfigurationError(
            f"name must be one of {several}, where every agent acts once in a round, got {spec.name!r}: who acts next "
            f"in it follows from what happens, so it has the face for agents that act one at a time only: "
            f"pettingzoo.make('aec', {spec.id!r})"
        )
    return TaskParallelEnv(_single(name, options), reward)


def _single(name: str, options: dict[str, Any]) -> TaskEnv:
    spec = specification(name)
    make: Any = load_env_creator(spec.single)
    return make(**spec.keywords, **options)
