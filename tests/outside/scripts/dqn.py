"""Deep Q-learning in one file, in the manner of research scripts: it knows nothing but an environment's id."""

import argparse
import copy

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.nn import functional


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--total-timesteps", type=int, default=10_000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--buffer-size", type=int, default=10_000)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-starts", type=int, default=64)
    parser.add_argument("--target-every", type=int, default=100)
    parser.add_argument("--final-epsilon", type=float, default=0.05)
    return parser.parse_args()


def make_env(env_id, seed):
    def thunk():
        env = gym.wrappers.RecordEpisodeStatistics(gym.make(env_id))
        env.action_space.seed(seed)
        return env

    return thunk


def main(args):
    rng = np.random.default_rng(args.seed)
    torch.manual_seed(args.seed)
    envs = gym.vector.SyncVectorEnv(
        [make_env(args.env_id, args.seed)], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    inputs, choices = np.prod(envs.single_observation_space.shape), envs.single_action_space.n
    q_network = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, choices))
    target_network = copy.deepcopy(q_network)
    optimizer = torch.optim.Adam(q_network.parameters(), lr=args.learning_rate)
    buffer = []

    obs, _ = envs.reset(seed=args.seed)
    for global_step in range(args.total_timesteps):
        epsilon = max(args.final_epsilon, 1 - 2 * global_step / args.total_timesteps)
        if rng.random() < epsilon:
            actions = envs.action_space.sample()
        else:
            actions = q_network(torch.as_tensor(obs)).argmax(1).numpy()
        next_obs, rewards, terminated, truncated, infos = envs.step(actions)
        if "final_info" in infos:
            print(f"global_step={global_step} episodic_return={infos['final_info']['episode']['r'][0]:.6f}")
        last_obs = infos["final_obs"][0] if truncated[0] else next_obs[0]
        buffer.append((obs[0], last_obs, actions[0], rewards[0], terminated[0]))
        del buffer[: -args.buffer_size]
        obs = next_obs
        if global_step < args.learning_starts:
            continue
        batch = [buffer[index] for index in rng.integers(len(buffer), size=args.batch_size)]
        before, after, taken, earned, ended = (torch.as_tensor(np.array(column)) for column in zip(*batch, strict=True))
        with torch.no_grad():
            value = target_network(after).max(1).values
            target = earned.float() + args.gamma * value * ~ended
        loss = functional.mse_loss(q_network(before).gather(1, taken[:, None])[:, 0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if global_step % args.target_every == 0:
            target_network.load_state_dict(q_network.state_dict())
    print(f"loss={loss.item():.6f}")
    envs.close()


if __name__ == "__main__":
    main(parse_args())
