import itertools
import json
import random
import re
from functools import partial

import numpy as np
import pytest
import stopping
import torch
from full_disk import full_disk
from toy_task import SPACES, make_toys
from typer.testing import CliRunner

from twin_envs.agents import train as training
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.learning.algorithms import ALGORITHMS, PpoConfiguration, configure
from twin_envs.agents.learning.checkpoints import CHECKPOINT_FILE, read_checkpoint
from twin_envs.agents.learning.saving import CARD_FILE, WEIGHTS_FILE, load_policy
from twin_envs.agents.learning.shared import SharedPolicy
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.training import Training

ROLLOUT = {"rollout_steps": 16, "batches": 2, "epochs": 2, "hidden": (8,)}
REPLAY = {"warmup_steps": 16, "batch_steps": 8, "buffer_steps": 1000, "updates": 1, "hidden": (8,)}
TINY = {
    "ppo": ROLLOUT,
    "recurrent_ppo": {**ROLLOUT, "memory": 4},
    "dqn": {**REPLAY, "target_steps": 32},
    "sac": REPLAY,
}
ACTIONS = {"ppo": "MultiDiscrete", "recurrent_ppo": "Discrete", "dqn": "Discrete", "sac": "Box"}


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(training, "make_envs", make_toys)
    monkeypatch.setattr(training, "CURVE_EPISODES", 4)


def train(algorithm, steps=128, seed=0, actions=None, num_envs=4, **arguments):
    return training.train(
        "FeedbackInterval",  # a toy in its place
        world="twin",
        steps=steps,
        seed=seed,
        num_envs=num_envs,
        options={"actions": actions or ACTIONS[algorithm]},
        configuration=configure(algorithm, TINY[algorithm]),
        **arguments,
    )


def weights(policy):
    return torch.cat([tensor.flatten() for tensor in policy.network.state_dict().values()])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_same_seed_gives_the_same_weights_and_leaves_the_global_generators_as_they_were(algorithm):
    torch.manual_seed(5)
    random.seed(5)
    before = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (weights(train(algorithm, steps=64, seed=seed)[0]) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.isfinite().all()
    assert not torch.equal(first, other)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])  # noqa: NPY002


def test_card_says_how_the_policy_came_about():
    told = []
    _, card = train("ppo", progress=lambda steps, mean_return: told.append([steps, mean_return]))
    assert card.options == {"actions": "MultiDiscrete", "world": "twin"}
    assert (card.seed, card.steps, card.num_envs, card.algorithm) == (0, 128, 4, "ppo")
    assert card.action_space == {"kind": "MultiDiscrete", "nvec": [4, 2]}
    assert card.observation == ["wanted", "turn"]
    assert [steps for steps, _ in told] == [0, 64, 128]  # before each rollout, and at the end
    assert card.learning_curve == [list(point) for point in told]


@pytest.mark.parametrize(("algorithm", "actions"), [("ppo", "Discrete"), ("ppo", "Box"), ("dqn", "Discrete")])
def test_algorithms_learn_what_is_wanted(algorithm, actions):
    more = {"learning_rate": 0.01, "hidden": (32,)}
    more |= (
        {"rollout_steps": 32, "batches": 4, "epochs": 8} if algorithm == "ppo" else {"batch_steps": 64, "updates": 2}
    )
    configuration = configure(algorithm, TINY[algorithm] | more)
    policy, card = training.train(
        "FeedbackInterval",
        world="twin",
        steps=6_000,
        seed=0,
        num_envs=16,
        options={"actions": actions},
        configuration=configuration,
    )
    envs = make_toys("toy", 16, actions=actions)
    learnt, chance = (play(p, envs, range(16)).returns.mean() for p in (policy, RandomPolicy(0)))
    # The optimum is 1 in a Box and 1 - 1/12 with four actions a third apart.
    assert learnt > chance + 0.6 * (11 / 12 - chance)
    assert card.learning_curve[-1][1] > card.learning_curve[0][1]


def test_what_is_not_said_is_as_the_environments_training_says(monkeypatch):
    usual = Training(steps=64, num_envs=4, rollout_steps=8, batches=2, epochs=1, hidden=(8,), discount=0.5)
    monkeypatch.setattr(training, "training_of", {"FeedbackInterval": usual}.get)
    policy, card = training.train("FeedbackInterval", world="twin", seed=0)
    assert (card.steps, card.num_envs, card.algorithm) == (64, 4, "ppo")
    assert card.configuration == configure("ppo", {}, usual)
    raw = configure("ppo", {"reward": "raw"}, usual)
    other, card = training.train("FeedbackInterval", world="twin", seed=0, configuration=raw)
    assert (card.steps, card.name) == (64, "ppo-raw")
    assert not torch.equal(weights(policy), weights(other))


class TheBest:
    """Picks the item that is worth most."""

    def attach(self, network):
        pass

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return observation.argmax(-1), state


def test_a_shared_network_learns_to_pick_the_best_item():
    more = {"learning_rate": 0.01, "hidden": (16,), "rollout_steps": 32, "batches": 4, "epochs": 8}
    policy, _ = training.train(
        "ReportScheduling",
        world="twin",
        steps=6_000,
        seed=0,
        num_envs=16,
        options={"actions": "Item"},
        configuration=configure("ppo", TINY["ppo"] | more),
    )
    assert isinstance(policy.network, SharedPolicy)
    envs = make_toys("toy", 16, actions="Item")
    learnt, best, chance = (play(p, envs, range(16)).returns.mean() for p in (policy, TheBest(), RandomPolicy(0)))
    assert learnt > chance + 0.8 * (best - chance)


class Interrupted(Exception):
    pass


def interrupt(at, steps, mean_return):
    if steps >= at:
        raise Interrupted


@pytest.mark.parametrize(("algorithm", "actions"), [*ACTIONS.items(), ("ppo", "Item")])
def test_interrupted_training_goes_on_from_its_weights_to_the_number_of_steps(
    algorithm, actions, tmp_path, monkeypatch
):
    with pytest.raises(Interrupted):
        train(algorithm, steps=256, actions=actions, folder=tmp_path, progress=partial(interrupt, 128))
    card = read_checkpoint(tmp_path)
    assert card.steps == 128
    started = []
    real = training.restore

    def restore(folder, model):
        fresh = torch.cat([p.flatten() for p in model.policy.state_dict().values()])
        real(folder, model)
        kept = torch.cat([p.flatten() for p in model.policy.state_dict().values()])
        adam = next(iter(model.policy.optimizer.state.values()), None) if algorithm != "sac" else None
        started.append((fresh, kept, adam))

    monkeypatch.setattr(training, "restore", restore)
    told = []
    policy, done = train(
        algorithm, steps=256, actions=actions, folder=tmp_path, progress=lambda steps, _: told.append(steps)
    )
    assert (told[0], told[-1], done.steps) == (128, 256, 256)
    ((fresh, kept, adam),) = started
    assert not torch.equal(fresh, kept)
    assert adam is None or adam["step"] > 0
    assert not torch.equal(weights(policy), kept)
    points = [steps for steps, _ in done.learning_curve]
    assert points == sorted(points)
    assert len(points) > len(card.learning_curve)
    assert list((tmp_path / "tensorboard").glob("events*"))


@pytest.mark.parametrize("num_envs", [1, 128, 9000, 9001, 65_536])
def test_seeds_of_the_learning_curve_are_above_those_of_the_training(num_envs):
    seeds = training.curve_seeds(5, num_envs)
    assert len(seeds) == training.CURVE_EPISODES
    assert seeds[0] == 5 + max(9000, num_envs)  # the environments begin with 5, ..., 4 + num_envs


def test_seeds_that_would_reach_those_of_the_evaluation_are_refused():
    train("ppo", steps=64, seed=990_996)
    with pytest.raises(ConfigurationError, match=r"seed must be from 0 to 990996, got 990997"):
        train("ppo", seed=990_997)
    with pytest.raises(ConfigurationError, match=r"seed must be from 0 to 990995, got 990996"):
        train("ppo", seed=990_996, num_envs=9001)
    with pytest.raises(ConfigurationError, match=r"seed must be from 2000000 to 2990996, got 3000000"):
        train("ppo", seed=3_000_000)


def test_seeds_of_any_size_tell_trainings_apart():
    large = 2_000_000 * 2**33  # twice as many as NumPy's global generator takes
    first, again, other = (weights(train("ppo", steps=64, seed=seed)[0]) for seed in (large, large, large + 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_environments_begin_with_the_seeds_of_the_training(monkeypatch):
    begun = []
    real = make_toys

    def spying(env, num_envs, **options):
        envs = real(env, num_envs, **options)
        begun.append(envs)
        return envs

    monkeypatch.setattr(training, "make_envs", spying)
    for seed in (7, 2_000_000 * 2**33):
        begun.clear()
        train("ppo", steps=64, seed=seed)
        assert begun[0].np_random_seed == tuple(range(seed, seed + 4))


def test_goes_on_on_other_episodes():
    seeds = {training.seed_of_part(3, done, 128) for done in (0, 64, 128)}
    assert len(seeds) == 3
    assert training.seed_of_part(3, 0, 128) == 3
    assert training.seed_of_part(3, 64, 128) == training.seed_of_part(3, 64, 128)


@pytest.mark.parametrize("num_envs", [1, 60_000])
def test_goes_on_on_other_episodes_than_its_first_and_its_curves(num_envs):
    for done in range(1, 60):
        first = training.seed_of_part(400_000, done, num_envs)
        known = range(400_000, training.curve_seeds(400_000, num_envs).stop)
        assert first + num_envs <= known.start or first >= known.stop
        assert 0 <= first <= 1_000_000 - num_envs


def test_checkpoint_of_another_training_or_a_damaged_one_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        train("ppo", steps=256, folder=tmp_path, progress=partial(interrupt, 128))
    with pytest.raises(ConfigurationError, match="seed must be 0, as in the checkpoint, got 1"):
        train("ppo", seed=1, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="algorithm must be 'ppo'"):
        train("recurrent_ppo", folder=tmp_path, actions="MultiDiscrete")
    path = tmp_path / CHECKPOINT_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ConfigurationError, match=CHECKPOINT_FILE):
        train("ppo", folder=tmp_path)


@pytest.mark.parametrize(
    ("algorithm", "actions", "fitting"),
    [("dqn", "MultiDiscrete", "'ppo', 'recurrent_ppo'"), ("sac", "Discrete", "'ppo', 'dqn', 'recurrent_ppo'")],
)
def test_algorithm_that_cannot_act_there_is_refused_with_those_that_can(algorithm, actions, fitting):
    with pytest.raises(ConfigurationError, match=fitting):
        train(algorithm, actions=actions)


def test_every_algorithm_is_tried_on_a_space_that_it_acts_in():
    assert all(isinstance(SPACES[ACTIONS[name]], kind.action_spaces) for name, kind in ALGORITHMS.items())


def test_training_in_reality_is_refused():
    with pytest.raises(ConfigurationError, match="world must be one of 'twin'"):
        training.train("FeedbackInterval", world="reality", steps=64, seed=0, num_envs=1)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"discount": 1.1}, "discount"),
        ({"hidden": []}, "hidden"),
        ({"hidden": [8.5]}, r"hidden\[0\] must be an integer"),
        ({"hiden": [8]}, "did you mean 'hidden'"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(name, change, message):
    with pytest.raises(ConfigurationError, match=message):
        configure(name, change)


@pytest.mark.parametrize(
    ("name", "change"),
    [("ppo", {"epochs": 0}), ("ppo", {"rollout_steps": 1.5}), ("ppo", {"entropy": -1.0}), ("dqn", {"explored": 2.0})],
)
def test_hyperparameters_of_one_algorithm_out_of_range_are_refused(name, change):
    with pytest.raises(ConfigurationError, match=next(iter(change))):
        configure(name, change)


def test_rollout_that_cannot_be_parted_is_refused():
    with pytest.raises(ConfigurationError, match="batches must divide"):
        PpoConfiguration(rollout_steps=3, batches=2).arguments(1)


@pytest.mark.parametrize("text", ["", "[]", "{num_ue: 2}"])
def test_options_that_are_no_object_are_refused(text):
    with pytest.raises(ConfigurationError, match="options must be a JSON object"):
        parse_json_object("options", text)


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
            progress=partial(interrupt, 32),
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


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_finished_training_goes_on_to_more_steps_from_its_weights(algorithm, tmp_path, monkeypatch):
    first, card = train(algorithm, steps=128, folder=tmp_path)
    begun = []
    real = training.restore

    def restore(folder, model):
        real(folder, model)
        begun.append(torch.cat([tensor.flatten() for tensor in model.policy.state_dict().values()]))

    monkeypatch.setattr(training, "restore", restore)
    points = [list(point) for point in card.learning_curve]
    told = []
    second, more = train(algorithm, steps=512, folder=tmp_path, progress=lambda steps, _: told.append(steps))
    assert torch.equal(begun[0], weights(first))
    assert not torch.equal(weights(second), weights(first))
    assert (told[0], told[-1], more.steps) == (128, 512, 512)
    assert more.learning_curve[: len(points)] == points
    added = [steps for steps, _ in more.learning_curve[len(points) :]]
    assert added[-1] == 512
    assert len(added) >= 4
    assert torch.equal(weights(load_policy(tmp_path)[0]), weights(second))


def test_fewer_steps_than_are_done_are_refused(tmp_path):
    with pytest.raises(Interrupted):
        train("ppo", steps=256, folder=tmp_path, progress=partial(interrupt, 128))
    for steps in (64, 128):
        with pytest.raises(ConfigurationError, match=f"steps must be more than the 128 .* got {steps}"):
            train("ppo", steps=steps, folder=tmp_path)


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


def test_a_clock_that_goes_back_changes_nothing(monkeypatch):
    expected, seconds = weights(train("ppo")[0]), itertools.count(-(10**6), -1)
    monkeypatch.setattr("time.time", lambda: 2e9 + next(seconds))
    monkeypatch.setattr("time.time_ns", lambda: 2 * 10**18 + 10**9 * next(seconds))
    assert torch.equal(weights(train("ppo")[0]), expected)


def test_a_training_under_an_ascii_locale_may_have_any_folder(tmp_path, monkeypatch):
    out = tmp_path / "a run in München"
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    status, said, errors = stopping.run(TRAIN, "never", *training_command(out), stop=False)
    assert (status, errors) == (0, "")
    assert f"wrote {out}" in said
    assert {path.name for path in out.iterdir()} == {"tensorboard", CARD_FILE, WEIGHTS_FILE, CHECKPOINT_FILE}
