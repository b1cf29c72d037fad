"""The face of tensors: the batch of arrays in other clothes, fit for training, with the same refusals."""

import pickle

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import InvalidAction, ResetNeeded
from ids import ENVIRONMENTS

from twin_envs import ConfigurationError, specification, tensor_envs

OPTIONS = {"num_ue": 3, "device": "cpu"}
SHORT = {**OPTIONS, "episode_slots": 100}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_it_gives_what_the_batch_of_arrays_gives(name):
    spec = specification(name)
    options = {**spec.small, **OPTIONS, "max_episode_steps": 7}
    envs = tensor_envs(name, 2, **options)
    arrays = gymnasium.make_vec(spec.id, num_envs=2, autoreset_mode="SameStep", **options)
    assert envs.single_action_space == arrays.single_action_space
    assert envs.observation_space == arrays.observation_space
    seen, told = envs.reset(seed=5)
    expected, infos = arrays.reset(seed=5)
    np.testing.assert_array_equal(seen, expected)
    assert all(np.array_equal(values, infos[key]) for key, values in told.items())
    arrays.action_space.seed(0)
    over = np.zeros(2, int)
    for _ in range(16):
        actions = arrays.action_space.sample()
        seen, reward, terminated, truncated, told = envs.step(torch.as_tensor(actions))
        expected, rewards, _, ended, infos = arrays.step(actions)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(reward, rewards.astype(np.float32))
        np.testing.assert_array_equal(truncated, ended)
        assert not terminated.any()
        for row in np.flatnonzero(ended):
            np.testing.assert_array_equal(told["final_observation"][row], infos["final_obs"][row])
            np.testing.assert_array_equal(told["by_ue"][row], infos["final_info"]["by_ue"][row])
        rest = ~ended
        np.testing.assert_array_equal(told["final_observation"][rest], expected[rest])
        over += ended
    assert (over >= 2).all()


@torch.inference_mode(False)
def test_what_it_gives_may_take_part_in_training_and_stays():
    envs = tensor_envs("FeedbackInterval", 4, **SHORT)
    first, told = envs.reset(seed=0)
    kept = first.clone()
    seen, reward, _, _, info = envs.step(torch.zeros(4, dtype=torch.int64))
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    weight = torch.ones(seen.shape[1], requires_grad=True)
    loss = ((seen @ weight - reward) * info["delivered"] + told["delivered"]).square().sum()
    loss.backward()
    assert torch.isfinite(weight.grad).all()
    assert weight.grad.abs().sum() > 0


def test_an_episode_that_is_cut_short_begins_anew_with_the_next_of_its_seeds():
    envs, again = (tensor_envs("ApAssociation", 2, max_episode_steps=2, **OPTIONS) for _ in range(2))
    first, _ = envs.reset(seed=[3, 8])
    actions = torch.as_tensor(envs.action_space.sample())
    *_, truncated, _ = envs.step(actions)
    assert not truncated.any()
    second, _, _, truncated, told = envs.step(actions)
    assert truncated.all()
    assert not torch.equal(second, first)
    assert not torch.equal(told["final_observation"], second)
    again.reset(seed=[3, 8])
    torch.testing.assert_close(again.reset()[0], second, rtol=0, atol=0)


@pytest.mark.parametrize(
    "actions",
    [
        torch.tensor([0, 10]),
        torch.tensor([-1, 0]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([False, True]),
        torch.tensor([0, 1], dtype=torch.uint16),
        torch.tensor([0, 1]).to_sparse(),
        torch.tensor([[0], [1]]),
        torch.tensor([0]),
        np.array([0, 1]),
        [0, 1],
    ],
)
def test_actions_outside_the_space_are_refused_and_nothing_happens(actions):
    envs, other = (tensor_envs("FeedbackInterval", 2, **SHORT) for _ in range(2))
    envs.reset(seed=1)
    other.reset(seed=1)
    with pytest.raises(InvalidAction, match="actions must be a tensor in MultiDiscrete"):
        envs.step(actions)
    fine = torch.tensor([0, 9])
    for one, two in zip(envs.step(fine)[:4], other.step(fine)[:4], strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.uint8])
@pytest.mark.parametrize("name", ["FeedbackInterval", "TwinFidelity"])
def test_other_whole_numbers_are_the_same_actions(name, dtype):
    options = {**specification(name).small, **OPTIONS}
    envs, other = (tensor_envs(name, 2, **options) for _ in range(2))
    envs.reset(seed=1)
    other.reset(seed=1)
    actions = torch.as_tensor(envs.action_space.sample())
    for one, two in zip(envs.step(actions.to(dtype))[:4], other.step(actions)[:4], strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_a_batch_can_be_pickled():
    envs = tensor_envs("FeedbackInterval", 2, **SHORT)
    envs.reset(seed=4)
    copy = pickle.loads(pickle.dumps(envs))  # noqa: S301
    fine = torch.tensor([0, 9])
    for one, two in zip(envs.step(fine)[:4], copy.step(fine)[:4], strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_it_must_be_reset_and_made_rightly():
    with pytest.raises(ResetNeeded):
        tensor_envs("FeedbackInterval", 2, **SHORT).step(torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ConfigurationError, match="num_envs"):
        tensor_envs("FeedbackInterval", 0)
    with pytest.raises(ConfigurationError, match="num_ue"):
        tensor_envs("FeedbackInterval", 2, num_uee=3)
    with pytest.raises(ConfigurationError, match="FeedbackInterval"):
        tensor_envs("FeedbackIntervall", 2)


@pytest.mark.gpu
def test_its_tensors_are_on_the_device():
    envs = tensor_envs("FeedbackInterval", 64, **{**SHORT, "device": "cuda"})
    seen, told = envs.reset(seed=0)
    step = envs.step(torch.zeros(64, dtype=torch.int64, device="cuda"))
    everything = [seen, *told.values(), *step[:4], *step[4].values()]
    assert {tensor.device.type for tensor in everything} == {"cuda"}
