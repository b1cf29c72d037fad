"""TorchRL: the specs that it derives from an environment hold in rollouts, alone, in a batch, and made by their id."""

import warnings
from functools import partial

import gymnasium
import pytest

pytest.importorskip("torchrl")

from torchrl.envs import GymEnv, GymWrapper, ParallelEnv, SerialEnv
from torchrl.envs.utils import check_env_specs

with warnings.catch_warnings():  # it derives from classes of its own that it deprecates
    warnings.filterwarnings("ignore", "Creating .* which inherits from WeightUpdaterBase", DeprecationWarning)
    from torchrl.collectors import Collector

SMALL = partial(GymEnv, "twin_envs:twin_envs/FeedbackInterval-v1", num_ue=3, episode_slots=200, device="cpu")


def test_the_specs_of_one_environment_hold(env_id, options):
    check_env_specs(GymWrapper(gymnasium.make(env_id, **options)), seed=0)


def test_the_specs_of_a_batch_hold_and_torchrl_resets_it(env_id, options):
    envs = GymWrapper(gymnasium.make_vec(env_id, num_envs=2, autoreset_mode="Disabled", **options))
    check_env_specs(envs, seed=0)
    rollout = envs.rollout(60, break_when_any_done=False)
    ended = rollout["next", "truncated"][..., 0]
    assert (ended.sum(-1) >= 1).all()
    assert (ended.sum(-1) < 60).all()


def test_an_environment_is_made_by_its_id(env_id, options):
    env = GymEnv(env_id, **options)
    assert env.rollout(4)["next", "reward"].isfinite().all()


def test_an_option_that_is_misspelt_is_not_taken_for_one_that_torchrl_tries(env_id):
    with pytest.raises(TypeError, match="did you mean 'num_ue'"):
        GymEnv(env_id, num_ues=3, device="cpu")


@pytest.mark.parametrize("batch", [SerialEnv, ParallelEnv])
def test_several_environments_are_made_by_their_id(batch):
    envs = batch(2, SMALL)
    try:
        envs.set_seed(3)
        rewards = envs.rollout(5, break_when_any_done=False)["next", "reward"]
    finally:
        envs.close()
    assert rewards.shape == (2, 5, 1)
    assert len(rewards.unique()) > 5


def test_a_collector_goes_on_past_the_ends_of_episodes():
    collector = Collector(SMALL, policy=None, frames_per_batch=60, total_frames=120)
    try:
        batches = list(collector)
    finally:
        collector.shutdown()
    assert [len(batch) for batch in batches] == [60, 60]
    assert sum(int(batch["next", "done"].sum()) for batch in batches) >= 2
