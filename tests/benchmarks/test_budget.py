"""Each decision against its budget."""

import dataclasses
import json

import pytest
from competitors import few
from typer.testing import CliRunner

from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.registry import load_object
from twin_envs.benchmarks import budget
from twin_envs.envs.core.configuration import parse_options
from twin_envs.envs.registry import environment_names, specification

TINY = dataclasses.replace(budget.QUICK, episodes=2, training_episodes=1)


def fewest(env, envs):
    """A rule, fixed choices and the oracle."""
    about = few(env, envs)
    return dataclasses.replace(
        about, tuned={"doppler": about.tuned["doppler"]}, ready={"oracle": about.ready["oracle"]}
    )


def test_every_budget_is_an_option_of_its_environment():
    assert {*budget.BUDGETS} | {"CsiProtocolFlat"} == {*environment_names()}  # the flat one is the same decision
    for env, (option, values) in budget.BUDGETS.items():
        for value in values:
            config = parse_options(load_object("task", specification(env).task).options, {option: value})
            assert getattr(config, option) == value
        assert getattr(make_envs(env, 1, **{option: values[0]}).core.config, option) == values[0]  # the site can do it


def test_more_of_the_uplink_never_earns_less(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "QUICK", TINY)
    monkeypatch.setattr(budget.decisions, "contenders", fewest)
    monkeypatch.setitem(budget.BUDGETS, "FeedbackInterval", ("csi_uplink_share", (0.001, 0.1, 1.0)))
    app = budget.typer.Typer()
    app.command()(budget.main)
    path, small = tmp_path / "budget.json", {"num_ue": 3, "episode_slots": 200}
    arguments = ["--env", "FeedbackInterval", "--quick", "--options", json.dumps(small), "--json", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(path.read_text())["figures"]["FeedbackInterval"]
    assert told["values"] == [0.001, 1.0]
    scarce, free = (point["policies"] for point in told["points"])
    for name in ("best-fixed", "doppler", "oracle"):
        assert free[name]["mean"] > scarce[name]["mean"]
    assert "csi_uplink_share" in result.output


def test_an_environment_without_a_budget_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="env must be one of"):
        budget.main(env=["CsiProtocolFlat"], json_path=tmp_path / "x.json")
