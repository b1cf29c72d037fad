import json

from competitors import few
from typer.testing import CliRunner

from twin_envs.agents import train as training
from twin_envs.agents.learning.saving import load_policy
from twin_envs.benchmarks import decisions, demo
from twin_envs.benchmarks.report import site_map
from twin_envs.benchmarks.studies.setting import StudyBudget

OPTIONS = {"num_ue": 2, "episode_slots": 100}
TINY = decisions.Budget(
    episodes=3,
    training_episodes=2,
    fixed_shown=2,
    studies=StudyBudget(
        episodes=2, periods_slots=(160, 320), csi_uplink_shares=(0.02,), optimum_episodes=1, optimum_slots=100
    ),
)


def test_demo_leaves_a_policy_its_figures_and_a_report(tmp_path, monkeypatch):
    real = decisions.run

    def run(env, budget, seed, options, policies, progress, *, trainings, jobs):
        assert jobs == 2
        return real(env, budget, seed, options, policies, progress, trainings=trainings)

    monkeypatch.setattr(decisions, "run", run)
    monkeypatch.setattr(decisions, "contenders", few)
    monkeypatch.setattr(demo, "OPTIONS", OPTIONS)
    monkeypatch.setattr(demo, "BUDGET", TINY)
    monkeypatch.setattr(demo, "PPO_STEPS", 1)
    monkeypatch.setattr(demo, "PPO_ENVS", 2)
    monkeypatch.setattr(training, "CURVE_EPISODES", 2)
    monkeypatch.setattr(site_map, "EPISODE_SLOTS", 200)
    app = demo.typer.Typer()
    app.command()(demo.main)
    result = CliRunner().invoke(app, ["--out", str(tmp_path), "--seed", "1"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("  0%")
    assert lines[0].endswith("to go  comparing policies: ppo")
    assert any(line.startswith("done in") for line in lines)
    _, card = load_policy(tmp_path / "ppo")
    assert card.options["world"] == "twin"
    document = json.loads((tmp_path / "decisions.json").read_text())
    assert document["figures"]["FeedbackInterval"]["trained"]["ppo"]["seed"] == card.seed
    page = (tmp_path / "report.html").read_text()
    oracle = document["figures"]["FeedbackInterval"]["policies"]["oracle"]["mean"]
    assert f"{oracle:.3f}" in page
    assert f"{oracle:.3f}" in result.output
    assert (tmp_path / "report.html").as_uri() in result.output
