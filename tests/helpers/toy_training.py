"""Trainings that take no time: tiny networks, in the toy environment if that stands in for the real ones."""

from collections.abc import Callable

import numpy as np
import torch
from gymnasium import spaces

from twin_envs.agents import train as training
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import ViewPolicy
from twin_envs.agents.learning.algorithms import configure

ROLLOUT = {"rollout_steps": 16, "batches": 2, "epochs": 2, "hidden": (8,)}
REPLAY = {"warmup_steps": 16, "batch_steps": 8, "buffer_steps": 1000, "updates": 1, "hidden": (8,)}
TINY = {
    "ppo": ROLLOUT,
    "recurrent_ppo": {**ROLLOUT, "memory": 4},
    "dqn": {**REPLAY, "target_steps": 32},
    "sac": REPLAY,
    "dagger": {
        "teacher": "toy_training:Best",
        "rollout_steps": 16,
        "updates": 4,
        "batch_steps": 16,
        "hidden": (8,),
    },
}
ACTIONS = {"ppo": "MultiDiscrete", "recurrent_ppo": "Discrete", "dqn": "Discrete", "sac": "Box", "dagger": "Box"}
"""An action space of the toy for each algorithm."""


def train(algorithm, steps=128, seed=0, actions=None, num_envs=4, **arguments):
    """The policy and its card, from a training with the tiny settings of an algorithm."""
    return training.train(
        "FeedbackInterval",  # a toy in its place
        world="twin",
        steps=steps,
        seed=seed,
        num_envs=num_envs,
        options={"actions": actions or ACTIONS[algorithm]},
        configuration=configure(algorithm, TINY[algorithm]),
        **arguments,
    )


def weights(policy):
    """All weights of a policy's network [N]."""
    return torch.cat([tensor.flatten() for tensor in policy.network.state_dict().values()])


class Best(ViewPolicy):
    """Does what earns most in the toy, as far as the observation tells."""

    def attach(self, network):
        self.space = network.action_space

    def act(self, observation):
        """The item that is worth most, or what comes nearest to the number that is wanted."""
        if isinstance(self.space, spaces.Discrete) and observation.shape[1] == self.space.n:
            return observation.argmax(-1)
        wanted = observation[:, :1]
        if isinstance(self.space, spaces.Box):
            return (wanted * self.space.high).astype(np.float32)
        if isinstance(self.space, spaces.MultiDiscrete):
            return np.rint(wanted * (self.space.nvec - 1)).astype(np.int64)
        return np.rint(wanted[:, 0] * (self.space.n - 1)).astype(np.int64)


class Worst(Best):
    """Picks the item that is worth least."""

    def act(self, observation):
        return observation.argmin(-1)


class Torn(Best):
    """Picks the item that is worth least every other time, and says then that nothing is at stake."""

    def attach(self, network):
        super().attach(network)
        self.sure = False

    def act(self, observation):
        self.sure = not self.sure
        self.size = len(observation)
        return observation.argmax(-1) if self.sure else observation.argmin(-1)

    def stakes(self):
        """The same for all decisions of a time, or none."""
        return np.full(self.size, 2.5 if self.sure else 0.0)


class Knowing(Best, Oracle):
    """Could read the world, and does not need to."""

    def reveal(self, envs):
        """Nothing is read."""


class Interrupted(Exception):
    """Somebody has stopped the training."""


def interrupt_at(limit: int) -> Callable[[int, float], None]:
    """A `progress` that stops the training as soon as it has done `limit` steps."""

    def interrupt(steps, mean_return):
        if steps >= limit:
            raise Interrupted

    return interrupt
