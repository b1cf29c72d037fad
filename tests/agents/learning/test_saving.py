import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_task import make_toys

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.learning.algorithms import ALGORITHMS
from twin_envs.agents.learning.saving import CARD_FILE, WEIGHTS_FILE, PolicyCard, load_policy, save_policy
from twin_envs.agents.learning.spaces import describe_space
from twin_envs.base.errors import ConfigurationError

ACTIONS = {"ppo": "Box", "recurrent_ppo": "MultiDiscrete", "dqn": "Discrete", "sac": "Box", "dagger": "Discrete"}


def card_of(algorithm, actions, **changes):
    space = make_toys("toy", 1, actions=actions).single_action_space
    return PolicyCard(
        **{
            "env": "FeedbackInterval",
            "algorithm": algorithm,
            "options": {"world": "twin"},
            "seed": 0,
            "steps": 1,
            "num_envs": 1,
            "hyperparameters": {"hidden": [32, 32]},
            "observation": ["wanted", "turn"],
            "action_space": describe_space(space),
            "commit": None,
            "learning_curve": [[0, 1.5]],
        }
        | changes
    )


@pytest.fixture
def saved(tmp_path):
    card = card_of("ppo", "Discrete")
    save_policy(tmp_path, card, card.new_policy())
    return tmp_path


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_saved_and_loaded_policy_decides_the_same(algorithm, tmp_path):
    card = card_of(algorithm, ACTIONS[algorithm])
    policy, generator = card.new_policy(), torch.Generator().manual_seed(0)
    for parameter in policy.network.parameters():
        parameter.data.normal_(0.0, 3.0, generator=generator)
    save_policy(tmp_path, card, policy)
    loaded, read = load_policy(tmp_path)
    assert read == card
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS_FILE, CARD_FILE}
    observations = np.random.default_rng(0).normal(size=(2, 64, 2)).astype(np.float32)
    states = [None, None]
    for observation, start in zip(observations, (np.ones(64, bool), np.zeros(64, bool)), strict=True):
        actions = []
        for index, each in enumerate((policy, loaded)):
            action, states[index] = each.predict(observation, states[index], start)
            actions.append(action)
        assert np.array_equal(*actions)
        assert len(np.unique(actions[0])) > 1
    loaded.attach(make_toys("toy", 1, actions=ACTIONS[algorithm]).network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "no field 'colour'"),
        ({"hyperparameters": {"hiden": [8]}}, "did you mean 'hidden'"),
        ({"hyperparameters": {"hidden": [9]}}, "must hold"),
        ({"hyperparameters": []}, "hyperparameters must be an object"),
        ({"action_space": {"kind": "Discrete", "n": 1}}, "action_space.n must be"),
        ({"env": "FeedbackIntervall"}, "did you mean 'FeedbackInterval'"),
        ({"algorithm": "ddqn"}, "did you mean 'dqn'"),
        ({"algorithm": "sac"}, "can act in"),
        ({"observation": []}, "observation must be"),
    ],
)
def test_changed_card_is_refused(saved, change, message):
    path = saved / CARD_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigurationError, match=message):
        load_policy(saved)


def test_card_that_lacks_a_field_is_no_card(saved):
    path = saved / CARD_FILE
    data = json.loads(path.read_text())
    del data["seed"]
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match="needs the field 'seed'"):
        load_policy(saved)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{"])
def test_card_that_is_not_an_object_is_refused(saved, text):
    (saved / CARD_FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=CARD_FILE):
        load_policy(saved)


def test_damaged_weights_are_refused(saved):
    path = saved / WEIGHTS_FILE
    weights, whole = load_file(path), path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ConfigurationError, match="holds no weights"):
        load_policy(saved)
    save_file(weights | {"action_net.bias": torch.full((4,), torch.nan)}, path)
    with pytest.raises(ConfigurationError, match="finite"):
        load_policy(saved)
    save_file(weights | {"extra": torch.zeros(1)}, path)
    with pytest.raises(ConfigurationError, match="extra"):
        load_policy(saved)
    path.unlink()
    with pytest.raises(ConfigurationError, match=WEIGHTS_FILE):
        load_policy(saved)


def test_policy_for_other_observations_or_actions_is_refused(saved):
    policy, _ = load_policy(saved)
    with pytest.raises(ConfigurationError, match="2 numbers that the policy was trained with, got 42"):
        policy.attach(make_envs("FeedbackInterval", 1, num_ue=2).network)
    with pytest.raises(ConfigurationError, match=r"action space must be MultiDiscrete.*Discrete\(4\)"):
        policy.attach(make_toys("toy", 1, actions="MultiDiscrete").network)
    swapped = card_of("ppo", "Discrete", observation=["turn", "wanted"]).new_policy()
    with pytest.raises(ConfigurationError, match="0 is wanted, was turn"):
        swapped.attach(make_toys("toy", 1).network)
