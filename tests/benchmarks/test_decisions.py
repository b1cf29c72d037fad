import dataclasses
import json

import numpy as np
import pytest
import suite_toys
from toy_task import make_toys
from typer.testing import CliRunner

import twin_envs
from twin_envs.agents import train as training
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.rollout import Episodes
from twin_envs.agents.learning.algorithms import PpoConfiguration
from twin_envs.agents.learning.saving import save_policy
from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks import decisions, pieces
from twin_envs.benchmarks.decisions import Budget
from twin_envs.benchmarks.suite import figures
from twin_envs.benchmarks.suite.figures import Roles
from twin_envs.world.store.site import load_site

TINY = Budget(
    episodes=4,
    training_episodes=8,
    fixed_shown=3,
    ppo_steps=64,
    ppo_envs=4,
    ppo=PpoConfiguration(rollout_steps=16, batches=2, hidden=(8,)),
)


class Rule:
    """Takes the action that is wanted, with an error."""

    def __init__(self, off):
        self.off = off

    def attach(self, network):
        self.space = network.action_space

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        wanted = np.clip(observation[:, :1] + self.off, 0, 1)
        if hasattr(self.space, "nvec"):
            return np.round(wanted * (self.space.nvec - 1)).astype(np.int64), None
        if hasattr(self.space, "n"):
            return np.round(wanted[:, 0] * (self.space.n - 1)).astype(np.int64), None
        return (wanted * self.space.high).astype(np.float32), None


def rivals(actions):
    fixed = {f"fixed-{a}": FixedPolicy(a) for a in range(4)}
    if actions != "Discrete":
        fixed = {"fixed-low": Rule(-1.0), "fixed-high": Rule(1.0)}
    return Contenders(
        fixed=fixed,
        tuned={"rule": {-0.4: Rule(-0.4), 0.3: Rule(0.3)}, "twin-rule": {0.0: Rule(0.0), 0.6: Rule(0.6)}},
        ready={"twin-plan": Rule(0.2), "oracle": Rule(0.0)},
        reference="rule",
    )


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setattr(decisions, "make_envs", make_toys)
    monkeypatch.setattr(pieces, "make_envs", make_toys)
    monkeypatch.setattr(training, "make_envs", make_toys)
    monkeypatch.setattr(training, "CURVE_EPISODES", 4)
    monkeypatch.setattr(decisions, "study", lambda setting: {"studied": setting.drawn})


def run(policies=(), seed=0, options=None, told=None, train=False, **more):
    """What comes of a comparison; the names of its pieces are added to `told`."""
    options, told = options or {}, [] if told is None else told
    trainings = decisions.trainings("FeedbackInterval", TINY, seed, options) if train else {}
    return decisions.run(
        "FeedbackInterval",
        TINY,
        seed,
        options,
        policies,
        lambda what, share, detail: told.append(detail),
        trainings=trainings,
        **more,
    )


@pytest.mark.parametrize("actions", ["Discrete", "MultiDiscrete", "Box"])
def test_any_task_can_be_compared(toys, monkeypatch, actions):
    monkeypatch.setattr(decisions, "contenders", lambda env, envs: rivals(actions))
    told = []
    result, runs, roles = run(options={"actions": actions}, told=told, train=True)
    fixed = (
        {"fixed-low", "fixed-high"} if actions != "Discrete" else set(result["policies"]) & set(rivals(actions).fixed)
    )
    assert len(fixed) == (3 if actions == "Discrete" else 2)
    assert set(result["policies"]) == fixed | {
        "random",
        "best-fixed",
        "rule",
        "twin-rule",
        "twin-plan",
        "ppo",
        "ppo-raw",
        "oracle",
    }
    means = {name: score["mean"] for name, score in result["policies"].items()}
    assert result["policies"]["best-fixed"] == result["policies"][result["chosen"]["best-fixed"]["choice"]]
    played = {key: told["episodes"] for key, told in result["chosen"]["rule"]["training_returns"].items()}
    assert played == {"0.3": 8, "-0.4": 8}
    assert result["headroom"] == pytest.approx(means["oracle"] / means["best-fixed"] - 1)
    assert result["chosen"]["rule"]["choice"] == 0.3
    assert result["chosen"]["twin-rule"]["choice"] == 0.0
    assert roles == Roles(
        rivals=("rule", "twin-rule", "twin-plan", "ppo", "ppo-raw", "oracle"),
        reference="rule",
        twins=("twin-rule", "twin-plan"),
        best_twin="twin-rule",
        trained=("ppo", "ppo-raw"),
    )
    difference = result["paired"]["twin-rule - rule"]
    assert difference["mean"] == pytest.approx(means["twin-rule"] - means["rule"])
    assert difference["low"] > 0
    assert all(card["options"]["world"] == "twin" for card in result["trained"].values())
    learnt = {name: card["hyperparameters"] for name, card in result["trained"].items()}
    assert learnt["ppo-raw"] == learnt["ppo"] | {"reward": "raw", "discount": 0.99}
    assert learnt["ppo"]["reward"] == "relative"
    assert result["studied"] == roles.drawn == ("rule", "twin-rule", "ppo", "ppo-raw", "oracle")
    json.dumps(result, allow_nan=False)
    arrays = figures.trace(runs, roles)
    assert len(arrays["oracle/action"]) == 4 * 8
    assert set(runs["random"].steps) <= set(figures.LINK)
    assert {"fixed choices", "rule", "twin-rule", "ppo", "ppo-raw", "oracle"} <= set(told)


def test_trained_policies_can_be_given_once_for_each_algorithm(toys, monkeypatch, tmp_path):
    monkeypatch.setattr(decisions, "contenders", lambda env, envs: rivals("Discrete"))
    folders = {"relative": tmp_path / "ppo", "raw": tmp_path / "raw"}
    for reward, folder in folders.items():
        configuration = dataclasses.replace(TINY.ppo, reward=reward)
        policy, card = training.train(
            "FeedbackInterval", world="twin", steps=64, seed=0, num_envs=4, configuration=configuration
        )
        save_policy(folder, card, policy)

    result, _, roles = run(list(folders.values()))
    assert roles.trained == ("ppo", "ppo-raw")
    assert [card["seed"] for card in result["trained"].values()] == [0, 0]
    with pytest.raises(ConfigurationError, match="once for each algorithm"):
        run([folders["raw"], folders["raw"]])
    with pytest.raises(ConfigurationError, match="once for each algorithm"):
        run([folders["raw"]], train=True)


def episodes(returns, **steps):
    return Episodes(seeds=np.arange(len(returns)), returns=np.array(returns), steps=steps)


def test_comparisons_are_those_that_the_roles_ask_for():
    roles = Roles(
        rivals=("rule", "twin", "ppo", "oracle"), reference="rule", twins=("twin",), best_twin="twin", trained=("ppo",)
    )
    assert [" ".join(pair) for pair in roles.comparisons] == [
        "best-fixed random",
        "rule best-fixed",
        "twin best-fixed",
        "ppo best-fixed",
        "oracle best-fixed",
        "twin rule",
        "ppo rule",
        "ppo twin",
        "oracle twin",
    ]
    names = {"random", "best-fixed", "rule", "twin", "ppo", "oracle"}
    runs = {name: episodes(np.linspace(1, 2, 8) + 0.1 * i) for i, name in enumerate(sorted(names))}
    scores = figures.scores(runs, roles, 0)
    assert set(scores["paired"]) == {f"{a} - {b}" for a, b in roles.comparisons}
    assert set(scores["twin_margins"]) == names - {"twin", "oracle"}
    assert scores["twin_margins"]["rule"] == scores["paired"]["twin - rule"]


def test_what_the_link_lost_counts_as_long_as_the_window_was():
    run = episodes([1.0, 1.5], bler=np.array([0.1, 0.4]), outage=np.array([0.0, 1.0]), elapsed_slots=np.array([30, 10]))
    assert figures.link(run) == pytest.approx({"bler": 0.175, "outage": 0.25})
    runs = {
        "random": episodes([0.0, 0.5]),
        "best-fixed": run,
        "rule": episodes([2.0, 2.5]),
        "oracle": episodes([3.0, 3.5]),
    }
    roles = Roles(rivals=("rule", "oracle"), reference="rule", twins=(), best_twin=None, trained=())
    assert set(figures.scores(runs, roles, 0)["link"]) == {"best-fixed"}


def test_policies_that_earn_the_same_have_the_same_intervals():
    roles = Roles(rivals=("ppo", "oracle"), reference="best-fixed", twins=(), best_twin=None, trained=("ppo",))
    earned = np.random.default_rng(1).normal(size=24)
    runs = {name: episodes(earned) for name in ("random", "fixed-1", "best-fixed")}
    runs |= {name: episodes(earned**2) for name in ("ppo", "oracle")}
    scores = figures.scores(runs, roles, 3)
    assert scores["policies"]["fixed-1"] == scores["policies"]["best-fixed"] == scores["policies"]["random"]
    assert scores["paired"]["ppo - best-fixed"] == scores["paired"]["oracle - best-fixed"]
    assert scores == figures.scores(runs, roles, 3)
    assert scores["policies"]["ppo"]["low"] < scores["policies"]["ppo"]["high"]


@pytest.mark.parametrize(("seed", "first"), [(99, 990_000), (100, 2_000_000), (10**12, 2 * 10**16)])
def test_any_seed_can_be_trained_with(toys, monkeypatch, seed, first):
    monkeypatch.setattr(decisions, "contenders", lambda *_: rivals("Discrete"))
    result, _, _ = run(seed=seed, train=True)
    assert result["trained"]["ppo"]["seed"] == result["training_seeds"][0] == first
    assert result["evaluation_seeds"] == [first + 1_000_000, first + 1_000_003]


def test_contenders_without_a_rule_of_reference_are_compared_with_the_best_fixed_choice(toys, monkeypatch):
    named = rivals("Discrete")
    unnamed = Contenders(fixed=named.fixed, tuned=named.tuned, ready=named.ready)
    monkeypatch.setattr(decisions, "contenders", lambda *_: unnamed)
    result, runs, roles = run()
    assert roles.reference == roles.drawn[0] == "best-fixed"
    assert sum(result["action_shares"]["best-fixed"][0]) == pytest.approx(1.0)
    assert len(figures.trace(runs, roles)["best-fixed/action"]) == 4 * 8
    assert [name for name, run in runs.items() if "action" in run.steps] == [
        result["chosen"]["best-fixed"]["choice"],
        *(name for name in roles.rivals if name in roles.drawn),
        "best-fixed",
    ]


def test_environment_without_a_rule_or_a_twin_is_compared_with_the_best_fixed_choice():
    roles = Roles(rivals=("ppo", "oracle"), reference="best-fixed", twins=(), best_twin=None, trained=("ppo",))
    assert roles.comparisons == [("best-fixed", "random"), ("ppo", "best-fixed"), ("oracle", "best-fixed")]
    assert roles.drawn == ("best-fixed", "ppo", "oracle")


def test_headroom_is_relative_to_the_best_fixed_choice():
    assert figures.headroom(episodes([1.0, 1.0]), episodes([1.0, 2.0])) == pytest.approx(0.5)


def test_shares_of_actions_count_each_component():
    run = episodes([1.0], action=np.array([[0, 1], [2, 1], [2, 0], [2, 1]]))
    space = make_toys("toy", 1, actions="MultiDiscrete").single_action_space
    assert figures.action_shares(run, space) == [[0.25, 0, 0.75, 0], [0.25, 0.75]]
    one = episodes([1.0], action=np.array([3, 3, 0, 1]))
    assert figures.action_shares(one, make_toys("toy", 1).single_action_space) == [[0.25, 0.25, 0, 0.5]]
    assert figures.action_shares(run, make_toys("toy", 1, actions="Box").single_action_space) == []


def test_actions_are_named_after_the_fixed_choices():
    fixed = {"fixed-short": FixedPolicy(0), "fixed-long": FixedPolicy(2)}
    assert figures.action_names(fixed, make_toys("toy", 1, actions="Box").single_action_space) == []
    assert figures.action_names(fixed, make_toys("toy", 1).single_action_space) == ["short", "1", "long", "3"]


def test_two_processes_find_what_one_finds():
    budget, told = dataclasses.replace(TINY, studies=None), []
    suite_toys.add()
    try:
        trainings = decisions.trainings(suite_toys.ENV, budget, 0, {})
        one, two = (
            decisions.run(
                suite_toys.ENV,
                budget,
                0,
                {},
                ["suite_toys:Mine"],
                lambda what, share, detail: told.append(share),
                trainings=trainings,
                jobs=jobs,
            )
            for jobs in (1, 2)
        )
    finally:
        twin_envs.unregister(suite_toys.ID)
    assert two[2] == one[2]
    assert two[1].keys() == one[1].keys()
    for figures_of in (one[0], two[0]):
        for card in figures_of["trained"].values():
            assert card.pop("seconds") > 0
    assert two[0] == one[0]
    assert told[-1] == pytest.approx(1.0)


def test_nothing_is_trained_unless_it_is_asked_for(toys, monkeypatch):
    monkeypatch.setattr(decisions, "contenders", lambda env, envs: rivals("Discrete"))
    told = []
    result, _, roles = run(["suite_toys:Mine"], told=told)
    assert roles.trained == ("Mine",)
    assert result["trained"] == {}
    assert not {"ppo", "ppo-raw"} & {*result["policies"], *told}
    assert {"Mine", "oracle"} <= set(told)


def test_command_says_what_is_left_out_and_how_to_get_it(toys, monkeypatch, tmp_path):
    monkeypatch.setattr(decisions, "contenders", lambda env, envs: rivals("Discrete"))
    monkeypatch.setattr(decisions, "QUICK", TINY)
    app = decisions.typer.Typer()
    app.command()(decisions.main)
    common = ["--quick", "--no-studies", "--json", str(tmp_path / "decisions.json")]
    left_out = " ".join(CliRunner().invoke(app, common).output.split())
    assert "left out, because nothing was trained: ppo, ppo-raw. --train trains each of them" in left_out
    assert "left out" not in CliRunner().invoke(app, [*common, "--train"]).output
    refused = CliRunner().invoke(app, [*common, "--ppo-steps", "64"]).exception
    assert isinstance(refused, ConfigurationError)
    assert "without --train" in str(refused)


def test_command_writes_figures_and_trace(toys, monkeypatch, tmp_path):
    monkeypatch.setattr(decisions, "contenders", lambda env, envs: rivals("Discrete"))
    monkeypatch.setattr(decisions, "QUICK", TINY)
    app = decisions.typer.Typer()
    app.command()(decisions.main)
    path = tmp_path / "decisions.json"
    result = CliRunner().invoke(app, ["--quick", "--seed", "2", "--no-studies", "--json", str(path)])
    assert result.exit_code == 0, result.output
    assert "to go  comparing policies: fixed choices" in result.output.splitlines()[0]
    document = json.loads(path.read_text())
    assert document["provenance"]["arguments"]["studies"] is False
    read = document["figures"]["FeedbackInterval"]
    assert "studied" not in read
    assert all(score["low"] <= score["mean"] <= score["high"] for score in read["policies"].values())
    assert read["evaluation_seeds"] == [1_020_000, 1_020_003]
    assert read["training_seeds"] == [20_000, 20_007]
    assert "gain_mae_db" in read["gap"]
    assert read["site"]["name"] == "munich"
    assert read["site"]["digest"] == load_site("munich").manifest["digest"]
    assert read["question"].endswith("?")
    assert "best-fixed" in result.output
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        assert len(arrays["twin-rule/action"]) == 32
