import io
import json

import numpy as np
import pytest
from benchmarks.contenders import choose_period, evaluation_seeds, fixed_policies, training_seeds
from benchmarks.rollout import Episodes, evaluate
from rich.console import Console
from typer.testing import CliRunner

from agents.environments import make_envs
from agents.policies import FixedPolicy, RandomPolicy
from agents.train import PpoConfiguration
from benchmarks import decisions, figures
from benchmarks.decisions import Budget
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.errors import ConfigurationError

OPTIONS = {"num_ue": 2, "episode_slots": 200}


@pytest.fixture(scope="module")
def envs():
    return make_envs("FeedbackInterval", 3, **OPTIONS)


@pytest.fixture(scope="module")
def random_run(envs):
    return evaluate(RandomPolicy(0), envs, [5, 6, 7])


def test_returns_are_those_of_each_seed_alone(envs):
    run = evaluate(FixedPolicy(6), envs, [11, 5, 8])
    alone = make_envs("FeedbackInterval", 1, **OPTIONS)
    for index, seed in enumerate([11, 5, 8]):
        alone.reset(seed=[seed])
        total, over = 0.0, False
        while not over:
            _, rewards, _, truncated, _ = alone.step(np.array([6]))
            total, over = total + rewards[0], truncated[0]
        assert run.returns[index] == pytest.approx(total, rel=1e-5)


def test_same_seeds_give_the_same_episodes(envs, random_run):
    again = evaluate(RandomPolicy(0), envs, [5, 6, 7])
    assert np.array_equal(random_run.returns, again.returns)
    assert np.array_equal(random_run.ap, again.ap)
    assert all(np.array_equal(random_run.steps[name], again.steps[name]) for name in random_run.steps)


def test_steps_tell_one_whole_episode_each(random_run):
    steps, num_ue, length = random_run.steps, OPTIONS["num_ue"], OPTIONS["episode_slots"]
    for episode in range(3):
        mine = steps["episode"] == episode
        assert steps["elapsed_slots"][mine].sum() == length
        ends = np.cumsum(steps["elapsed_slots"][mine])
        assert np.array_equal(steps["time_slots"][mine], np.concatenate([[0], ends[:-1]]))
        assert np.array_equal(steps["decided_ue"][mine][1:], steps["ue"][mine][:-1])
        terms = steps["delivered"] - steps["pilot_cost"] - steps["feedback_cost"]
        assert terms[mine].sum() == pytest.approx(random_run.returns[episode], rel=1e-5)
    count = len(steps["episode"])
    assert steps["position_m"].shape == (count, num_ue, 2)
    assert all(len(values) == count for values in steps.values())
    assert np.allclose(steps["share"].sum(1), 1.0, atol=1e-5) | (steps["delivered"] == 0).any()


def test_progress_rises_to_one(envs):
    told = []
    evaluate(FixedPolicy(8), envs, [0, 1, 2], told.append)
    assert told == sorted(told)
    assert 0.0 < told[0] < 1.0
    assert told[-1] == 1.0


def test_contributions_of_the_ues_add_up_to_the_return(random_run):
    added, speed = figures.contribution(random_run)
    assert added.shape == speed.shape == (3, OPTIONS["num_ue"])
    assert np.allclose(added.sum(1), random_run.returns, rtol=1e-5)


def test_training_and_evaluation_seeds_never_meet():
    training = {s for seed in range(100) for s in (training_seeds(seed, 10_000)[0], training_seeds(seed, 10_000)[-1])}
    evaluation = {evaluation_seeds(seed, 10_000)[0] for seed in range(100)}
    assert max(training) < min(evaluation)
    assert not set(evaluation_seeds(0, 96)) & set(evaluation_seeds(1, 96))
    for wrong in ((-1, 1), (100, 1), (0, 0), (0, 10_001)):
        with pytest.raises(ConfigurationError, match=r"(seed|episodes) must be"):
            training_seeds(*wrong)


def test_chosen_period_is_the_best_on_the_given_seeds(envs):
    best, returns = choose_period(envs, [0, 1, 2], lambda what, share: None, periods=(10, 320))
    assert set(returns) == {10, 320}
    assert returns[best] == max(returns.values())
    assert returns[10] == pytest.approx(evaluate(fixed_policies()[10], envs, [0, 1, 2]).returns.mean())


def made_up(actions, speed, los, known):
    """An episode of one UE with the given decisions, one in each slot."""
    count = len(actions)
    zeros = np.zeros(count, np.int64)
    steps = {
        "episode": zeros,
        "decided_ue": zeros,
        "ue": zeros,
        "action": np.array(actions),
        "speed": np.array(speed),
        "twin_los_probability": np.array(los),
        "known": np.array(known),
        "delivered": np.ones(count),
        "pilot_cost": np.full(count, 0.25),
        "feedback_cost": np.full(count, 0.25),
        "share": np.ones((count, 1)),
    }
    return Episodes(seeds=zeros[:1], returns=np.array([0.5 * count]), ap=zeros[:1], steps=steps)


def test_periods_by_speed_sort_decisions_by_speed_and_sight():
    los = [0.9, 0.9, 0.1, 0.9, 0.9, 0.0]
    run = made_up([0, 1, 2, 9, 9, 8], [1.0, 1.2, 1.4, 0.1, 0.2, 9.0], los, [1, 1, 1, 1, 1, 0])
    found = figures.periods_by_speed(run)
    assert found["walking"]["all"]["median_slots"] == 5.0
    assert found["walking"]["los"]["median_slots"] == 4.5
    assert found["walking"]["nlos"] == {
        "median_slots": 8.0,
        "low_quartile_slots": 8.0,
        "high_quartile_slots": 8.0,
        "decisions": 1,
    }
    assert found["still"]["all"]["decisions"] == 2
    assert set(found["driving"]) == {"all"}


def test_best_period_by_speed_compares_contributions():
    runs = {4: made_up([0, 0], [1.0, 1.0], [1, 1], [1, 1]), 40: made_up([6] * 3, [1.0] * 3, [1] * 3, [1] * 3)}
    found = figures.best_fixed_by_speed(runs)
    assert found == {"walking": {"best_period_slots": 40, "mean_contribution": {"4": 1.0, "40": 1.5}}}


def test_headroom_is_relative_to_the_best_fixed_period():
    best = made_up([0, 0], [1.0] * 2, [1] * 2, [1] * 2)
    oracle = made_up([0, 0, 0], [1.0] * 3, [1] * 3, [1] * 3)
    assert figures.headroom(best, oracle) == pytest.approx(0.5)


def test_command_writes_figures_and_trace(tmp_path, monkeypatch):
    tiny = Budget(
        episodes=3,
        training_episodes=2,
        study_episodes=2,
        study_periods_slots=(40, 160),
        uplink_periods_slots=(40,),
        optimum_episodes=2,
        optimum_slots=100,
        doppler_constants=2,
        ppo_steps=1,
        ppo_envs=2,
        ppo=PpoConfiguration(rollout_steps=16, batches=2),
    )
    monkeypatch.setattr(decisions, "QUICK", tiny)
    app = decisions.typer.Typer()
    app.command()(decisions.main)
    path = tmp_path / "decisions.json"
    arguments = ["--quick", "--seed", "2", "--options", json.dumps(OPTIONS), "--json", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    read = json.loads(path.read_text())["figures"]["FeedbackInterval"]
    names = {"random", "best-fixed", "doppler", "twin", "ppo", "oracle"} | {f"fixed-{p}" for p in REPORT_PERIODS_SLOTS}
    assert set(read["policies"]) == names
    assert all(score["low"] <= score["mean"] <= score["high"] for score in read["policies"].values())
    best, oracle = (read["policies"][name]["mean"] for name in ("best-fixed", "oracle"))
    assert read["headroom"] == pytest.approx((oracle - best) / best)
    assert best == read["policies"][f"fixed-{read['best_fixed']['period_slots']}"]["mean"]
    assert read["paired"]["oracle - best-fixed"]["mean"] == pytest.approx(oracle - best)
    assert set(read["headroom_by_uplink"]) == {"40"}
    one_ue = read["one_ue"]
    planned = [one_ue[name] for name in ("oracle", "twin", *(f"fixed-{p}" for p in REPORT_PERIODS_SLOTS))]
    assert one_ue["optimum"] >= max(planned) - 1e-6
    assert read["ppo"]["options"]["world"] == "twin"
    assert "gain_mae_db" in read["gap"]
    assert "best-fixed" in result.output
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        assert len(arrays["twin/speed"]) == len(arrays["twin/period_slots"])


def test_bar_tells_what_is_done_and_goes_on_until_the_end():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with decisions.progress_bar(console) as progress:
        progress("tuning", 1.0)
        progress("evaluating", 0.25)
        progress("done", 1.0)
    shown = console.file.getvalue()
    assert "done" in shown
    assert "100%" in shown
