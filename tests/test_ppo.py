"""The trainer in a single file."""

import re

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from toy_task import make_toys

from twin_envs import ppo
from twin_envs.base.errors import ConfigurationError

SMALL = ["--num-envs", "16", "--rollout-steps", "32", "--learning-rate", "0.01", "--epochs", "8"]


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setattr(
        ppo,
        "make",
        lambda args, num_envs, world, autoreset_mode: make_toys(
            args.env, num_envs, world=world, autoreset_mode=autoreset_mode, **args.options
        ),
    )


@pytest.mark.parametrize("reward", ["relative", "raw"])
@pytest.mark.parametrize("actions", ["Discrete", "MultiDiscrete"])
def test_it_learns_what_is_wanted(toys, actions, reward):
    args = ppo.parse([*SMALL, "--options", f'{{"actions": "{actions}"}}', "--steps", "6000", "--reward", reward])
    torch.manual_seed(0)
    returns, counts = ppo.evaluate(args, ppo.train(args), "reality", range(16))
    # Random actions earn about 0.6; the optimum is 1 - 1/12 with four actions a third apart.
    assert returns.mean() > 0.8
    assert (counts > 0).sum() >= 3
    assert counts.sum() == 16 * 8


def test_actions_in_a_box_are_refused(toys):
    args = ppo.parse(["--options", '{"actions": "Box"}'])
    with pytest.raises(ConfigurationError, match="Discrete or MultiDiscrete"):
        ppo.train(args)
    assert isinstance(make_toys("toy", 1, actions="Box").single_action_space, Box)


def test_an_unknown_environment_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match="'BeamSelection'"):
        ppo.parse(["--env", "BeamSelecton"])


def test_the_command_trains_in_the_twin_and_decides_in_reality(capsys):
    small = ["--num-envs", "4", "--rollout-steps", "8", "--steps", "64", "--episodes", "3", "--batches", "2"]
    ppo.main([*small, "--options", '{"num_ue": 2, "episode_slots": 200, "device": "cpu"}'])
    said = capsys.readouterr().out
    assert re.findall(r"update (\d)/2", said) == ["1", "2"]
    assert 1.0 < float(re.search(r"in reality: (\S+) bit/s/Hz in 3 episodes", said)[1]) < 20.0
    shares = [int(share) for share in re.findall(r"(\d+)%", said)]
    assert len(shares) == 10
    assert np.isclose(sum(shares), 100, atol=5)


def test_the_command_repeats_itself_and_leaves_the_global_generator_alone(toys, capsys):
    arguments = [*SMALL, "--options", '{"actions": "Discrete"}', "--steps", "1024", "--episodes", "4", "--seed"]
    before = torch.get_rng_state()
    said = []
    for seed in ("3", "3", "4"):
        ppo.main([*arguments, seed])
        torch.rand(1)  # what a user draws in between changes nothing
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]
    torch.set_rng_state(before)
    ppo.main([*arguments, "3"])
    assert torch.equal(torch.get_rng_state(), before)
