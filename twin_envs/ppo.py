"""Proximal policy optimisation in one file, on the native batch: `python -m twin_envs.ppo --env FeedbackInterval`.

Copy it and change it: beside twin-envs it needs torch and gymnasium alone. It trains in the twin world on relative
rewards, then decides greedily in reality. Its defaults are those of the environment's docstring, section `Training`.
The policy is a plain network, for actions that are Discrete or MultiDiscrete; `twin_envs.agents.train` has others (a
Box of actions; one network shared by the UEs or APs that an action is about).

PPO as in J. Schulman et al., "Proximal policy optimization algorithms", 2017, with the details that S. Huang et al.,
"The 37 implementation details of proximal policy optimization", 2022, count as common.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.generators import generators_kept
from twin_envs.envs.registry import specification
from twin_envs.wrappers import RelativeRewardVector


class Agent(nn.Module):
    """An actor and a critic; actions [N, K] have K numbers each, the action of a Discrete space being one."""

    def __init__(self, inputs: int, sizes: list[int], hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.actor = network([inputs, *hidden, sum(sizes)], last_scale=0.01)
        self.critic = network([inputs, *hidden, 1], last_scale=1.0)

    def forward(self, observation: torch.Tensor, action: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Action (drawn if there is none), its log-probability, the entropy, and the value."""
        choices = [Categorical(logits=logits) for logits in self.actor(observation).split(self.sizes, -1)]
        if action is None:
            action = torch.stack([choice.sample() for choice in choices], -1)
        said = sum(choice.log_prob(part) for choice, part in zip(choices, action.unbind(-1), strict=True))
        return action, said, sum(choice.entropy() for choice in choices), self.critic(observation)[..., 0]

    @torch.no_grad()
    def greedy(self, observation: np.ndarray) -> torch.Tensor:
        """The likeliest actions [N, K]."""
        logits = self.actor(torch.as_tensor(observation)).split(self.sizes, -1)
        return torch.stack([part.argmax(-1) for part in logits], -1)


def network(sizes: list[int], last_scale: float) -> nn.Sequential:
    """Layers with orthogonal weights and tanh between them."""
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        layer = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(layer.weight, last_scale if last else 2**0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer] if last else [layer, nn.Tanh()]
    return nn.Sequential(*layers)


def make(args: argparse.Namespace, num_envs: int, world: str, autoreset_mode: str) -> Any:
    """The native batch."""
    return gymnasium.make_vec(
        specification(args.env).id,
        num_envs=num_envs,
        vectorization_mode="vector_entry_point",
        world=world,
        autoreset_mode=autoreset_mode,
        **args.options,
    )


def as_actions(action: torch.Tensor, space: gymnasium.Space[Any]) -> np.ndarray:
    """Actions [N, K] of the agent as those of the batch's action space."""
    return action.numpy().reshape(space.shape)


def train(args: argparse.Namespace) -> Agent:
    """Learn in the twin."""
    envs = make(args, args.num_envs, "twin", "SameStep")
    if args.reward == "relative":
        envs = RelativeRewardVector(envs)
    space, shape = envs.single_action_space, (args.rollout_steps, args.num_envs)
    if not isinstance(space, gymnasium.spaces.Discrete | gymnasium.spaces.MultiDiscrete):
        raise ConfigurationError(f"env must have Discrete or MultiDiscrete actions, got {args.env} with {space}")
    sizes = space.nvec.tolist() if isinstance(space, gymnasium.spaces.MultiDiscrete) else [int(space.n)]
    inputs = envs.single_observation_space.shape[0]
    agent = Agent(inputs, sizes, args.hidden)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    obs = torch.zeros(*shape, inputs)
    actions = torch.zeros(*shape, len(sizes), dtype=torch.int64)
    logprobs, rewards, values, overs = (torch.zeros(shape) for _ in range(4))

    next_obs = torch.as_tensor(envs.reset(seed=args.seed)[0])
    updates = -(-args.steps // (args.rollout_steps * args.num_envs))
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - update / updates)
        for t in range(args.rollout_steps):
            obs[t] = next_obs
            with torch.no_grad():
                actions[t], logprobs[t], _, values[t] = agent(next_obs)
            seen, reward, _, truncated, infos = envs.step(as_actions(actions[t], envs.action_space))
            rewards[t], overs[t] = torch.as_tensor(reward), torch.as_tensor(truncated)
            next_obs = torch.as_tensor(seen)
            if truncated.any():  # only the time was over: what would have come after counts
                last = torch.as_tensor(np.stack(list(infos["final_obs"][truncated])))
                with torch.no_grad():
                    rewards[t, truncated] += args.discount * agent.critic(last)[:, 0]
        gains = advantages(args, agent, rewards, overs, values, next_obs)
        learn(args, agent, optimizer, *(part.flatten(0, 1) for part in (obs, actions, logprobs, gains, gains + values)))
        print(f"update {update + 1}/{updates}: mean reward {rewards.mean():+.3f}", flush=True)
    envs.close()
    return agent


@torch.no_grad()
def advantages(
    args: argparse.Namespace,
    agent: Agent,
    rewards: torch.Tensor,
    overs: torch.Tensor,
    values: torch.Tensor,
    next_obs: torch.Tensor,
) -> torch.Tensor:
    """Generalised advantage estimates [T, N] (J. Schulman et al., 2016); overs[t] says that step t ended an episode."""
    found, last, following = torch.zeros_like(rewards), 0.0, agent.critic(next_obs)[:, 0]
    for t in reversed(range(len(rewards))):
        goes_on = 1 - overs[t]
        delta = rewards[t] + args.discount * following * goes_on - values[t]
        found[t] = last = delta + args.discount * args.gae_lambda * goes_on * last
        following = values[t]
    return found


def learn(
    args: argparse.Namespace,
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    obs: torch.Tensor,
    actions: torch.Tensor,
    logprobs: torch.Tensor,
    gains: torch.Tensor,
    returns: torch.Tensor,
) -> None:
    """Some epochs on one rollout; they end early when the policy has moved far."""
    for _ in range(args.epochs):
        for batch in torch.randperm(len(obs)).chunk(args.batches):
            _, logprob, entropy, value = agent(obs[batch], actions[batch])
            change = logprob - logprobs[batch]
            if (change.exp() - 1 - change).mean() > 1.5 * args.kl_limit:
                return
            gain = (gains[batch] - gains[batch].mean()) / (gains[batch].std() + 1e-8)
            clipped = change.exp().clamp(1 - args.clip, 1 + args.clip)
            policy_loss = -torch.min(gain * change.exp(), gain * clipped).mean()
            value_loss = (value - returns[batch]).square().mean()
            loss = policy_loss - args.entropy * entropy.mean() + 0.5 * value_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()


def evaluate(args: argparse.Namespace, agent: Agent, world: str, seeds: range) -> tuple[np.ndarray, np.ndarray]:
    """Returns [bit/s/Hz] of one episode of each seed, without exploring, and how often each first choice was made."""
    envs = make(args, len(seeds), world, "NextStep")
    obs, _ = envs.reset(seed=list(seeds))
    returns, running, counts = np.zeros(len(seeds)), np.ones(len(seeds), bool), np.zeros(agent.sizes[0], int)
    while running.any():
        action = agent.greedy(obs)
        counts += np.bincount(action[running, 0].numpy(), minlength=len(counts))
        obs, rewards, _, truncated, _ = envs.step(as_actions(action, envs.action_space))
        returns += np.where(running, rewards, 0.0)
        running &= ~truncated
    envs.close()
    return returns, counts


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; what it leaves out is as the environment's `Training` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="FeedbackInterval", help="its name, or 'module:id' of one of your own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=32, help="in reality, at the end")
    parser.add_argument("--options", type=json.loads, default={}, help="of the environment, as JSON")
    args = parser.parse_known_args(arguments)[0]
    training = make(args, 1, "twin", "NextStep").unwrapped.task.training
    for field in fields(training):
        usual = getattr(training, field.name)
        if isinstance(usual, int | float | str):
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(usual), default=usual)
    parser.set_defaults(hidden=training.hidden)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train, then evaluate in reality."""
    args = parse(arguments)
    with generators_kept():  # layers, samples and shuffles draw from torch's global generator
        torch.manual_seed(args.seed)
        agent = train(args)
    returns, counts = evaluate(args, agent, "reality", range(1_000_000, 1_000_000 + args.episodes))
    print(f"in reality: {returns.mean():.3f} bit/s/Hz in {args.episodes} episodes")
    print("choices:", " ".join(f"{count / counts.sum():.0%}" for count in counts))


if __name__ == "__main__":
    main()
