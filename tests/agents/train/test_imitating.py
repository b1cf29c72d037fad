"""A learner that imitates a teacher, and one that goes on from there."""

import numpy as np
import pytest
from toy_task import make_toys
from toy_training import TINY, Best, Interrupted, interrupt_at, train, weights
from typer.testing import CliRunner

from twin_envs.agents import train as training
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.learning.algorithms import configure
from twin_envs.agents.learning.saving import load_policy, save_policy
from twin_envs.agents.learning.shared import SharedPolicy
from twin_envs.base.errors import ConfigurationError

LEARNING = {"updates": 30, "batch_steps": 64, "hidden": [16], "learning_rate": 0.01}


def imitate(teacher="toy_training:Best", actions="Item", steps=768, num_envs=8, **changes):
    return training.train(
        "ReportScheduling",
        world="twin",
        steps=steps,
        seed=0,
        num_envs=num_envs,
        options={"actions": actions},
        configuration=configure("dagger", TINY["dagger"] | LEARNING | {"teacher": teacher} | changes),
    )


def test_a_shared_network_does_what_its_teacher_does_be_it_good_or_bad():
    envs, seeds = make_toys("toy", 16, actions="Item"), range(100, 116)
    best, chance = (play(policy, envs, seeds).returns.mean() for policy in (Best(), RandomPolicy(0)))
    good, bad = (imitate(f"toy_training:{name}")[0] for name in ("Best", "Worst"))
    assert isinstance(good.network, SharedPolicy)
    assert play(good, envs, seeds).returns.mean() > chance + 0.8 * (best - chance)
    assert play(bad, envs, seeds).returns.mean() < 0.5 * chance


def test_decisions_count_by_what_is_at_stake():
    envs, seeds = make_toys("toy", 16, actions="Item"), range(100, 116)
    best, chance = (play(policy, envs, seeds).returns.mean() for policy in (Best(), RandomPolicy(0)))
    policy, _ = imitate("toy_training:Torn")
    assert play(policy, envs, seeds).returns.mean() > chance + 0.8 * (best - chance)


def test_at_first_the_teacher_leads_and_then_the_learner(monkeypatch):
    done = []

    def spying(env, num_envs, **options):
        envs = make_toys(env, num_envs, **options)
        if options["autoreset_mode"] == "SameStep":
            real = envs.step
            envs.step = lambda actions: done.append((observed(envs), np.array(actions))) or real(actions)
        return envs

    def observed(envs):
        return envs.task.observe(*(2 * [envs._rows(np.ones(envs.num_envs, bool))])).numpy()

    monkeypatch.setattr(training, "make_envs", spying)
    imitate(actions="Box", steps=3 * 16 * 8, mixture=0.0, updates=1)
    teacher = Best()
    teacher.space = make_toys("toy", 1, actions="Box").single_action_space
    alike = [np.isclose(teacher.act(observation), actions, atol=1e-6).all(-1) for observation, actions in done]
    assert len(alike) == 3 * 16
    assert np.all(alike[:16])
    assert not np.any(alike[16:])


def test_values_are_those_of_what_the_learner_earns():
    policy, _ = imitate(actions="Box", steps=1_536, reward="raw", discount=0.0)
    envs = make_toys("toy", 8, actions="Box")
    observation, _ = envs.reset(seed=list(range(8)))
    values = policy.network.predict_values(policy.network.obs_to_tensor(observation)[0]).detach().numpy()
    np.testing.assert_allclose(values, 10 / 80, atol=0.03)  # with no discount beyond a step: nearly all of its reward


def test_card_says_who_taught_and_whether_it_could_read_the_world():
    for teacher, privileged in (("toy_training:Best", False), ("toy_training:Knowing", True)):
        _, card = imitate(teacher, steps=128)
        assert (card.hyperparameters["teacher"], card.privileged, card.name) == (teacher, privileged, "dagger")


def test_ppo_goes_on_from_what_was_imitated(tmp_path):
    taught, before = imitate("toy_training:Knowing")
    save_policy(tmp_path, before, taught)
    more = {"hidden": (16,), "learning_rate": 1e-4}
    go_on = {"world": "twin", "steps": 256, "seed": 0, "num_envs": 8, "options": {"actions": "Item"}}
    configuration = configure("ppo", TINY["ppo"] | more)
    policy, card = training.train("ReportScheduling", **go_on, configuration=configuration, init=tmp_path)
    assert card.learning_curve[0] == [0, before.learning_curve[-1][1]]
    assert not np.array_equal(weights(policy), weights(taught))
    assert (card.name, card.privileged, card.begun_from["algorithm"]) == ("dagger-ppo", True, "dagger")
    save_policy(tmp_path / "more", card, policy)
    assert load_policy(tmp_path / "more")[1] == card
    with pytest.raises(ConfigurationError, match="must hold"):
        training.train("ReportScheduling", **go_on, configuration=configure("ppo", TINY["ppo"]), init=tmp_path)
    elsewhere = go_on | {"options": {"actions": "Discrete"}}
    with pytest.raises(ConfigurationError, match="observation of the policy to begin with must be"):
        training.train("ReportScheduling", **elsewhere, configuration=configuration, init=tmp_path)


def test_a_training_that_goes_on_begins_with_no_other_policy(tmp_path):
    with pytest.raises(Interrupted):
        train("ppo", steps=256, folder=tmp_path, progress=interrupt_at(128))
    with pytest.raises(ConfigurationError, match="init is for a training that begins"):
        train("ppo", steps=256, folder=tmp_path, init=tmp_path)


def test_command_takes_a_teacher_for_dagger_alone(tmp_path):
    app = training.typer.Typer()
    app.command()(training.main)
    hyperparameters = '{"rollout_steps": 8, "updates": 1, "batch_steps": 8, "hidden": [8]}'
    command = ["--steps", "32", "--num-envs", "2", "--out", str(tmp_path), "--hyperparameters", hyperparameters]
    refused = CliRunner().invoke(app, [*command, "--teacher", "toy_training:Best"])
    assert "teacher is for dagger" in str(refused.exception)
    result = CliRunner().invoke(app, [*command, "--algo", "dagger", "--teacher", "toy_training:Best"])
    assert result.exit_code == 0, result.output
    assert load_policy(tmp_path)[1].hyperparameters["teacher"] == "toy_training:Best"
