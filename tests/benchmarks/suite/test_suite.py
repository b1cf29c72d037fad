"""The benchmark from protocol to ranking, on toys whose optimum is known."""

import importlib
import json
import sys

import gymnasium
import pytest
import suite_toys
from damage import flip_bit
from typer.testing import CliRunner

import twin_envs
from twin_envs.agents.learning.saving import PolicyCard, save_policy
from twin_envs.agents.learning.spaces import describe_space
from twin_envs.base.errors import ConfigurationError, DependencyMissing, SiteError, TwinEnvsError
from twin_envs.benchmarks.suite import jobs
from twin_envs.benchmarks.suite.protocol import protocol_names, read_protocol

command = importlib.import_module("twin_envs.benchmarks.suite.__main__")

PROTOCOL = f"""
description = "Toys."
seed = 3
episodes = 6
training_episodes = 4
held_out = ["munich-uav"]

[[tasks]]
envs = ["{suite_toys.ENV}"]
sites = ["munich", "munich-uav"]
variants = {{ short = {{ episode_slots = 40 }}, long = {{}} }}
"""
NAMES = {"random", "best-fixed", "rule", "twin-rule", "oracle"}
TASK = "toys/Guess-v0/munich/short"


twin_envs.unregister(suite_toys.ID)  # importing it registered it, for other tests of this process, too


@pytest.fixture(autouse=True)
def toys():
    suite_toys.add()
    yield
    twin_envs.unregister(suite_toys.ID)


@pytest.fixture
def protocol(tmp_path):
    path = tmp_path / "toys.toml"
    path.write_text(PROTOCOL)
    return path


@pytest.fixture
def play(tmp_path, protocol):
    """Runs the command; gives what it printed and, if it succeeded, the figures."""
    app = command.typer.Typer()
    app.command()(command.main)

    def run(*arguments, name="result", fails=None):
        path = tmp_path / f"{name}.json"
        places = ["--protocol", str(protocol), "--run", str(tmp_path / "run"), "--json", str(path)]
        result = CliRunner().invoke(app, [*places, *arguments])
        if fails:
            assert isinstance(result.exception, fails), result.output
            return str(result.exception), None
        assert result.exit_code == 0, (result.output, result.exception)
        document = json.loads(path.read_text())
        assert document["benchmark"] == "suite"
        return result.output, document["figures"]

    return run


def returns(figures):
    return {
        (task, name): outcome["returns"]
        for task, told in figures["tasks"].items()
        for name, outcome in told["policies"].items()
        if "failed" not in outcome
    }


def test_policies_are_ranked_and_normalised(play):
    output, figures = play()
    assert set(figures["boards"]) == {"all tasks", "sites held out", "other sites", "variant short", "variant long"}
    assert set(figures["tasks"][TASK]["policies"]) == NAMES
    board = figures["boards"]["all tasks"]
    ranks = {name: entry["rank"] for name, entry in board["entries"].items()}
    assert ranks["oracle"] is None
    assert ranks["twin-rule"] == 1
    assert sorted(rank for rank in ranks.values() if rank) == [1, 2, 3, 4]
    entries = board["entries"]
    assert entries["best-fixed"]["normalised"] == {"iqm": 0.0, "low": 0.0, "high": 0.0}
    assert entries["oracle"]["normalised"]["iqm"] == pytest.approx(1.0, abs=0.15)
    assert 0 < entries["rule"]["normalised"]["iqm"] < entries["twin-rule"]["normalised"]["iqm"] < 1
    assert entries["oracle"]["improvement"]["best-fixed"]["probability"] == 1.0
    assert figures["tasks"][TASK]["policies"]["twin-rule"]["choice"] == "near"
    assert "4 tasks" in output


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_second_run_in_one_process_or_two_gives_the_same_scores(play, tmp_path, jobs):
    _, first = play("--task", TASK)
    _, second = play("--task", TASK, "--run", str(tmp_path / "again"), "--jobs", jobs)
    assert returns(first) == returns(second)
    assert first["boards"] == second["boards"]


def test_a_run_goes_on_from_what_is_there_and_plays_damaged_files_anew(play, tmp_path, monkeypatch):
    _, whole = play()
    kept = tmp_path / "run" / TASK / "rule.json"
    lost, damaged = kept.with_name("oracle.json"), kept.with_name("random.json")
    before = kept.read_bytes()
    lost.unlink()
    flip_bit(damaged)
    played = []
    real = command.engine.play_job
    monkeypatch.setattr(command.engine, "play_job", lambda job, tell: played.append(job.policy) or real(job, tell))
    output, again = play()
    assert sorted(played) == ["oracle", "random"]
    assert f"{damaged} is damaged" in output
    assert returns(again) == returns(whole)
    assert kept.read_bytes() == before


def test_a_run_that_was_killed_keeps_what_was_done(play, tmp_path, monkeypatch):
    real, played = command.engine.play_job, []

    def killed(job, tell):
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append(job.policy)
        return real(job, tell)

    with monkeypatch.context() as patched:
        patched.setattr(command.engine, "play_job", killed)
        play(fails=SystemExit)
    assert len(list((tmp_path / "run").rglob("*.json"))) == 3
    monkeypatch.setattr(command.engine, "play_job", lambda job, tell: played.append(job.policy) or real(job, tell))
    play()
    assert len(played) == 20


def test_outcomes_of_another_protocol_do_not_count(play, protocol):
    play()
    protocol.write_text(PROTOCOL.replace("seed = 3", "seed = 4"))
    output, _ = play("--task", TASK)
    assert output.count("another version") == 5


BAD = {
    "Raises": "predict raised ZeroDivisionError: division of my own",
    "Exits": "predict raised SystemExit: enough",
    "FailsToAttach": "attach raised RuntimeError: no such capability",
    "CannotBeMade": "making it raised OSError: no weights",
    "Nan": "actions must be finite, got NaN",
    "WrongShape": "actions must be of shape (6,), got (6, 2)",
    "Outside": "actions must be in Discrete(4), got",
    "NoState": "predict must return actions and a state",
    "FailsLater": "predict raised ValueError: tired",
}


def test_policies_that_fail_are_told_with_the_reason_and_the_run_goes_on(play, tmp_path):
    play()
    asked = [word for name in (*BAD, "Mine") for word in ("--policy", f"suite_toys:{name}")]
    output, figures = play(*asked, "--against", str(tmp_path / "result.json"), "--task", TASK, name="bad")
    board = figures["boards"]["all tasks"]
    for name, reason in BAD.items():
        entry = board["entries"][f"suite_toys:{name}"]
        assert reason in entry["failed"][TASK]
        assert entry["rank"] is None
        assert "normalised" not in entry
        assert reason in output
    assert board["entries"]["suite_toys:Mine"]["rank"] == 1


def test_somebody_else_s_policy_alone_is_played_beside_a_result(play, tmp_path, monkeypatch):
    _, ours = play()
    played = []
    real = command.engine.play_job
    monkeypatch.setattr(command.engine, "play_job", lambda job, tell: played.append(job.policy) or real(job, tell))
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    (tmp_path / "result.json").rename(tmp_path / "suite-toys.json")  # as if it were committed
    _, theirs = play("--policy", "suite_toys:Mine", "--policy", "suite_toys:Cheat", name="mine")
    assert set(played) == {"suite_toys:Mine", "suite_toys:Cheat"}
    both = returns(theirs)
    assert {key: both[key] for key in returns(ours)} == returns(ours)
    entries = theirs["boards"]["all tasks"]["entries"]
    assert entries["suite_toys:Mine"]["kind"] == "own"
    assert entries["suite_toys:Mine"]["rank"] == 1
    assert entries["suite_toys:Cheat"]["kind"] == "oracle"
    assert entries["suite_toys:Cheat"]["rank"] is None


def test_only_runs_of_the_same_episodes_compare(play, tmp_path, protocol):
    play()
    asked = ["--policy", "suite_toys:Mine", "--against", str(tmp_path / "result.json")]
    for old, new, field in [
        ("seed = 3", "seed = 5", "evaluation_seeds"),
        ("episode_slots = 40", "episode_slots = 20", "options"),
        ("short = ", "brief = ", "no task 'toys/Guess-v0/munich/brief'"),
    ]:
        protocol.write_text(PROTOCOL.replace(old, new))
        told, _ = play(*asked, name="other", fails=ConfigurationError)
        assert field in told


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("--task", "toys/Guess-v0/munich/shor"), "did you mean 'toys/Guess-v0/munich/short'?"),
        (("--env", "FeedbackIntervall"), "did you mean 'FeedbackInterval'?"),
        (("--env", "FeedbackInterval"), "env of protocol 'toys' must be one of 'toys/Guess-v0'"),
        (("--policy", "twin-rulr"), "did you mean 'twin-rule'?"),
        (("--policy", "suite_toys:Mein"), "did you mean 'Mine'?"),
        (("--protocol", "quik"), "did you mean 'quick'?"),
        (("--jobs", "0"), "jobs must be from 1"),
        (("--against", "x.json"), "against is for --policy"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(play, tmp_path, arguments, nearest):
    against = []
    if arguments[0] == "--policy":
        play(name="result")
        against = ["--against", str(tmp_path / "result.json")]
    told, _ = play(*arguments, *against, fails=ConfigurationError)
    assert nearest in told


@pytest.fixture
def trained(tmp_path):
    """Writes an untrained network as if it had been trained at a site; gives its folder."""

    def write(site):
        space = gymnasium.spaces.Discrete(4)
        card = PolicyCard(
            env=suite_toys.ID,
            algorithm="ppo",
            options={"world": "twin", "site": site},
            seed=0,
            steps=1,
            num_envs=1,
            hyperparameters={"hidden": [8]},
            observation=["wanted", "turn"],
            action_space=describe_space(space),
            commit=None,
            learning_curve=[[0, 0.5]],
        )
        save_policy(tmp_path / "trained", card, card.new_policy())
        return str(tmp_path / "trained")

    return write


def test_a_trained_policy_plays_the_tasks_of_its_environment(play, tmp_path, trained):
    play("--task", TASK)
    folder = trained("munich")
    _, figures = play("--task", TASK, "--policy", folder, "--against", str(tmp_path / "result.json"), name="mine")
    assert figures["boards"]["all tasks"]["entries"][folder]["kind"] == "own"
    assert len(figures["tasks"][TASK]["policies"][folder]["returns"]) == 6


def test_what_was_trained_at_a_site_that_is_held_out_is_refused(play, tmp_path, trained):
    play()
    against = ["--against", str(tmp_path / "result.json")]
    told, _ = play("--policy", trained("munich-uav"), *against, fails=ConfigurationError)
    assert "was trained at 'munich-uav', which the protocol holds out" in told


def test_a_result_of_other_episodes_is_refused(play, tmp_path):
    play("--task", TASK)
    path = tmp_path / "result.json"
    document = json.loads(path.read_text())
    asked = ["--task", TASK, "--policy", "suite_toys:Mine", "--against", str(path)]
    document["figures"]["tasks"][TASK]["config"]["num_ue"] = 77  # as if the default had been another
    path.write_text(json.dumps(document))
    told, _ = play(*asked, name="mine", fails=ConfigurationError)
    assert f"config of task {TASK!r} must be equal in both runs, got num_ue" in told
    for field in ("config", "policies"):
        del document["figures"]["tasks"][TASK][field]
        path.write_text(json.dumps(document))
        told, _ = play(*asked, name="mine", fails=ConfigurationError)
        assert "a task lacks one of id, site, options, config, policies" in told


def test_what_is_committed_can_be_compared_with_and_is_what_is_earned_now(play):
    """Options that are newer than the committed result are as they were when there were none."""
    _, figures = play("--protocol", "quick", "--policy", "random", "--env", "BeamSelection", "--env", "TwinFidelity")
    committed = json.loads((command.RESULTS / "suite-quick.json").read_text())["figures"]["tasks"]
    assert {task["env"] for task in figures["tasks"].values()} == {"BeamSelection", "TwinFidelity"}
    for name, task in figures["tasks"].items():
        earned = committed[name]["policies"]["random"]["returns"]
        assert task["policies"]["random"]["returns"] == pytest.approx(earned, rel=0.02)
        assert set(task["policies"]) == set(committed[name]["policies"])


def test_without_a_result_to_stand_beside_the_command_says_how_to_make_one(play):
    told, _ = play("--policy", "suite_toys:Mine", fails=ConfigurationError)
    assert "--json FILE` plays all of ours, and --against FILE names what it wrote" in told


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("episodes = 6", "episode = 6", ConfigurationError, "has no field 'episode'; did you mean 'episodes'?"),
        ("seed = 3", "", ConfigurationError, "must have seed"),
        ("episodes = 6", "episodes = 1", ConfigurationError, "episodes must be from 2"),
        ("seed = 3", "seed = -1", ConfigurationError, "seed must be from 0"),
        ("episode_slots", "episode_slot", ConfigurationError, "did you mean 'episode_slots'?"),
        ("[[tasks]]", "[[task]]", ConfigurationError, "did you mean 'tasks'?"),
        ("sites =", "site =", ConfigurationError, "did you mean 'sites'?"),
        ('held_out = ["munich-uav"]', 'held_out = ["munic"]', ConfigurationError, "did you mean 'munich'?"),
        ('"munich", ', '"munic", ', SiteError, "did you mean 'munich'?"),
        ("long = {}", 'long = { site = "munich" }', ConfigurationError, "named by sites"),
        ("long = {}", "long = 3", ConfigurationError, "must be tables"),
        ('"munich", ', '"munich", "munich", ', ConfigurationError, "different names"),
        ("seed = 3", "seed =", ConfigurationError, "must be TOML"),
    ],
)
def test_a_protocol_is_refused_by_field_and_value(protocol, old, new, error, message):
    protocol.write_text(PROTOCOL.replace(old, new))
    with pytest.raises(error, match=message.replace("?", r"\?").replace("[", r"\[")):
        read_protocol(protocol)


def test_sites_that_are_not_built_are_told_before_anything_is_played(play, protocol):
    protocol.write_text(PROTOCOL.replace('"munich", ', '"munich", "etoile-severe", "florence", '))
    told, _ = play(fails=SiteError)
    assert "`twin-envs site build etoile-severe`, `twin-envs site build florence`" in told


@pytest.mark.parametrize("name", protocol_names())
def test_protocols_that_ship_hold_sites_and_seeds_out(name):
    protocol = read_protocol(name)
    assert {task.site for task in protocol.tasks if task.held_out} == set(protocol.held_out)
    assert any(not task.held_out for task in protocol.tasks)
    seeds = {read_protocol(other).seed for other in protocol_names()}
    assert len(seeds) == len(protocol_names())
    assert protocol.seed != 0  # on which the other benchmarks evaluate


def test_a_worker_with_another_version_is_refused(protocol):
    chosen = read_protocol(str(protocol))
    job = jobs.Job(task=chosen.tasks[0], policy="rule", seed=3, episodes=2, training_episodes=2)
    definition = job.definition()
    assert len(jobs.play_the_same(job, definition)["returns"]) == 2
    with pytest.raises(TwinEnvsError, match=r"another version of site, code than"):
        jobs.play_the_same(job, {**definition, "code": "other", "site": "other"})


def test_options_of_another_engine_are_refused(play):
    assert "processes" in play("--engine", "proces", fails=ConfigurationError)[0]
    assert "jobs must be 1" in play("--engine", "ray", "--jobs", "2", fails=ConfigurationError)[0]
    assert "address is for engine 'ray'" in play("--address", "auto", fails=ConfigurationError)[0]


def test_without_ray_the_engine_says_how_to_get_it(play, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "twin_envs.benchmarks.suite.ray_engine", raising=False)
    assert "pip install '.[ray]'" in play("--engine", "ray", fails=DependencyMissing)[0]


def test_a_cluster_gives_the_same_scores_and_plays_anew_what_a_worker_lost(play, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra ray, which is not among those of the tests")
    monkeypatch.setenv("LOST_ONCE", str(tmp_path / "lost"))
    mine = ("--policy", "suite_toys:DiesOnce", "--policy", "rule")
    _, on_cluster = play("--engine", "ray", *mine, "--against", str(_played(play, tmp_path)), name="cluster")
    assert (tmp_path / "lost").exists()
    _, here = play(*mine, "--run", str(tmp_path / "here"), "--against", str(tmp_path / "all.json"), name="here")
    assert returns(on_cluster) == returns(here)
    assert (
        "address must be of a Ray cluster"
        in play(
            "--engine", "ray", "--address", "127.0.0.1:1", "--run", str(tmp_path / "none"), fails=ConfigurationError
        )[0]
    )


def _played(play, tmp_path):
    play(name="all")
    return tmp_path / "all.json"
