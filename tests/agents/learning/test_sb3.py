import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from toy_task import make_toys

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.learning.sb3 import RelativeReward, SB3VecEnv
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT

OPTIONS = {"num_ue": 2, "episode_slots": 200}


def batch(num_envs=3, **options):
    return make_envs("FeedbackInterval", num_envs, autoreset_mode="SameStep", **OPTIONS, **options)


def rollout(venv, actions):
    """Observations, rewards, dones and infos of one step for each row of `actions`."""
    return [venv.step(row) for row in actions]


def test_steps_are_those_of_the_batch():
    actions = np.random.default_rng(0).integers(0, 10, (25, 3))
    venv, envs = SB3VecEnv(batch()), batch()
    venv.seed(7)
    observation, _ = envs.reset(seed=7)
    assert np.array_equal(venv.reset(), observation)
    ends = 0
    for row in actions:
        observation, rewards, _, truncated, info = envs.step(row)
        seen, earned, dones, infos = venv.step(row)
        assert np.array_equal(seen, observation)
        assert earned.dtype == np.float32
        assert np.array_equal(earned, rewards.astype(np.float32))
        assert np.array_equal(dones, truncated)
        assert [i["elapsed_slots"] for i in infos] == info["elapsed_slots"].tolist()
        for index in range(3):
            assert ("terminal_observation" in infos[index]) == truncated[index]
            if truncated[index]:
                ends += 1
                assert infos[index]["TimeLimit.truncated"] is True
                last = infos[index]["terminal_observation"]
                assert np.array_equal(last, info["final_obs"][index])
                assert CSI_LAYOUT.value(last, "time_left") == 0.0
                assert CSI_LAYOUT.value(seen[index], "time_left") == 1.0
    assert ends >= 3


def test_same_seed_same_episodes_and_seed_is_used_once():
    venv = SB3VecEnv(batch())
    first, again, on = (venv.seed(3), venv.reset())[1], (venv.seed(3), venv.reset())[1], venv.reset()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, on)


def test_monitor_sees_whole_episodes():
    venv = VecMonitor(SB3VecEnv(batch()))
    venv.seed(0)
    venv.reset()
    earned, told = np.zeros(3), []
    for _, rewards, dones, infos in rollout(venv, np.full((21, 3), 6)):
        earned += rewards
        for index in np.flatnonzero(dones):
            told.append((infos[index]["episode"]["r"], earned[index]))
            earned[index] = 0.0
    assert told
    assert np.allclose(*zip(*told), atol=1e-5)


class Windows(VecEnv):
    """Two environments that earn 3 and 6 bit/s/Hz; the action is a window's length in slots."""

    LENGTH, FACTOR, DONE = 1000, 1.0, np.zeros(2, bool)

    def __init__(self):
        self.render_mode = None
        super().__init__(2, spaces.Box(0.0, 1.0, (1,)), spaces.Discrete(100))

    def reset(self):
        return np.zeros((2, 1), np.float32)

    def step_async(self, actions):
        self.actions = actions

    def step_wait(self):
        rewards = self.FACTOR * np.array([3.0, 6.0]) * self.actions / self.LENGTH
        infos = [{"elapsed_slots": slots} for slots in self.actions]
        return np.zeros((2, 1), np.float32), rewards, self.DONE, infos

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [getattr(self, attr_name)] * 2

    def set_attr(self, attr_name, value, indices=None):
        raise AttributeError

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise AttributeError

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False, False]


@pytest.mark.parametrize("slots", [10, 20, 50])
def test_relative_reward_is_over_the_mean_of_all_cells_at_first(slots):
    venv = RelativeReward(Windows())
    venv.reset()
    first = venv.step(np.array([slots, slots]))[1]
    # All cells earn 4.5 on average.
    assert np.allclose(first, np.array([3 / 4.5 - 1, 6 / 4.5 - 1]), rtol=1e-5)


@pytest.mark.parametrize("slots", [10, 50])
def test_relative_reward_is_over_the_cells_own_mean_later_in_units_of_a_step(slots):
    venv = RelativeReward(Windows())
    venv.reset()
    for _ in range(2000):
        usual = venv.step(np.array([slots, slots]))[1]
    assert np.abs(usual).max() < 0.01
    longer = venv.step(np.array([3 * slots, 3 * slots]))[1]
    assert np.abs(longer).max() < 0.03  # the same rate over a longer time is worth no more
    venv.venv.FACTOR = 2.0
    assert np.allclose(venv.step(np.array([slots, slots]))[1], 1.0, rtol=0.03)
    assert np.allclose(venv.step(np.array([2 * slots, slots]))[1], [2.0, 1.0], rtol=0.03)


def test_relative_reward_stays_finite_where_costs_eat_the_earnings():
    venv = RelativeReward(Windows())
    venv.reset()
    rewards = []
    for factor in (1.0, -1.0) * 50:
        venv.venv.FACTOR = factor
        rewards.append(venv.step(np.array([10, 10]))[1])
    assert np.abs(rewards).max() < 4.0
    assert np.sign(rewards[-2:]).tolist() == [[1.0, 1.0], [-1.0, -1.0]]


def test_relative_reward_forgets_a_cells_mean_when_its_episode_is_over():
    venv = RelativeReward(Windows())
    venv.reset()
    first = venv.step(np.array([10, 10]))[1]
    for _ in range(500):
        venv.step(np.array([10, 10]))
    venv.venv.DONE = np.array([True, False])
    venv.step(np.array([10, 10]))
    after = venv.step(np.array([10, 10]))[1]
    assert after[0] == pytest.approx(first[0], rel=1e-3)
    assert abs(after[1]) < 0.02


def test_wrong_autoreset_mode_is_refused():
    with pytest.raises(ConfigurationError, match="'SameStep'"):
        SB3VecEnv(make_envs("FeedbackInterval", 1, **OPTIONS))


def test_environments_of_a_batch_have_no_attributes_of_their_own():
    venv = SB3VecEnv(batch())
    assert venv.get_attr("num_envs", [0, 2]) == [3, 3]
    assert venv.env_is_wrapped(VecMonitor, 1) == [False]
    for call in (lambda: venv.set_attr("x", 1), lambda: venv.env_method("render")):
        with pytest.raises(AttributeError, match="batch"):
            call()


def test_actions_in_a_box_are_scaled_to_the_environments():
    venv, envs = (make_toys("toy", 2, actions="Box", autoreset_mode="SameStep") for _ in range(2))
    venv = SB3VecEnv(venv)
    assert venv.action_space == spaces.Box(-1.0, 1.0, (3,), np.float32)
    venv.seed(3)
    venv.reset()
    envs.reset(seed=3)
    earned = venv.step(np.array([[-1.0, 0.0, 1.0], [0.5, -0.5, 0.0]], np.float32))[1]
    assert np.allclose(earned, envs.step(np.array([[0.0, 1.0, 2.0], [1.5, 0.5, 1.0]], np.float32))[1])
