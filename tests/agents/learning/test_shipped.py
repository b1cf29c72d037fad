"""The trained policies that come with the package: what their cards say, and what they decide."""

import numpy as np
import pytest

import twin_envs
from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.evaluation import as_policy
from twin_envs.agents.learning import shipped
from twin_envs.agents.learning.saving import save_policy
from twin_envs.agents.learning.shipped import NAME, Learned, load_trained, trained_names
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import EVALUATION_SEED
from twin_envs.benchmarks.suite.entrants import entrant, names_of_ours
from twin_envs.benchmarks.suite.protocol import Task
from twin_envs.envs.registry import specification
from twin_envs.world.store.reading import find_site, read_manifest

SHIPPED = trained_names()


def small(env, **options):
    return make_envs(env, 3, **specification(env).small | options)


def play(env, policy, steps=6, **options):
    """Actions [S, N] in the first steps of three episodes."""
    envs = small(env, **options)
    policy.attach(envs.network)
    observation, _ = envs.reset(seed=[1, 2, 3])
    taken = []
    for _ in range(steps):
        actions, _ = policy.predict(observation)
        assert envs.action_space.contains(np.asarray(actions, envs.action_space.dtype))
        taken.append(actions)
        observation, *_ = envs.step(actions)
    return np.array(taken)


def test_some_ship():
    assert "FeedbackInterval" in SHIPPED


@pytest.mark.parametrize("env", SHIPPED)
def test_a_card_says_how_its_policy_came_about(env):
    _, card = load_trained(env)
    assert card.env == env
    assert card.options["world"].startswith("twin")
    assert card.begun_from is None or card.begun_from["options"]["world"].startswith("twin")
    assert card.seed + card.num_envs < EVALUATION_SEED
    assert card.site["digest"] == read_manifest(find_site(card.site["name"]))["digest"]
    assert card.command.count("twin-envs train ") == 1 + (card.begun_from is not None)
    assert f"--seed={card.seed} " in card.command
    assert f"--steps={card.steps} " in card.command
    assert 0 < card.seconds < 30 * 60
    assert len(card.commit) == 40
    first, last = card.learning_curve[0][1], card.learning_curve[-1][1]
    assert card.begun_from or last > first


@pytest.mark.parametrize("env", SHIPPED)
def test_a_shipped_policy_decides_the_same_for_the_same_seeds_in_the_space(env):
    one, other = play(env, Learned()), play(env, as_policy(NAME))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("env", SHIPPED)
def test_it_is_among_the_contenders_and_plays_in_the_benchmark(env):
    options = {**specification(env).small, "site": load_trained(env)[1].site["name"]}
    task = Task(env=env, site=options["site"], variant="shipped", options=options, held_out=False)
    assert NAME in names_of_ours(task, ["munich-near-field"])
    assert NAME not in names_of_ours(task, [options["site"]])  # where the protocol holds out what it was trained at
    found = entrant(NAME, env, contenders(env, make_envs(env, 1, **options)), seed=0)
    assert found.kind == "learned"
    assert not found.chosen_in_training


def test_three_lines_run_it():
    policy, _ = twin_envs.load_trained("FeedbackInterval")
    options = dict(specification("FeedbackInterval").small)
    loaded = twin_envs.evaluate(policy, "twin_envs/FeedbackInterval-v1", seeds=2, options=options)
    named = twin_envs.evaluate(NAME, "twin_envs/FeedbackInterval-v1", seeds=2, options=options)
    assert np.array_equal(loaded.returns, named.returns)
    assert (loaded.returns > 0).all()


def test_unknown_names_are_refused_with_the_nearest(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="did you mean 'FeedbackInterval'"):
        load_trained("FeedbakInterval")
    with pytest.raises(ConfigurationError, match="did you mean 'learned'"):
        as_policy("learnt")
    policy, card = load_trained("FeedbackInterval")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    save_policy(tmp_path / "FeedbackInterval", card, policy)
    with pytest.raises(ConfigurationError, match="policy that ships must be one of 'FeedbackInterval'"):
        load_trained("PilotDensity")
    with pytest.raises(ConfigurationError, match="env of the policy 'learned' must be one of 'FeedbackInterval'"):
        Learned().attach(small("PilotDensity").network)
    assert NAME not in contenders("PilotDensity", small("PilotDensity")).ready


def test_a_site_with_other_actions_is_refused_with_what_trains_another(tmp_path, monkeypatch):
    _, card = load_trained("FeedbackInterval")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    fewer = card.observation[:-1]
    changed = type(card)(**{**vars(card), "observation": fewer, "items": []})
    save_policy(tmp_path / "FeedbackInterval", changed, changed.new_policy())
    envs = small("FeedbackInterval", site="munich-uav")
    with pytest.raises(
        ConfigurationError, match="was trained at site 'munich' and does not fit site 'munich-uav'"
    ) as told:
        Learned().attach(envs.network)
    assert 'twin-envs train --env FeedbackInterval --options \'{"site": "munich-uav"}\'' in str(told.value)
    assert NAME not in contenders("FeedbackInterval", envs).ready


def test_a_network_that_ues_share_decides_for_any_number_of_them():
    for num_ue in (2, 5):
        envs = small("ReportScheduling", num_ue=num_ue)
        policy = Learned()
        policy.attach(envs.network)
        observation, _ = envs.reset(seed=[1, 2, 3])
        chosen, _ = policy.predict(observation)
        size = sum(item == "ue_0" for item in envs.observation_layout.items)
        of_ues, of_cell = np.split(observation, [num_ue * size], axis=1)
        turned = np.roll(of_ues.reshape(3, num_ue, size), 1, axis=1).reshape(3, -1)
        again, _ = policy.predict(np.concatenate([turned, of_cell], axis=1))
        assert np.array_equal(again, (chosen + 1) % num_ue)
        assert (chosen < num_ue).all()
