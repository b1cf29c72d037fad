"""What a training comes to: the policy, its card, and what is refused."""

import itertools
import random

import numpy as np
import pytest
import torch
from toy_task import SPACES, make_toys
from toy_training import ACTIONS, TINY, Best, train, weights

from twin_envs.agents import train as training
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.learning.algorithms import ALGORITHMS, configure
from twin_envs.agents.learning.shared import SharedPolicy
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.training import Training


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


@pytest.mark.parametrize(
    ("algorithm", "actions"),
    [("ppo", "Discrete"), ("ppo", "Box"), ("dqn", "Discrete"), ("dagger", "Discrete"), ("dagger", "Box")],
)
def test_algorithms_learn_what_is_wanted(algorithm, actions):
    more = {"learning_rate": 0.01, "hidden": (32,)}
    more |= {
        "ppo": {"rollout_steps": 32, "batches": 4, "epochs": 8},
        "dqn": {"batch_steps": 64, "updates": 2},
        "dagger": {"batch_steps": 64, "updates": 20},
    }[algorithm]
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
    learnt, best, chance = (play(p, envs, range(16)).returns.mean() for p in (policy, Best(), RandomPolicy(0)))
    assert learnt > chance + 0.8 * (best - chance)


@pytest.mark.parametrize(
    ("algorithm", "actions", "fitting"),
    [
        ("dqn", "MultiDiscrete", "'ppo', 'recurrent_ppo', 'dagger'"),
        ("sac", "Discrete", "'ppo', 'dqn', 'recurrent_ppo', 'dagger'"),
    ],
)
def test_algorithm_that_cannot_act_there_is_refused_with_those_that_can(algorithm, actions, fitting):
    with pytest.raises(ConfigurationError, match=fitting):
        train(algorithm, actions=actions)


def test_every_algorithm_is_tried_on_a_space_that_it_acts_in():
    assert all(isinstance(SPACES[ACTIONS[name]], kind.action_spaces) for name, kind in ALGORITHMS.items())


def test_training_in_reality_is_refused():
    with pytest.raises(ConfigurationError, match="world must be one of 'twin'"):
        training.train("FeedbackInterval", world="reality", steps=64, seed=0, num_envs=1)


def test_a_clock_that_goes_back_changes_nothing(monkeypatch):
    expected, seconds = weights(train("ppo")[0]), itertools.count(-(10**6), -1)
    monkeypatch.setattr("time.time", lambda: 2e9 + next(seconds))
    monkeypatch.setattr("time.time_ns", lambda: 2 * 10**18 + 10**9 * next(seconds))
    assert torch.equal(weights(train("ppo")[0]), expected)


def test_what_several_processes_share_is_learnt_from_and_closed(monkeypatch):
    made = []

    def shared(env, num_envs, processes, **options):
        made.append((processes, make_toys(env, num_envs, **options)))
        return made[-1][1]

    monkeypatch.setattr(training, "process_envs", shared)
    alone, expected = train("ppo", steps=64)
    together, card = train("ppo", steps=64, processes=2)
    assert [processes for processes, _ in made] == [2]
    assert made[0][1].closed
    assert torch.equal(weights(together), weights(alone))
    assert card.num_envs == expected.num_envs == made[0][1].num_envs


def test_a_teacher_has_all_environments_in_its_own_process():
    with pytest.raises(ConfigurationError, match="processes must be 1 where a teacher decides"):
        train("dagger", processes=2)
    with pytest.raises(ConfigurationError, match="processes must be from 1 to 4"):
        train("ppo", processes=5)
