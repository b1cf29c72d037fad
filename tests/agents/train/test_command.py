"""The command that trains: what it tells and writes, also where it is stopped or the disk is full."""

import json
import re

import pytest
import stopping
from full_disk import full_disk
from toy_training import Interrupted, interrupt_at
from typer.testing import CliRunner

from twin_envs.agents import train as training
from twin_envs.agents.learning.algorithms import PpoConfiguration
from twin_envs.agents.learning.checkpoints import CHECKPOINT_FILE
from twin_envs.agents.learning.saving import CARD_FILE, WEIGHTS_FILE, load_policy
from twin_envs.base.commands import run_command
from twin_envs.base.errors import ConfigurationError


def test_command_tells_an_error_in_one_line(monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr("sys.argv", ["train", "--out", "x", "--options", '{"num_eu": 2}'])
    with pytest.raises(SystemExit, match="1"):
        run_command(training.main)
    assert re.fullmatch(r"error: .*did you mean 'num_ue'.*\n", capsys.readouterr().err)


def test_command_writes_a_policy_and_goes_on_only_if_told(tmp_path):
    app = training.typer.Typer()
    app.command()(training.main)
    out = tmp_path / "policy"
    command = ["--steps", "64", "--num-envs", "2", "--out", str(out)]
    command += ["--hyperparameters", json.dumps({"rollout_steps": 8, "batches": 2})]
    with pytest.raises(Interrupted):
        training.train(
            "FeedbackInterval",
            world="twin",
            steps=64,
            seed=0,
            num_envs=2,
            configuration=PpoConfiguration(rollout_steps=8, batches=2),
            folder=out,
            progress=interrupt_at(32),
        )
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, ConfigurationError)
    assert "--resume" in str(refused.exception)
    elsewhere = CliRunner().invoke(app, [*command, "--resume", "--out", str(tmp_path / "nothing")])
    assert "out must hold a checkpoint" in str(elsewhere.exception)
    assert not (tmp_path / "nothing").exists()
    result = CliRunner().invoke(app, [*command, "--resume"])
    assert result.exit_code == 0, result.output
    assert load_policy(out)[1].steps == 64
    assert {path.name for path in out.iterdir()} == {WEIGHTS_FILE, CARD_FILE, CHECKPOINT_FILE, "tensorboard"}
    for steps in ("64", "32"):
        again = CliRunner().invoke(app, [*command, "--resume", "--steps", steps])
        assert f"steps must be more than the 64 that are done already, got {steps}" in str(again.exception)
    result = CliRunner().invoke(app, [*command, "--resume", "--steps", "96"])
    assert result.exit_code == 0, result.output
    assert load_policy(out)[1].steps == 96
    (out / CHECKPOINT_FILE).unlink()
    alone = CliRunner().invoke(app, [*command, "--resume", "--steps", "128"])
    assert "which cannot be trained on" in str(alone.exception)
    assert load_policy(out)[1].steps == 96


TRAIN = """
import sys
from stopping import wait_to_be_stopped
from toy_task import make_toys
from twin_envs.agents import train
from twin_envs.base.commands import run_command
stop = sys.argv.pop(1)
train.make_envs, train.CURVE_EPISODES, real = make_toys, 4, train.save_checkpoint
def save_checkpoint(*arguments):
    if stop == "before":
        wait_to_be_stopped()
    real(*arguments)
    if stop == "after":
        wait_to_be_stopped()
train.save_checkpoint = save_checkpoint
run_command(train.main)
"""


def training_command(out, steps=64):
    hyperparameters = json.dumps({"rollout_steps": 8, "batches": 2, "hidden": [8]})
    return ["--steps", str(steps), "--num-envs", "2", "--out", str(out), "--hyperparameters", hyperparameters]


@pytest.mark.parametrize(
    ("when", "told", "more"),
    [
        ("after", "with --resume the training goes on from its last checkpoint", ["--resume"]),
        ("before", "there is no checkpoint yet, and the same command trains anew", []),
    ],
)
def test_a_training_that_ctrl_c_stops_says_how_to_go_on(tmp_path, when, told, more):
    status, said, errors = stopping.run(TRAIN, when, *training_command(tmp_path), stop=True)
    assert status == 130
    assert errors == f"stopped; {told}\n"
    assert said.splitlines()[0].startswith("  0%")
    assert {path.name for path in tmp_path.iterdir()} == {"tensorboard", *([CHECKPOINT_FILE] if more else [])}
    status, said, errors = stopping.run(TRAIN, "never", *training_command(tmp_path), *more, stop=False)
    assert (status, errors) == (0, "")
    assert load_policy(tmp_path)[1].steps == 64


def test_a_full_disk_leaves_the_last_checkpoint_from_which_the_training_goes_on(tmp_path, monkeypatch):
    command, real, saved = ["train", *training_command(tmp_path)], training.save_checkpoint, []

    def save_checkpoint(*arguments):
        with full_disk(1000 if saved else 10**9):
            real(*arguments)
        saved.append((tmp_path / CHECKPOINT_FILE).read_bytes())

    monkeypatch.setattr(training, "save_checkpoint", save_checkpoint)
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit, match="1"):
        run_command(training.main)
    assert [(tmp_path / CHECKPOINT_FILE).read_bytes()] == saved
    assert {path.name for path in tmp_path.iterdir()} == {"tensorboard", CHECKPOINT_FILE}
    monkeypatch.setattr(training, "save_checkpoint", real)
    monkeypatch.setattr("sys.argv", [*command, "--resume"])
    with pytest.raises(SystemExit, match="0"):
        run_command(training.main)
    assert load_policy(tmp_path)[1].steps == 64


def test_a_full_disk_is_told_with_the_file_and_how_to_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train", *training_command(tmp_path)])
    with full_disk(500), pytest.raises(SystemExit, match="1"):
        run_command(training.main)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "stopped; there is no checkpoint yet, and the same command trains anew"
    assert second.startswith(f"error: {tmp_path}")
    assert second.endswith("File too large")


def test_a_training_under_an_ascii_locale_may_have_any_folder(tmp_path, monkeypatch):
    out = tmp_path / "a run in München"
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    status, said, errors = stopping.run(TRAIN, "never", *training_command(out), stop=False)
    assert (status, errors) == (0, "")
    assert f"wrote {out}" in said
    assert {path.name for path in out.iterdir()} == {"tensorboard", CARD_FILE, WEIGHTS_FILE, CHECKPOINT_FILE}
