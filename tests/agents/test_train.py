import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from agents import train
from agents.commands import parse_json_object, run_command
from agents.environments import make_envs
from agents.saving import CARD_FILE, WEIGHTS_FILE, load_policy, save_policy
from agents.train import PpoConfiguration, train_ppo
from twin_envs.errors import ConfigurationError

OPTIONS = {"num_ue": 2, "episode_slots": 200}
TINY = PpoConfiguration(rollout_steps=16, batches=2, epochs=2, hidden=(8,))


def tiny(seed=0, **arguments):
    return train_ppo(
        "FeedbackInterval",
        world="twin",
        steps=128,
        seed=seed,
        num_envs=4,
        options=OPTIONS,
        configuration=TINY,
        **arguments,
    )


@pytest.fixture(scope="module")
def trained():
    told = []
    policy, card = tiny(progress=lambda steps, mean_return: told.append([steps, mean_return]))
    return policy, card, told


@pytest.fixture
def saved(trained, tmp_path):
    save_policy(tmp_path, trained[1], trained[0])
    return tmp_path


def test_same_seed_gives_the_same_weights_and_leaves_the_global_generators_as_they_were(trained):
    torch.manual_seed(5)
    random.seed(5)
    before = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = tiny()[0].network.state_dict()
    weights = trained[0].network.state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])  # noqa: NPY002


def test_another_seed_gives_other_weights(trained):
    weights, other = trained[0].network.state_dict(), tiny(seed=1)[0].network.state_dict()
    assert not torch.equal(weights["action_net.weight"], other["action_net.weight"])


def test_card_says_how_the_policy_came_about(trained):
    _, card, told = trained
    assert card.options == {**OPTIONS, "world": "twin"}
    assert (card.seed, card.steps, card.num_envs, card.actions, card.hidden) == (0, 128, 4, 10, [8])
    assert [steps for steps, _ in told] == [0, 64, 128]  # before each rollout, and at the end
    assert card.learning_curve == [list(point) for point in told]
    # Net spectral efficiency of two UEs at no more than 8 bits per symbol each.
    assert all(0.0 < mean_return < 16.0 for _, mean_return in told)


def test_saved_and_loaded_policy_decides_the_same(trained, saved):
    policy, card, _ = trained
    loaded, read = load_policy(saved)
    assert read == card
    envs = make_envs("FeedbackInterval", 16, **OPTIONS)
    loaded.attach(envs)
    observation, _ = envs.reset(seed=0)
    assert np.array_equal(loaded.predict(observation)[0], policy.predict(observation)[0])
    with torch.no_grad():
        both = [p.network.predict_values(torch.from_numpy(observation)) for p in (loaded, policy)]
    assert torch.equal(*both)
    assert {path.name for path in saved.iterdir()} == {WEIGHTS_FILE, CARD_FILE}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "no field 'colour'"),
        ({"hiden": [8]}, "did you mean 'hidden'"),
        ({"hidden": []}, "hidden must be"),
        ({"hidden": [8.5]}, r"hidden\[0\] must be an integer"),
        ({"hidden": [9]}, "must hold"),
        ({"actions": 1}, "actions must be"),
        ({"env": "FeedbackIntervall"}, "did you mean 'FeedbackInterval'"),
        ({"algorithm": "dqn"}, "algorithm must be"),
        ({"observation": ["speed"]}, "train the policy anew"),
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
    save_file(weights | {"action_net.bias": torch.full((10,), torch.nan)}, path)
    with pytest.raises(ConfigurationError, match="finite"):
        load_policy(saved)
    save_file(weights | {"extra": torch.zeros(1)}, path)
    with pytest.raises(ConfigurationError, match="extra"):
        load_policy(saved)
    path.unlink()
    with pytest.raises(ConfigurationError, match=WEIGHTS_FILE):
        load_policy(saved)


def test_training_in_reality_is_refused():
    with pytest.raises(ConfigurationError, match="world must be one of 'twin'"):
        train_ppo("FeedbackInterval", world="reality", steps=64, seed=0, num_envs=1, options=OPTIONS)


@pytest.mark.parametrize(
    "change", [{"learning_rate": 0.0}, {"discount": 1.1}, {"epochs": 0}, {"rollout_steps": 1.5}, {"entropy": -1.0}]
)
def test_hyperparameters_out_of_range_are_refused(change):
    with pytest.raises(ConfigurationError, match=next(iter(change))):
        PpoConfiguration(**change)


@pytest.mark.parametrize("text", ["", "[]", "{num_ue: 2}"])
def test_options_that_are_no_object_are_refused(text):
    with pytest.raises(ConfigurationError, match="options must be a JSON object"):
        parse_json_object("options", text)


def test_command_tells_an_error_in_one_line(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train", "--out", "x", "--options", '{"num_eu": 2}'])
    with pytest.raises(SystemExit, match=r"^error: .*did you mean 'num_ue'"):
        run_command(train.main)


def test_command_writes_a_policy(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "PpoConfiguration", lambda: TINY)
    app = train.typer.Typer()
    app.command()(train.main)
    command = f"--steps 64 --num-envs 2 --out {tmp_path / 'policy'} --options"
    result = CliRunner().invoke(app, [*command.split(), json.dumps(OPTIONS)])
    assert result.exit_code == 0, result.output
    assert load_policy(tmp_path / "policy")[1].steps == 64
