"""Another's script learns: on the native batch with relative rewards its policy leaves the fixed choices behind."""

import json
import runpy
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parent / "scripts" / "ppo.py"
ID = "twin_envs:twin_envs/PilotDensity-v0"
OPTIONS = {
    "num_ue": 1,
    "episode_slots": 1000,
    "population": "mixed",
    "frequency_tracking": False,  # so that fast UEs need more DM-RS, and slow ones fewer
    "device": "cpu",
}
RECIPE = {
    "total-timesteps": 16_384,
    "num-envs": 64,
    "num-steps": 16,
    "gamma": 0.9,
    "learning-rate": 3e-3,
    "ent-coef": 0.02,
    "update-epochs": 10,
    "seed": 1,
}
EPISODES = 32


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learnt(monkeypatch):
    """The network that the script trains in the twin; it seeds the global generator, which is put back."""
    arguments = ["--env-id", ID, "--env-kwargs", json.dumps({**OPTIONS, "world": "twin"}), "--vector", "--anneal-lr"]
    arguments += ["--wrapper", "twin_envs.wrappers:RelativeRewardVector"]
    arguments += [f"--{name}={value}" for name, value in RECIPE.items()]
    monkeypatch.setattr(sys, "argv", ["ppo.py", *arguments])
    script = runpy.run_path(str(SCRIPT))
    with torch.random.fork_rng(devices=[]):
        return script["main"](script["parse_args"]())


def play(choose, policies=1):
    """Mean return in reality of each policy on the same episodes [bit/s/Hz], and which actions were chosen."""
    envs = gymnasium.make_vec(ID, num_envs=policies * EPISODES, **OPTIONS)
    observation, _ = envs.reset(seed=[*range(1_000_000, 1_000_000 + EPISODES)] * policies)
    returns, running, chosen = np.zeros(envs.num_envs), np.ones(envs.num_envs, bool), set()
    while running.any():
        actions = choose(observation)
        chosen |= set(actions[running].tolist())
        observation, rewards, _, truncated, _ = envs.step(actions)
        returns += np.where(running, rewards, 0.0)
        running &= ~truncated
    return returns.reshape(policies, EPISODES).mean(1), chosen


def test_a_small_ppo_in_the_twin_leaves_the_fixed_choices_behind_in_reality(monkeypatch, one_thread):
    agent = learnt(monkeypatch)
    with torch.no_grad():
        (greedy,), chosen = play(lambda seen: agent.actor(torch.as_tensor(seen)).argmax(-1).numpy())
    actions = int(gymnasium.make_vec(ID, num_envs=1, **OPTIONS).single_action_space.n)
    fixed, _ = play(lambda seen: np.repeat(np.arange(actions), EPISODES), actions)
    assert len(chosen) > 1
    assert greedy > 1.03 * fixed.max()  # the best in hindsight, on these very episodes
