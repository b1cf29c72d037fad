"""Models of Stable-Baselines3 among the policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy

from twin_envs.agents.core.policies import Array, State
from twin_envs.agents.learning.shared import SharedPolicy
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.wrappers.learner_space import from_learner


class SB3Policy:
    """A policy of Stable-Baselines3 as a `Policy`.

    Args:
        network: the policy; `model.policy` of an algorithm that learnt in an `SB3VecEnv`.
        fields: names of the numbers of the observations that it was made for, in their order.
        action_space: of the environments that it was made for.
    """

    def __init__(self, network: BasePolicy, fields: Sequence[str], action_space: spaces.Space[Any]) -> None:
        self.network, self.fields, self.action_space = network, list(fields), action_space

    def attach(self, network: NetworkView) -> None:
        """Decide in these environments.

        Raises:
            ConfigurationError: the policy was made for other observations or actions.
        """
        fields = network.layout.names
        if self.fields != fields:
            pairs = enumerate(zip(fields, self.fields, strict=False))  # there may be more of the one or the other
            odd = [f"{place} is {now}, was {was}" for place, (now, was) in pairs if now != was]
            raise ConfigurationError(
                f"observations must have the {len(self.fields)} numbers that the policy was trained with, got "
                f"{len(fields)} ({odd[0] if odd else 'the others are the same'}); use the options of its training, or "
                "train it anew"
            )
        if self.action_space != network.action_space:
            raise ConfigurationError(
                f"action space must be {network.action_space}, as in these environments, got a policy for "
                f"{self.action_space}"
            )

    def predict(
        self,
        observation: Array,
        state: State = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, State]:
        """What the network does, scaled from a learner's action space to the environments'."""
        if deterministic and type(self.network) in (ActorCriticPolicy, SharedPolicy):
            actions = self._likeliest(observation)
        else:
            actions, state = self.network.predict(observation, state, episode_start, deterministic)
        return from_learner(actions, self.action_space), state

    @torch.inference_mode()
    def _likeliest(self, observation: Array) -> Array:
        """What `network.predict` gives [N, ...], without what it spends on distributions and checks."""
        network = cast(ActorCriticPolicy, self.network)
        numbers = torch.from_numpy(np.asarray(observation, np.float32)).to(network.device)
        scores = network.action_net(network.mlp_extractor.forward_actor(numbers))
        if isinstance(self.action_space, spaces.Discrete):
            actions = scores.argmax(-1)
        elif isinstance(self.action_space, spaces.MultiDiscrete):
            parts = scores.split(self.action_space.nvec.tolist(), -1)
            actions = torch.stack([part.argmax(-1) for part in parts], -1)
        else:
            actions = scores.clamp(-1.0, 1.0)
        return cast(Array, actions.cpu().numpy())
