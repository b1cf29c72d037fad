"""Stable-Baselines3: its checker, and many agents through SuperSuit."""

import gymnasium
import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env

from twin_envs.envs.faces.multi_agent import parallel_env


def test_the_checker_finds_nothing(env_id, options):
    check_env(gymnasium.make(env_id, **options).unwrapped, warn=True)


def test_supersuit_lets_one_network_learn_for_every_agent(simultaneous_id, options):
    supersuit = pytest.importorskip("supersuit")
    name = simultaneous_id.removeprefix("twin_envs/").removesuffix("-v1")
    many = supersuit.pettingzoo_env_to_vec_env_v1(parallel_env(name, reward="own", **options))
    envs = supersuit.concat_vec_envs_v1(many, 2, num_cpus=1, base_class="stable_baselines3")
    assert envs.num_envs == 2 * options["num_ue"]
    model = PPO("MlpPolicy", envs, n_steps=4, batch_size=12, n_epochs=1, device="cpu")
    before = [weights.detach().clone() for weights in model.policy.parameters()]
    model.learn(24)
    assert any(not np.array_equal(a, b.detach()) for a, b in zip(before, model.policy.parameters()))
    envs.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_supersuits_batch_of_batches_learns_past_the_ends_of_episodes(processes):
    supersuit = pytest.importorskip("supersuit")
    one = parallel_env("ApSelection", reward="own", num_ue=3, episode_slots=200, decision_slots=60, device="cpu")
    many = supersuit.pettingzoo_env_to_vec_env_v1(supersuit.black_death_v3(one))
    envs = supersuit.concat_vec_envs_v1(many, 2, num_cpus=processes, base_class="stable_baselines3")
    assert envs.num_envs == 6
    model = PPO("MlpPolicy", envs, n_steps=8, batch_size=24, n_epochs=1, device="cpu")
    before = [weights.detach().clone() for weights in model.policy.parameters()]
    model.learn(96)
    assert any(not np.array_equal(a, b.detach()) for a, b in zip(before, model.policy.parameters()))
    envs.close()
