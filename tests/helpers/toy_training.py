"""Trainings that take no time: tiny networks, in the toy environment if that stands in for the real ones."""

from collections.abc import Callable

import torch

from twin_envs.agents import train as training
from twin_envs.agents.learning.algorithms import configure

ROLLOUT = {"rollout_steps": 16, "batches": 2, "epochs": 2, "hidden": (8,)}
REPLAY = {"warmup_steps": 16, "batch_steps": 8, "buffer_steps": 1000, "updates": 1, "hidden": (8,)}
TINY = {
    "ppo": ROLLOUT,
    "recurrent_ppo": {**ROLLOUT, "memory": 4},
    "dqn": {**REPLAY, "target_steps": 32},
    "sac": REPLAY,
}
ACTIONS = {"ppo": "MultiDiscrete", "recurrent_ppo": "Discrete", "dqn": "Discrete", "sac": "Box"}
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


class Interrupted(Exception):
    """Somebody has stopped the training."""


def interrupt_at(limit: int) -> Callable[[int, float], None]:
    """A `progress` that stops the training as soon as it has done `limit` steps."""

    def interrupt(steps, mean_return):
        if steps >= limit:
            raise Interrupted

    return interrupt
