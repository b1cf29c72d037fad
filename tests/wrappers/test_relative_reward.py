import json

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from twin_envs.base.errors import ConfigurationError
from twin_envs.wrappers import RelativeReward, RelativeRewardVector

OPTIONS = {"num_ue": 2, "episode_slots": 200, "device": "cpu"}
ID = "twin_envs/FeedbackInterval-v1"


class Windows(VectorEnv):
    """Two environments that earn 3 and 6 bit/s/Hz; the action is a window's length in slots."""

    LENGTH, FACTOR, DONE = 1000, 1.0, np.zeros(2, bool)
    num_envs, single_action_space, single_observation_space = 2, spaces.Discrete(100), spaces.Box(0.0, 1.0, (1,))

    def __init__(self, mode=AutoresetMode.SAME_STEP):
        self.metadata = {"autoreset_mode": mode}

    def reset(self, *, seed=None, options=None):
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions):
        rewards = self.FACTOR * np.array([3.0, 6.0]) * actions / self.LENGTH
        return np.zeros((2, 1), np.float32), rewards, np.zeros(2, bool), self.DONE, {"elapsed_slots": actions}


def begun(mode=AutoresetMode.SAME_STEP):
    envs = RelativeRewardVector(Windows(mode))
    envs.reset()
    return envs


@pytest.mark.parametrize("slots", [10, 20, 50])
def test_it_is_over_the_mean_of_all_cells_at_first(slots):
    first = begun().step(np.array([slots, slots]))[1]
    # All cells earn 4.5 on average.
    assert np.allclose(first, np.array([3 / 4.5 - 1, 6 / 4.5 - 1]), rtol=1e-5)


@pytest.mark.parametrize("slots", [10, 50])
def test_it_is_over_the_cells_own_mean_later_in_units_of_a_step(slots):
    envs = begun()
    for _ in range(2000):
        usual = envs.step(np.array([slots, slots]))[1]
    assert np.abs(usual).max() < 0.01
    longer = envs.step(np.array([3 * slots, 3 * slots]))[1]
    assert np.abs(longer).max() < 0.03  # the same rate over a longer time is worth no more
    envs.env.FACTOR = 2.0
    assert np.allclose(envs.step(np.array([slots, slots]))[1], 1.0, rtol=0.03)
    assert np.allclose(envs.step(np.array([2 * slots, slots]))[1], [2.0, 1.0], rtol=0.03)


def test_it_stays_finite_where_costs_eat_the_earnings():
    envs, rewards = begun(), []
    for factor in (1.0, -1.0) * 50:
        envs.env.FACTOR = factor
        rewards.append(envs.step(np.array([10, 10]))[1])
    assert np.abs(rewards).max() < 4.0
    assert np.sign(rewards[-2:]).tolist() == [[1.0, 1.0], [-1.0, -1.0]]


def test_windows_without_length_are_worth_nothing():
    envs = begun()
    for _ in range(3):
        assert envs.step(np.array([0, 0]))[1].tolist() == [0.0, 0.0]
    assert np.isfinite(envs.step(np.array([10, 10]))[1]).all()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_cells_mean_is_forgotten_when_its_episode_is_over(mode):
    envs = begun(mode)
    first = envs.step(np.array([10, 10]))[1]
    for _ in range(500):
        envs.step(np.array([10, 10]))
    envs.env.DONE = np.array([True, False])
    envs.step(np.array([10, 10]))
    envs.env.DONE = np.zeros(2, bool)
    if mode is AutoresetMode.NEXT_STEP:
        assert envs.step(np.array([10, 10]))[1][0] == 0.0
    if mode is AutoresetMode.DISABLED:
        envs.reset(options={"reset_mask": np.array([True, False])})
    after = envs.step(np.array([10, 10]))[1]
    assert after[0] == pytest.approx(first[0], rel=2e-3)
    assert abs(after[1]) < 0.02


def test_what_a_new_episode_says_beside_the_last_step_of_the_old_one_does_not_count():
    class Told(Windows):
        DONE = np.array([True, True])

        def step(self, actions):
            *found, infos = super().step(actions)
            return (*found, {"elapsed_slots": np.zeros(2, int), "final_info": infos})

    class Silent(Told):
        def step(self, actions):
            *found, infos = super().step(actions)
            return (*found, {"final_info": infos["final_info"]})

    for kind in (Told, Silent):
        envs = RelativeRewardVector(kind())
        envs.reset()
        assert np.allclose(envs.step(np.array([10, 20]))[1], [(3 - 5) * 10 / 75, (6 - 5) * 20 / 75])


def test_infos_without_the_time_that_passed_are_refused():
    env = RelativeReward(gymnasium.make("CartPole-v1"))
    env.reset(seed=0)
    with pytest.raises(ConfigurationError, match="elapsed_slots"):
        env.step(0)
    envs = RelativeRewardVector(gymnasium.make_vec("CartPole-v1", num_envs=2))
    envs.reset(seed=0)
    with pytest.raises(ConfigurationError, match="elapsed_slots"):
        envs.step(np.zeros(2, int))


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_native_batches_and_gymnasiums_own_have_the_same_rewards(mode):
    made = [
        RelativeRewardVector(gymnasium.make_vec(ID, num_envs=3, vectorization_mode=kind, **arguments, **OPTIONS))
        for kind, arguments in (
            ("vector_entry_point", {"autoreset_mode": mode}),
            ("sync", {"vector_kwargs": {"autoreset_mode": mode}}),
        )
    ]
    for envs in made:
        envs.reset(seed=4)
    for step in range(24):
        actions = np.array([step % 10, (step + 3) % 10, 7])
        (_, rewards, _, over, _), (_, others, *_) = (envs.step(actions) for envs in made)
        assert np.allclose(rewards, others, atol=1e-3)
        if mode is AutoresetMode.DISABLED and over.any():
            for envs in made:
                envs.reset(options={"reset_mask": over.copy()})


def test_a_single_environment_is_a_batch_of_one():
    env, envs = gymnasium.make(ID, **OPTIONS), gymnasium.make_vec(ID, num_envs=1, **OPTIONS)
    env, envs = RelativeReward(env), RelativeRewardVector(envs)
    seen, batch = env.reset(seed=3)[0], envs.reset(seed=3)[0]
    assert np.allclose(seen, batch[0], atol=1e-5)
    over, elapsed_slots = False, []
    while not over:
        _, reward, _, over, info = env.step(7)
        _, rewards, *_ = envs.step(np.array([7]))
        assert isinstance(reward, float)
        assert rewards[0] == pytest.approx(reward, abs=1e-4)
        elapsed_slots.append(info["elapsed_slots"])
    assert sum(elapsed_slots) == OPTIONS["episode_slots"]
    assert 0 in elapsed_slots  # reports of one slot: no time to earn anything in
    envs.step(np.array([7]))  # its reset
    env.reset(seed=4)
    assert np.isfinite(env.step(7)[1])


def test_the_wrapper_is_part_of_an_environments_spec():
    env = RelativeReward(gymnasium.make(ID, **OPTIONS))
    wrappers = json.loads(env.spec.to_json())["additional_wrappers"]
    assert wrappers[-1]["entry_point"] == "twin_envs.wrappers.relative_reward:RelativeReward"
    again = gymnasium.make(env.spec)
    env.reset(seed=0)
    again.reset(seed=0)
    assert env.step(5)[1] == again.step(5)[1]
