"""TorchRL: the specs that it derives from an environment hold in rollouts, alone and in a batch."""

import gymnasium
import pytest

pytest.importorskip("torchrl")

from torchrl.envs import GymWrapper
from torchrl.envs.utils import check_env_specs


def test_the_specs_of_one_environment_hold(env_id, options):
    check_env_specs(GymWrapper(gymnasium.make(env_id, **options)), seed=0)


def test_the_specs_of_a_batch_hold_and_torchrl_resets_it(env_id, options):
    envs = GymWrapper(gymnasium.make_vec(env_id, num_envs=2, autoreset_mode="Disabled", **options))
    check_env_specs(envs, seed=0)
    rollout = envs.rollout(25, break_when_any_done=False)
    ended = rollout["next", "truncated"][..., 0]
    assert (ended.sum(-1) >= 1).all()
    assert (ended.sum(-1) < 25).all()
