"""Gymnasium: its checkers, its own batch, its wrappers."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_match import check_environments_match
from gymnasium.wrappers import RecordVideo
from gymnasium.wrappers.vector import FlattenObservation, NormalizeObservation, RecordEpisodeStatistics
from gymnasium.wrappers.vector import RecordVideo as RecordVideoOfBatch

from twin_envs import specification

NUM_ENVS = 3


def test_the_checker_finds_nothing(env_id, options):
    check_env(gymnasium.make(env_id, **options).unwrapped)


def test_the_passive_checker_finds_nothing_in_an_episode(env_id, options):
    env = gymnasium.make(env_id, **options)
    env.reset(seed=1)
    env.action_space.seed(1)
    truncated = False
    while not truncated:
        *_, truncated, _ = env.step(env.action_space.sample())
    env.close()


def test_two_environments_match(env_id, options):
    one, other = (gymnasium.make(env_id, **options) for _ in range(2))
    check_environments_match(one, other, num_steps=12, seed=0)


def test_wrappers_of_batches_count_what_is_there(env_id, options):
    plain, inner = (gymnasium.make_vec(env_id, num_envs=NUM_ENVS, **options) for _ in range(2))
    wrapped = NormalizeObservation(FlattenObservation(RecordEpisodeStatistics(inner)))
    plain.reset(seed=2)
    wrapped.reset(seed=2)
    plain.action_space.seed(2)
    returns, lengths, over, records = np.zeros(NUM_ENVS), np.zeros(NUM_ENVS, int), np.zeros(NUM_ENVS, bool), 0
    for _ in range(48):
        if records >= 2 * NUM_ENVS:
            break
        chosen = plain.action_space.sample()
        _, rewards, _, truncated, _ = plain.step(chosen)
        returns, lengths = np.where(over, 0, returns + rewards), np.where(over, 0, lengths + 1)
        observation, _, _, _, infos = wrapped.step(chosen)
        assert np.isfinite(observation).all()
        for env in np.flatnonzero(truncated):
            assert infos["episode"]["r"][env] == pytest.approx(returns[env], rel=1e-5, abs=1e-5)
            assert infos["episode"]["l"][env] == lengths[env]
            records += 1
        over = truncated
    assert records >= NUM_ENVS


@pytest.mark.parametrize("name", ["FeedbackInterval", "ApAssociation", "BeamSelection"])  # one of each family
def test_an_episode_is_recorded_as_a_video(name, tmp_path):
    pytest.importorskip("moviepy")
    small = specification(name).small | {"device": "cpu"}
    made = gymnasium.make(specification(name).id, render_mode="rgb_array", **small)
    env = RecordVideo(made, str(tmp_path / "videos"), video_length=3)
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.action_space.sample())
    env.close()
    (video,) = (tmp_path / "videos").glob("*.mp4")
    assert video.stat().st_size > 1000


def test_a_batch_is_recorded_as_one_video(tmp_path):
    pytest.importorskip("moviepy")
    made = gymnasium.make_vec(
        "twin_envs/FeedbackInterval-v1",
        num_envs=2,
        render_mode="rgb_array",
        num_ue=3,
        episode_slots=200,
        device="cpu",
    )
    envs = RecordVideoOfBatch(made, str(tmp_path / "videos"), video_length=3)
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(envs.action_space.sample())
    envs.close()
    (video,) = (tmp_path / "videos").glob("*.mp4")
    assert video.stat().st_size > 1000
