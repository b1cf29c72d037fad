"""The batch: each environment as if alone, three ways of resetting, and bad input."""

import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.association.ap_association import ApAssociationEnv
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv, FeedbackIntervalVectorEnv

OPTIONS = {"num_ue": 3, "episode_slots": 100, "device": "cpu"}
NUM_ENVS = 3
TERMS = ("by_ue", "delivered", "pilot_cost", "feedback_cost", "elapsed_slots", "csi_age_slots", "bler", "outage", "ue")


def make(mode="NextStep", num_envs=NUM_ENVS, **options):
    return FeedbackIntervalVectorEnv(num_envs=num_envs, autoreset_mode=mode, **{**OPTIONS, **options})


def actions(env, step):
    """The action of an environment at a step of its own."""
    return np.random.default_rng((env, step)).integers(10)


def play_alone(seed, env, episodes):
    """Each step of one environment: (observation, reward, truncated, info), of a reset with None for the reward."""
    alone, steps, count = FeedbackIntervalEnv(**OPTIONS), [], 0
    for episode in range(episodes):
        observation, info = alone.reset(seed=seed if episode == 0 else None)
        steps.append((observation, None, False, info))
        truncated = False
        while not truncated:
            observation, reward, terminated, truncated, info = alone.step(actions(env, count))
            assert not terminated
            steps.append((observation, reward, truncated, info))
            count += 1
    return steps


def play_batch(seed, episodes):
    """The same of every environment of a batch that resets in its next step."""
    envs = make()
    observation, infos = envs.reset(seed=seed)
    steps = [[(observation[env], None, False, {key: infos[key][env] for key in TERMS})] for env in range(NUM_ENVS)]
    count, over = np.zeros(NUM_ENVS, int), np.zeros(NUM_ENVS, bool)
    ended = np.zeros(NUM_ENVS, int)
    while ended.min() < episodes:
        chosen = np.array([actions(env, count[env]) for env in range(NUM_ENVS)])
        observation, reward, terminated, truncated, infos = envs.step(chosen)
        assert not terminated.any()
        for env in range(NUM_ENVS):
            acted = not over[env]
            info = {key: infos[key][env] for key in TERMS}
            assert all(infos[f"_{key}"][env] for key in TERMS)
            steps[env].append((observation[env], reward[env] if acted else None, truncated[env], info))
            assert acted or reward[env] == 0
        count += ~over
        over = truncated
        ended += truncated
    return steps


def test_each_environment_behaves_as_it_would_alone():
    batch = play_batch(7, episodes=2)
    for env in range(NUM_ENVS):
        alone = play_alone(7 + env, env, episodes=2)
        assert len(alone) > 10
        for one, many in zip(alone, batch[env]):
            np.testing.assert_allclose(many[0], one[0], atol=1e-4)
            assert many[2] == one[2]
            assert (many[1] is None) == (one[1] is None)
            if one[1] is not None:
                assert many[1] == pytest.approx(one[1], abs=1e-4)
            assert many[3].keys() == one[3].keys()
            for key, value in one[3].items():
                assert many[3][key] == pytest.approx(value, abs=1e-4)


def test_a_list_of_seeds_is_taken_as_it_is():
    envs = make()
    some, _ = envs.reset(seed=[5, 3, 5])
    assert np.array_equal(some[0], some[2])
    other, _ = make(num_envs=1).reset(seed=3)
    np.testing.assert_allclose(some[1], other[0], atol=1e-5)
    with pytest.raises(ConfigurationError, match="seed must be 3 integers, got 2"):
        envs.reset(seed=[1, 2])


def test_seeds_tell_episodes_apart_and_a_reset_without_one_goes_on():
    envs = make()
    first, _ = envs.reset(seed=0)
    second, _ = envs.reset()
    assert not np.allclose(first, second)
    assert not np.allclose(first[0], first[1])
    again, _ = envs.reset(seed=0)
    assert np.array_equal(first, again)
    assert np.array_equal(second, envs.reset()[0])


def test_seeds_are_told_as_gymnasiums_own_batch_tells_them():
    envs = make()
    theirs = gym.vector.SyncVectorEnv([lambda: FeedbackIntervalEnv(**OPTIONS)] * NUM_ENVS)
    assert envs.np_random_seed == (None,) * NUM_ENVS
    for batch in (envs, theirs):
        batch.reset(seed=5)
    assert envs.np_random_seed == theirs.np_random_seed == tuple(range(5, 5 + NUM_ENVS))
    for mine, other in zip(envs.np_random, theirs.np_random, strict=True):
        assert mine.bit_generator.state == other.bit_generator.state
    envs.reset()
    assert envs.np_random_seed == theirs.np_random_seed
    envs.reset(seed=[None] * (NUM_ENVS - 1) + [70])
    assert envs.np_random_seed == (*theirs.np_random_seed[:-1], 70)
    theirs.close()


def test_a_seed_that_was_drawn_gives_the_same_episode_again():
    envs = make()
    drawn, _ = envs.reset()
    again, _ = envs.reset(seed=envs.np_random_seed)
    assert (drawn == again).all()


def test_an_episode_leaves_no_trace_in_the_next():
    used, fresh = make(), make()
    used.reset(seed=1)
    for _ in range(5):
        used.step(np.array([0, 5, 9]))
    assert np.array_equal(used.reset(seed=4)[0], fresh.reset(seed=4)[0])
    for step in range(4):
        for one, other in zip(used.step(np.full(3, step)), fresh.step(np.full(3, step)), strict=True):
            if not isinstance(one, dict):
                assert np.array_equal(one, other)


def rollout(envs, steps=24):
    envs.reset(seed=2)
    return [envs.step(np.full(NUM_ENVS, step % 10)) for step in range(steps)]


def test_same_step_resets_at_once_and_hands_over_the_last_observation():
    late, at_once = rollout(make()), rollout(make("SameStep"))
    first = next(i for i, step in enumerate(late) if step[3].any())
    ended = late[first][3]
    for step in range(first):
        for a, b in zip(late[step][:4], at_once[step][:4]):
            assert np.array_equal(a, b)
    observation, rewards, _, truncated, infos = at_once[first]
    assert np.array_equal(truncated, ended)
    assert np.array_equal(rewards, late[first][1])
    assert np.array_equal(infos["_final_obs"], ended)
    for env in range(NUM_ENVS):
        if ended[env]:
            assert np.array_equal(infos["final_obs"][env], late[first][0][env])
            assert np.array_equal(observation[env], late[first + 1][0][env])
            assert infos["final_info"]["elapsed_slots"][env] == late[first][4]["elapsed_slots"][env]
        else:
            assert infos["final_obs"][env] is None
            assert np.array_equal(observation[env], late[first][0][env])
    assert not any("final_obs" in step[4] for step in late)


def test_disabled_resets_where_it_is_told_to():
    envs = make("Disabled")
    envs.reset(seed=2)
    truncated = np.zeros(NUM_ENVS, bool)
    while not truncated.any():
        observation, _, _, truncated, _ = envs.step(np.array([0, 9, 9]))
    with pytest.raises(ResetNeeded, match="whose episode is over"):
        envs.step(np.zeros(NUM_ENVS, int))
    assert not truncated.all()
    renewed, _ = envs.reset(options={"reset_mask": truncated})
    assert np.array_equal(renewed[~truncated], observation[~truncated])
    time_left = envs.observation_layout.index("time_left")
    assert (renewed[truncated, time_left] == 1).all()
    assert (renewed[~truncated, time_left] < 1).all()
    envs.step(np.zeros(NUM_ENVS, int))
    with pytest.raises(ConfigurationError, match=r"reset_mask must be of shape \(3,\), got \(2,\)"):
        envs.reset(options={"reset_mask": np.ones(2, bool)})


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_the_mode_is_told_to_wrappers_and_may_be_given_either_way(mode):
    for given in (mode, mode.value):
        envs = make(given, num_envs=1)
        assert envs.metadata["autoreset_mode"] is mode
        assert envs.autoreset_mode is mode
    assert FeedbackIntervalVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_whole_numbers_of_any_kind_are_actions():
    for kind in (int, np.int32, np.uint8, float):
        envs = make()
        envs.reset(seed=0)
        _, rewards, *_ = envs.step(np.array([1, 2, 3], dtype=kind))
        assert (rewards > 0).all()


@pytest.mark.parametrize("wrong", [10, -1, 1.5, None, "0", np.array([1]), np.nan, [0]])
def test_an_action_outside_the_space_is_refused_alone_too(wrong):
    env = FeedbackIntervalEnv(**OPTIONS)
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match=r"action must be in Discrete\(10\)"):
        env.step(wrong)


@pytest.mark.parametrize("kind", [int, float, np.int8, np.float64, np.array])
def test_a_single_action_is_taken_as_a_batch_takes_its_actions(kind):
    env, batch = FeedbackIntervalEnv(**OPTIONS), FeedbackIntervalVectorEnv(num_envs=1, **OPTIONS)
    env.reset(seed=3)
    batch.reset(seed=3)
    assert env.step(kind(2))[1] == pytest.approx(batch.step([kind(2)])[1][0])


@pytest.mark.parametrize("kind", [list, np.float64, np.float32, np.int64])
def test_scores_of_any_type_are_an_action(kind):
    env = ApAssociationEnv(device="cpu", num_ue=2, episode_slots=400)
    assert env.action_space.dtype == np.float32
    env.reset(seed=0)
    scores = np.linspace(-1, 1, 20).round()
    assert math.isfinite(env.step(scores.tolist() if kind is list else scores.astype(kind))[1])
    with pytest.raises(InvalidAction, match=r"action must be in Box\(-1.0, 1.0, \(20,\), float32\)"):
        env.step(scores[:19])


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_step_needs_a_reset_before(mode):
    envs = make(mode)
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(NUM_ENVS, int))
    envs.reset(seed=0, options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(NUM_ENVS, int))


def test_a_step_after_the_end_needs_a_reset_alone():
    env = FeedbackIntervalEnv(**OPTIONS)
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    while not env.step(9)[3]:
        pass
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset()
    env.step(0)


def test_what_is_handed_out_is_not_written_to_again():
    envs = make()
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    second, rewards, *_ = envs.step(np.zeros(NUM_ENVS, int))
    kept_rewards = rewards.copy()
    envs.step(np.zeros(NUM_ENVS, int))
    assert np.array_equal(first, kept)
    assert np.array_equal(rewards, kept_rewards)
    first[:] = -1.0
    assert envs.observation_space.contains(second)


def test_spaces_of_the_batch_are_those_of_one_repeated():
    envs = make()
    assert envs.single_action_space == FeedbackIntervalEnv(**OPTIONS).action_space == gym.spaces.Discrete(10)
    assert envs.action_space == gym.spaces.MultiDiscrete([10] * NUM_ENVS)
    assert envs.observation_space.shape == (NUM_ENVS, *envs.single_observation_space.shape)
    assert envs.observation_layout is FeedbackIntervalEnv(**OPTIONS).observation_layout
