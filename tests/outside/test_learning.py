"""Another's script learns on the native batch with relative rewards, in the twin, what is worth much in reality."""

import json
import runpy
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parent / "scripts" / "ppo.py"
SMALL = {"episode_slots": 500, "population": "mixed", "prediction": "hold", "device": "cpu"}
"""Cells that do not expect CSI to age, so that more depends on what the agent decides."""
RECIPE = {
    "wrapper": "twin_envs.wrappers:RelativeRewardVector",
    "num-envs": 64,
    "num-steps": 16,
    "learning-rate": 3e-3,
    "ent-coef": 0.02,
    "update-epochs": 10,
    "seed": 1,
}
EPISODES = 16


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learnt(monkeypatch, env, options, **arguments):
    """The network that the script trains in the twin; it seeds the global generator, which is put back."""
    kwargs = json.dumps({**options, "world": "twin"})
    given = ["--env-id", f"twin_envs:twin_envs/{env}-v1", "--env-kwargs", kwargs, "--vector", "--anneal-lr"]
    given += [f"--{name}={value}" for name, value in {**RECIPE, **arguments}.items()]
    monkeypatch.setattr(sys, "argv", ["ppo.py", *given])
    script = runpy.run_path(str(SCRIPT))
    with torch.random.fork_rng(devices=[]):
        return script["main"](script["parse_args"]())


def play(env, options, choose, policies=1):
    """Returns in reality of each policy on the same episodes [bit/s/Hz], and which actions were chosen."""
    envs = gymnasium.make_vec(f"twin_envs:twin_envs/{env}-v1", num_envs=policies * EPISODES, **options)
    observation, _ = envs.reset(seed=[*range(1_000_000, 1_000_000 + EPISODES)] * policies)
    returns, running, chosen = np.zeros(envs.num_envs), np.ones(envs.num_envs, bool), set()
    while running.any():
        actions = choose(observation)
        chosen |= set(actions[running].tolist())
        observation, rewards, _, truncated, _ = envs.step(actions)
        returns += np.where(running, rewards, 0.0)
        running &= ~truncated
    return returns.reshape(policies, EPISODES), chosen


def compare(monkeypatch, env, options, **arguments):
    """The greedy policy's mean return, its actions, and the returns of every fixed choice in each episode."""
    agent = learnt(monkeypatch, env, options, **arguments)
    with torch.no_grad():
        (greedy,), chosen = play(env, options, lambda seen: agent.actor(torch.as_tensor(seen)).argmax(-1).numpy())
    actions = agent.actor[-1].out_features
    fixed, _ = play(env, options, lambda seen: np.repeat(np.arange(actions), EPISODES), actions)
    return greedy.mean(), chosen, fixed


def test_a_small_ppo_leaves_the_fixed_choices_behind(monkeypatch):
    """Without frequency tracking fast UEs need DM-RS that slow ones do better without.

    Where UEs of all speeds take turns with the cell, the right choice for each is worth 3 % more than the best for all.
    """
    options = {**SMALL, "num_ue": 1, "frequency_tracking": False}
    arguments = {"gamma": 0.9, "total-timesteps": 16_384}
    greedy, chosen, fixed = compare(monkeypatch, "PilotDensity", options, **arguments)
    assert len(chosen) > 1
    best_for_all, best_for_each = fixed.mean(1).max(), fixed.max(0).mean()  # in hindsight, on these very episodes
    assert greedy > 1.02 * best_for_all
    assert greedy > (best_for_all + best_for_each) / 2


def test_a_small_ppo_does_not_let_the_time_pass(monkeypatch):
    """With the rewards as they are it chooses the longest window for ever, the worst fixed choice."""
    options = {**SMALL, "num_ue": 2}
    arguments = {"gamma": 0.95, "total-timesteps": 12_288}
    greedy, _, fixed = compare(monkeypatch, "FeedbackInterval", options, **arguments)
    fixed = fixed.mean(1)
    assert fixed.argmin() == 9
    assert fixed.min() < 0.9 * fixed.max()
    assert greedy > 0.95 * fixed.max()
