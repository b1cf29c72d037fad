import json
from dataclasses import replace

import pytest
from toy_task import make_toys
from typer.testing import CliRunner

from twin_envs.agents import evaluate as evaluation
from twin_envs.agents import train as training
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.learning.algorithms import PpoConfiguration
from twin_envs.agents.learning.saving import load_policy, save_policy
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import evaluation_seeds


@pytest.fixture
def folder(monkeypatch, tmp_path):
    for module in (training, evaluation):
        monkeypatch.setattr(module, "make_envs", make_toys)
    monkeypatch.setattr(training, "CURVE_EPISODES", 2)
    monkeypatch.setattr(
        evaluation,
        "contenders",
        lambda env, envs: Contenders(fixed={f"fixed-{a}": FixedPolicy(a) for a in range(4)}, tuned={}, ready={}),
    )
    policy, card = training.train(
        "FeedbackInterval",
        world="twin",
        steps=64,
        seed=0,
        num_envs=4,
        options={"num_ue": 3},
        configuration=PpoConfiguration(rollout_steps=16, batches=2, hidden=(8,)),
    )
    save_policy(tmp_path / "policy", card, policy)
    return tmp_path / "policy", policy


def run(folder, **changes):
    arguments = {"env": None, "world": "reality", "episodes": 4, "seed": 1, "options": {}, "compare": False}
    return evaluation.run(folder, **arguments | changes)


def test_mean_is_that_of_the_evaluation_seeds_in_the_options_of_the_training(folder):
    path, policy = folder
    result = run(path)
    envs = make_toys("toy", 4, num_ue=3)
    expected = play(policy, envs, evaluation_seeds(1, 4)).returns.mean()
    assert result["policies"]["ppo"]["mean"] == pytest.approx(expected)
    assert result["options"] == {"num_ue": 3, "world": "reality"}
    assert result["evaluation_seeds"] == [1_010_000, 1_010_003]
    assert result["paired"] == {}
    assert run(path, options={"num_ue": 2})["options"]["num_ue"] == 2


def test_device_is_not_taken_from_the_training(folder, tmp_path):
    policy, card = load_policy(folder[0])
    save_policy(tmp_path / "other", replace(card, options=card.options | {"device": "cuda"}), policy)
    assert "device" not in run(tmp_path / "other")["options"]


def test_comparison_is_with_random_and_the_best_fixed_choice(folder):
    result = run(folder[0], compare=True)
    assert set(result["policies"]) == {"ppo", "best-fixed", "random"}
    means = {name: score["mean"] for name, score in result["policies"].items()}
    assert result["paired"]["ppo - best-fixed"]["mean"] == pytest.approx(means["ppo"] - means["best-fixed"])
    assert result["best_fixed"] in {f"fixed-{action}" for action in range(4)}


def test_environment_that_the_policy_does_not_fit_is_refused(folder):
    with pytest.raises(ConfigurationError, match="action space must be"):
        run(folder[0], options={"actions": "Box"})


def test_command_writes_what_it_prints(folder, tmp_path):
    app = evaluation.typer.Typer()
    app.command()(evaluation.main)
    path = tmp_path / "new" / "result.json"
    command = ["--policy", str(folder[0]), "--episodes", "4", "--compare", "--json", str(path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    read = json.loads(path.read_text())
    assert f"{read['policies']['ppo']['mean']:.3f}" in result.output
    assert read["best_fixed"] in result.output
