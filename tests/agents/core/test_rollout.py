import numpy as np
import pytest
from toy_task import make_toys

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy, RandomPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.base.errors import ConfigurationError

OPTIONS = {"num_ue": 2, "episode_slots": 200}


@pytest.fixture(scope="module")
def envs():
    return make_envs("FeedbackInterval", 3, **OPTIONS)


@pytest.fixture(scope="module")
def random_run(envs):
    return play(RandomPolicy(0), envs, [5, 6, 7], keep=("speed", "colour"))


def test_returns_are_those_of_each_seed_alone(envs):
    run = play(FixedPolicy(6), envs, [11, 5, 8])
    alone = make_envs("FeedbackInterval", 1, **OPTIONS)
    for index, seed in enumerate([11, 5, 8]):
        alone.reset(seed=[seed])
        total, over = 0.0, False
        while not over:
            _, rewards, _, truncated, _ = alone.step(np.array([6]))
            total, over = total + rewards[0], truncated[0]
        assert run.returns[index] == pytest.approx(total, rel=1e-5)


def test_same_seeds_give_the_same_episodes(envs, random_run):
    again = play(RandomPolicy(0), envs, [5, 6, 7])
    assert np.array_equal(random_run.returns, again.returns)
    assert all(np.array_equal(random_run.steps[name], values) for name, values in again.steps.items())


def test_steps_tell_one_whole_episode_each(random_run):
    steps, length = random_run.steps, OPTIONS["episode_slots"]
    for episode in range(3):
        mine = steps["episode"] == episode
        assert steps["elapsed_slots"][mine].sum() == length
        ends = np.cumsum(steps["elapsed_slots"][mine])
        assert np.array_equal(steps["time_slots"][mine], np.concatenate([[0], ends[:-1]]))
        assert np.array_equal(steps["decided_ue"][mine][1:], steps["ue"][mine][:-1])
        terms = steps["delivered"] - steps["pilot_cost"] - steps["feedback_cost"]
        assert terms[mine].sum() == pytest.approx(random_run.returns[episode], rel=1e-5)
        assert steps["by_ue"][mine].sum() == pytest.approx(random_run.returns[episode], rel=1e-5)
    assert all(len(values) == len(steps["episode"]) for values in steps.values())


def test_fields_of_the_observation_are_kept_if_there_are_such(random_run):
    assert "colour" not in random_run.steps
    assert random_run.steps["speed"].max() > 1.0  # m/s, not from 0 to 1


@pytest.mark.parametrize("actions", ["Discrete", "MultiDiscrete", "Box"])
def test_every_action_space_can_be_played(actions):
    run = play(RandomPolicy(0), make_toys("toy", 4, actions=actions), [1, 2, 3, 4], keep=("wanted",))
    assert run.steps["action"].shape[1:] == {"Discrete": (), "MultiDiscrete": (2,), "Box": (3,)}[actions]
    assert len(run.steps["wanted"]) == 4 * 8
    assert ((run.returns > 0) & (run.returns < 1)).all()


def test_progress_rises_to_one():
    told = []
    play(RandomPolicy(0), make_toys("toy", 3), [0, 1, 2], told.append)
    assert told == sorted(told)
    assert 0.0 < told[0] < 1.0
    assert told[-1] == 1.0


def test_wrong_autoreset_mode_is_refused():
    with pytest.raises(ConfigurationError, match="'NextStep'"):
        play(RandomPolicy(0), make_toys("toy", 1, autoreset_mode="SameStep"), [0])
