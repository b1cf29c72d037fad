"""Learners in reality beside the planner and the rule."""

import dataclasses
import json

import numpy as np
import pytest
from toy_training import Best
from typer.testing import CliRunner

from twin_envs.agents import train as training
from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.learning.algorithms import configure
from twin_envs.agents.learning.saving import load_policy, save_policy
from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks import learning
from twin_envs.benchmarks.report import learning as table

SMALL = {"num_ue": 2, "episode_slots": 400}


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dagger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "CURVE_EPISODES", 2)
        policy, card = training.train(
            "ApSelection",
            world="twin",
            steps=16,
            seed=0,
            num_envs=2,
            options=SMALL,
            configuration=configure("dagger", {"rollout_steps": 8, "updates": 2, "hidden": [8]}),
        )
    save_policy(folder, card, policy)
    return folder


def test_learners_are_compared_with_their_teacher_and_the_rule(taught, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "QUICK", dataclasses.replace(learning.QUICK, episodes=3, training_episodes=1))
    app = learning.typer.Typer()
    app.command()(learning.main)
    path = tmp_path / "learning-ApSelection.json"
    command = ["--policy", str(taught), "--quick", "--options", json.dumps(SMALL), "--json", str(path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    told = json.loads(path.read_text())["figures"]["ApSelection"]
    assert told["planner"] == "twin-planner: margin 0.01, gap 6 dB"
    assert told["rule"] in learning.without_the_twin(contenders("ApSelection"))
    means = {name: score["mean"] for name, score in told["policies"].items()}
    assert set(means) == {"rule", "planner", "dagger"}
    for rival in ("planner", "rule"):
        expected = means["dagger"] / means[rival] - 1
        assert told[f"over_{rival}"]["dagger"]["mean"] == pytest.approx(expected)
    ms = told["ms_per_decision"]
    assert told["speedup"]["dagger"] == pytest.approx(ms["planner"] / ms["dagger"])
    assert min(ms.values()) > 0
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    monkeypatch.setattr(table, "load_document", lambda name: json.loads((tmp_path / f"{name}.json").read_text()))
    lines = table.learning().splitlines()
    assert len(lines) == 2 + 3
    assert f"{means['dagger']:.2f} (" in lines[-1]
    policy, card = load_policy(taught)
    save_policy(tmp_path / "second", dataclasses.replace(card, seed=card.seed + 1), policy)
    both = [*command, "--policy", str(tmp_path / "second")]
    named = CliRunner().invoke(app, [*both, "--planner", "twin-planner: margin 0, gap 3 dB", "--episodes", "2"])
    assert named.exit_code == 0, named.output
    told = json.loads(path.read_text())["figures"]["ApSelection"]
    assert told["planner"] == "twin-planner: margin 0, gap 3 dB"
    assert told["episodes"] == 2
    seeds = [f"dagger, seed {seed}" for seed in (card.seed, card.seed + 1)]
    assert list(told["trained"]) == seeds
    assert told["over_rule"][seeds[0]] == told["over_rule"][seeds[1]]
    cheat = CliRunner().invoke(app, [*command, "--planner", "oracle"])
    assert "planner must not read reality" in str(cheat.exception)
    again = CliRunner().invoke(app, [*command, "--policy", str(taught)])
    assert "once for each kind" in str(again.exception)
    other = CliRunner().invoke(app, [*command, "--env", "ApAssociation"])
    assert isinstance(other.exception, ConfigurationError)


def test_a_timed_policy_decides_the_same():
    envs = make_envs("ApSelection", 2, **SMALL)
    timed, plain = learning.Timed(Best()), Best()
    for policy in (timed, plain):
        policy.attach(envs.network)
    observation = np.random.default_rng(0).random((2, 20), np.float32)
    assert np.array_equal(timed.predict(observation)[0], plain.predict(observation)[0])
    assert timed.decisions == 2


def test_all_without_the_twin_compete_for_being_the_rule():
    known = contenders("ApSelection")
    names = learning.without_the_twin(known)
    assert known.fixed.keys() <= names.keys()
    for rule in ("strongest", "measured-planner"):
        assert len([name for name in names if name.startswith(f"{rule}, ")]) == len(known.tuned[rule])
    assert not any(name.startswith(("twin", "oracle", "learned")) for name in names)
