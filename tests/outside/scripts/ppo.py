"""Proximal policy optimisation in one file, in the manner of research scripts: it knows nothing but ids and names."""

import argparse
import importlib
import json

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", required=True)
    parser.add_argument("--env-kwargs", type=json.loads, default={})
    parser.add_argument("--vector", action="store_true", help="the environment's own batch")
    parser.add_argument("--wrapper", help="of the batch, as module:name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--total-timesteps", type=int, default=10_000)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--num-envs", type=int, default=4)
    parser.add_argument("--num-steps", type=int, default=32)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--gae-lambda", type=float, default=0.95)
    parser.add_argument("--num-minibatches", type=int, default=4)
    parser.add_argument("--update-epochs", type=int, default=4)
    parser.add_argument("--clip-coef", type=float, default=0.2)
    parser.add_argument("--ent-coef", type=float, default=0.01)
    parser.add_argument("--vf-coef", type=float, default=0.5)
    parser.add_argument("--anneal-lr", action="store_true")
    return parser.parse_args()


class Agent(nn.Module):
    def __init__(self, envs):
        super().__init__()
        inputs = np.prod(envs.single_observation_space.shape)
        self.critic = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 1))
        self.actor = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, envs.single_action_space.n))

    def forward(self, obs, action=None):
        choice = Categorical(logits=self.actor(obs))
        action = choice.sample() if action is None else action
        return action, choice.log_prob(action), choice.entropy(), self.critic(obs)[..., 0]


def advantages(args, rewards, dones, values, next_done, next_value):
    """Generalised advantage estimates [T, N]; dones[t] says that an episode began at t."""
    found, last = torch.zeros_like(rewards), 0.0
    for t in reversed(range(args.num_steps)):
        goes_on = 1 - (dones[t + 1] if t + 1 < args.num_steps else next_done)
        following = values[t + 1] if t + 1 < args.num_steps else next_value
        delta = rewards[t] + args.gamma * following * goes_on - values[t]
        found[t] = last = delta + args.gamma * args.gae_lambda * goes_on * last
    return found


def learn(args, agent, optimizer, obs, actions, logprobs, gains, returns):
    size = len(obs)
    for _ in range(args.update_epochs):
        for batch in torch.randperm(size).chunk(args.num_minibatches):
            _, logprob, entropy, value = agent(obs[batch], actions[batch])
            ratio = (logprob - logprobs[batch]).exp()
            gain = (gains[batch] - gains[batch].mean()) / (gains[batch].std() + 1e-8)
            clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
            policy_loss = -torch.min(gain * ratio, gain * clipped).mean()
            value_loss = 0.5 * (value - returns[batch]).square().mean()
            loss = policy_loss - args.ent_coef * entropy.mean() + args.vf_coef * value_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
    return loss.item()


def make_envs(args):
    same_step = gym.vector.AutoresetMode.SAME_STEP
    if args.vector:
        envs = gym.make_vec(args.env_id, args.num_envs, autoreset_mode=same_step, **args.env_kwargs)
    else:
        envs = gym.vector.SyncVectorEnv(
            [
                lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(args.env_id, **args.env_kwargs))
                for _ in range(args.num_envs)
            ],
            autoreset_mode=same_step,
        )
    if args.wrapper:
        module, name = args.wrapper.split(":")
        envs = getattr(importlib.import_module(module), name)(envs)
    return envs


def main(args):
    torch.manual_seed(args.seed)
    envs = make_envs(args)
    agent = Agent(envs)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    shape = (args.num_steps, args.num_envs)
    obs = torch.zeros(*shape, *envs.single_observation_space.shape)
    actions = torch.zeros(shape, dtype=torch.int64)
    logprobs, rewards, dones, values = (torch.zeros(shape) for _ in range(4))

    next_obs, next_done = torch.as_tensor(envs.reset(seed=args.seed)[0]), torch.zeros(args.num_envs)
    iterations = args.total_timesteps // (args.num_envs * args.num_steps)
    for iteration in range(iterations):
        if args.anneal_lr:
            optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - iteration / iterations)
        for t in range(args.num_steps):
            obs[t], dones[t] = next_obs, next_done
            with torch.no_grad():
                actions[t], logprobs[t], _, values[t] = agent(next_obs)
            seen, reward, terminated, truncated, infos = envs.step(actions[t].numpy())
            rewards[t] = torch.as_tensor(reward)
            next_obs, next_done = torch.as_tensor(seen), torch.as_tensor(terminated | truncated).float()
            for index in np.flatnonzero(infos.get("final_info", {}).get("_episode", [])):
                episodic_return = infos["final_info"]["episode"]["r"][index]
                global_step = (iteration * args.num_steps + t) * args.num_envs + index
                print(f"global_step={global_step} episodic_return={episodic_return:.6f}")
        with torch.no_grad():
            gains = advantages(args, rewards, dones, values, next_done, agent(next_obs)[3])
        returns = gains + values
        flat = (part.flatten(0, 1) for part in (obs, actions, logprobs, gains, returns))
        loss = learn(args, agent, optimizer, *flat)
    print(f"loss={loss:.6f}")
    envs.close()
    return agent


if __name__ == "__main__":
    main(parse_args())
