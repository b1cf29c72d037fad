"""Many agents: the same game as alone, told apart by UE; a toy whose outcome is known in closed form."""

import subprocess
import sys
from dataclasses import dataclass

import gymnasium
import numpy as np
import pettingzoo
import pytest
import torch
from gymnasium.error import InvalidAction, ResetNeeded
from ids import ENVIRONMENTS, SIMULTANEOUS
from toy_task import ToyConfig

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.state import tensor
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.layout import Field, ObservationLayout
from twin_envs.envs.core.network_view import NetworkState, NetworkView
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task
from twin_envs.envs.faces.multi_agent import TaskAECEnv, TaskParallelEnv, aec_env, parallel_env
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.registry import register_packaged

OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}
UES = ("ue_0", "ue_1", "ue_2")
QUICK = {
    "ApAssociation": {"decision_slots": 60},
    "ApSelection": {"decision_slots": 60},
    "BeamSelection": {"cycle_slots": 96, "burst_slots": 30},
    "TwinFidelity": {"cycle_slots": 96, "burst_slots": 2},
}
"""Lets the UEs of `SIMULTANEOUS` environments decide in turn for more than two rounds of so short an episode."""
SLOTS = 10
"""Slots of a turn of the toy."""


@dataclass(frozen=True, kw_only=True)
class DuelConfig(ToyConfig):
    num_ue: int = 3
    episode_slots: int = 70


@dataclass(kw_only=True)
class DuelState(NetworkState):
    """Who chose what, and a number that the seed decides."""

    chosen: torch.Tensor = tensor("env", "ue")
    luck: torch.Tensor = tensor("env")


class DuelCore(Core):
    """The UEs decide in turn; who chooses `a` gains a + luck, and every other loses a / 4."""

    def __init__(self, config, num_envs, device):
        super().__init__(config, num_envs, device)
        self.network = NetworkView(state=DuelState.create(num_envs, device, ue=config.num_ue), **self.view_fields())

    def reset(self, rows, keys):
        self.network.state.clear(rows)
        self.network.state.luck[rows] = keys % 1000 / 1000

    def step(self, rows, actions):
        state, num_ue = self.network.state, self.config.num_ue
        ue = state.turn[rows]
        state.chosen[rows, ue] = actions.float()
        state.now_slots[rows] += SLOTS
        state.turn[rows] = (ue + 1) % num_ue
        by_ue = (-actions / 4)[:, None].repeat(1, num_ue)
        by_ue[torch.arange(len(rows)), ue] = actions + state.luck[rows]
        return Step(
            delivered_by_ue=by_ue,
            charges=(),
            elapsed_slots=torch.full_like(rows, SLOTS),
            truncated=state.now_slots[rows] >= self.config.episode_slots,
            ue=ue,
            facts={"action": actions},
        )


class Duel(Task):
    """See `DuelCore`; the agent sees whom it decides about, the time and what that UE chose last."""

    options = DuelConfig
    terms = {**Task.terms, "action": torch.int64}  # noqa: RUF012

    def __init__(self, config, num_envs, device):
        fields = (Field(name=n, unit="1", low=0, high=h) for n, h in (("ue", 2), ("now", 100), ("chosen", 3)))
        layout = ObservationLayout(tuple(fields))
        super().__init__(DuelCore(config, num_envs, device), layout, gymnasium.spaces.Discrete(4))

    def observe(self, rows, ue):
        state = self.network.state
        return self.layout.pack({"ue": ue, "now": state.now_slots[rows], "chosen": state.chosen[rows, ue]})

    def step(self, rows, actions):
        return self.core.step(rows, actions)

    def snapshot(self, row):
        raise NotImplementedError


class DuelEnv(TaskEnv):
    task_type = Duel


def act(env, action):
    """A step of the single environment, and who was asked."""
    asked = env.turn
    return asked, env.step(action)


def test_agents_that_act_together_earn_what_the_closed_form_says():
    env = TaskParallelEnv(DuelEnv(), reward="own")
    env.reset(seed=5)
    luck = float(env.env.network.state.luck)
    _, rewards, *_ = env.step({"ue_0": 3, "ue_1": 1, "ue_2": 0})
    expected = {"ue_0": 3 + luck - 1 / 4, "ue_1": 1 + luck - 3 / 4, "ue_2": luck - 3 / 4 - 1 / 4}
    assert rewards == pytest.approx(expected)
    team = TaskParallelEnv(DuelEnv(), reward="team")
    team.reset(seed=5)
    _, shared, *_ = team.step({"ue_0": 3, "ue_1": 1, "ue_2": 0})
    assert shared == pytest.approx(dict.fromkeys(UES, sum(rewards.values())))


def test_acting_together_is_one_turn_of_each_on_observations_from_before():
    rng = np.random.default_rng(0)
    many, alone = TaskParallelEnv(DuelEnv()), DuelEnv()
    observations, infos = many.reset(seed=1)
    _, told = alone.reset(seed=1)
    np.testing.assert_equal(infos, dict.fromkeys(UES, told))
    steps = 0
    while many.agents:
        for ue, agent in enumerate(UES):
            assert np.array_equal(observations[agent], alone.observe(ue)[0])
        actions = {agent: int(rng.integers(4)) for agent in reversed(UES)}  # the order of the keys does not matter
        observations, rewards, terminated, truncated, infos = many.step(actions)
        earned = 0.0
        for agent in UES[: 1 if steps == 2 else 3]:  # time is over after seven turns
            asked, (_, reward, _, over, info) = act(alone, actions[agent])
            assert agent == UES[asked]
            np.testing.assert_equal(infos[agent], info)
            assert info["action"] == actions[agent]
            earned += reward
        assert rewards == pytest.approx(dict.fromkeys(UES, earned))
        assert terminated == dict.fromkeys(UES, False)
        assert truncated == dict.fromkeys(UES, over)
        steps += 1
    assert steps == 3
    assert over
    for agent in ("ue_1", "ue_2"):  # it ended before they were asked
        np.testing.assert_equal(infos[agent], {**told, "ue": 1})
    for ue, agent in enumerate(UES):
        assert np.array_equal(observations[agent], alone.observe(ue)[0])


@pytest.mark.parametrize("name", SIMULTANEOUS)
def test_acting_together_earns_what_the_turns_of_a_round_earn_alone(name):
    options = OPTIONS | QUICK[name]
    alone = gymnasium.make(f"twin_envs/{name}-v1", **options).unwrapped
    team, own = (parallel_env(name, reward=reward, **options) for reward in ("team", "own"))
    for env in (alone, team, own):
        env.reset(seed=4)
    alone.action_space.seed(0)
    turns, rounds, over, told_apart = 0, 0, False, False
    while team.agents:
        actions = {agent: alone.action_space.sample() for agent in UES}
        earned, asked = 0.0, []
        while not over and len(asked) < len(UES):
            asked.append(UES[alone.turn])
            _, reward, _, over, _ = alone.step(actions[asked[-1]])
            earned += reward
        assert len(set(asked)) == len(asked)
        (_, shared, _, truncated, _), (_, each, *_) = (env.step(actions) for env in (team, own))
        assert shared == pytest.approx(dict.fromkeys(UES, earned), abs=1e-6)
        assert sum(each.values()) == pytest.approx(earned, abs=1e-6)
        assert truncated == dict.fromkeys(UES, over)
        turns, rounds, told_apart = turns + len(asked), rounds + 1, told_apart or len(set(each.values())) > 1
    assert own.agents == []
    assert over
    assert told_apart
    assert rounds > 2
    assert turns < len(UES) * rounds  # time was over in the middle of a round


def test_what_is_not_an_action_of_everybody_changes_nothing():
    env, untouched = TaskParallelEnv(DuelEnv()), TaskParallelEnv(DuelEnv())
    with pytest.raises(ResetNeeded):
        env.step(dict.fromkeys(UES, 0))
    env.reset(seed=3)
    untouched.reset(seed=3)
    for wrong in ({"ue_0": 1}, {**dict.fromkeys(UES, 1), "ue_3": 1}, {}):
        with pytest.raises(InvalidAction, match="actions must be of ue_0, ue_1, ue_2, got"):
            env.step(wrong)
    with pytest.raises(InvalidAction, match=r"the action of ue_2 must be in Discrete\(4\), got 4"):
        env.step({"ue_0": 1, "ue_1": 1, "ue_2": 4})
    later, sooner = (e.step(dict.fromkeys(UES, 2)) for e in (env, untouched))
    for agent in UES:
        assert np.array_equal(later[0][agent], sooner[0][agent])
    np.testing.assert_equal(later[1:], sooner[1:])


def test_nothing_is_told_of_a_step_when_no_agent_is_left():
    env = TaskParallelEnv(DuelEnv())
    env.reset(seed=3)
    while env.agents:
        env.step(dict.fromkeys(UES, 0))
    for late in ({}, dict.fromkeys(UES, 0)):
        assert env.step(late) == ({}, {}, {}, {}, {})
    env.reset()
    assert set(env.step(dict.fromkeys(UES, 0))[0]) == set(UES)


@pytest.mark.parametrize("kind", [TaskParallelEnv, TaskAECEnv])
def test_the_state_is_what_all_agents_see(kind):
    env = kind(DuelEnv())
    env.reset(seed=3)
    for _ in range(2):
        state = env.state()
        assert state.dtype == np.float32
        assert env.state_space.contains(state)
        assert np.array_equal(state, np.concatenate([env.env.observe(ue)[0] for ue in range(3)]))
        env.step(dict.fromkeys(UES, 2) if kind is TaskParallelEnv else 2)
    assert not np.array_equal(state, env.state())


@pytest.mark.parametrize("reward", ["team", "own"])
def test_the_agent_is_who_has_just_reported_and_earns_as_alone(reward):
    rng = np.random.default_rng(2)
    many, alone = aec_env("FeedbackInterval", reward=reward, **OPTIONS), make_alone()
    many.reset(seed=9)
    observation, told = alone.reset(seed=9)
    since = dict.fromkeys(UES, 0.0)
    own, over = {}, False
    while not over:
        agent = many.agent_selection
        assert agent == f"ue_{alone.turn}"
        seen, reward_since, terminated, truncated, info = many.last()
        assert np.array_equal(seen, observation)
        np.testing.assert_equal(info, own.get(agent, told))
        assert reward_since == pytest.approx(since[agent])
        assert not terminated
        assert not truncated
        action = rng.integers(10)
        many.step(action)
        observation, earned, _, over, own[agent] = alone.step(action)
        since[agent] = 0.0
        for other in UES:
            since[other] += many.rewards[other]
        together = sum(many.rewards.values()) / (3 if reward == "team" else 1)
        assert together == pytest.approx(earned, abs=1e-6)
        assert many.truncations == dict.fromkeys(UES, over)
    assert len(set(many.rewards.values())) == (1 if reward == "team" else 3)
    assert many.agents == list(UES)
    for agent in many.agent_iter():
        assert many.last(observe=False)[1] == pytest.approx(since[agent])
        many.step(None)
    assert many.agents == []
    with pytest.raises(ResetNeeded):
        many.step(0)


def make_alone():
    return gymnasium.make("twin_envs/FeedbackInterval-v1", **OPTIONS).unwrapped


def test_who_reports_pays_for_it():
    dear, free = (aec_env("FeedbackInterval", reward="own", uplink_price=price, **OPTIONS) for price in (1.0, 0.0))
    dear.reset(seed=0)
    free.reset(seed=0)
    for _ in range(5):
        agent = dear.agent_selection
        dear.step(0)
        free.step(0)
        info = dear.infos[agent]
        assert info["feedback_cost"] > 0
        for ue, other in enumerate(UES):
            paid = info["feedback_cost"] if ue == info["ue"] else 0.0
            assert free.rewards[other] - dear.rewards[other] == pytest.approx(paid, abs=1e-6)


def test_spaces_are_each_agents_own():
    for env in (TaskParallelEnv(DuelEnv()), TaskAECEnv(DuelEnv())):
        env.reset(seed=0)
        spaces = [env.action_space(agent) for agent in UES] + [env.observation_space(agent) for agent in UES]
        assert len({id(space) for space in spaces}) == 6
        assert env.action_space("ue_1") is env.action_space("ue_1")
        assert env.action_space("ue_1") == DuelEnv().action_space
        assert env.observation_space("ue_2") == DuelEnv().observation_space
        assert env.observation_layout == DuelEnv().observation_layout
    one, other = DuelEnv(), DuelEnv()
    one.action_space.seed(1)
    other.action_space.seed(1)
    assert [one.action_space.sample() for _ in range(9)] == [other.action_space.sample() for _ in range(9)]


def test_wrong_names_are_refused():
    with pytest.raises(ConfigurationError, match="did you mean 'FeedbackInterval'"):
        aec_env("FeedbackIntervals")
    with pytest.raises(ConfigurationError, match="name must be one of"):
        parallel_env("FeedbackInterval")  # who reports next is not known beforehand
    with pytest.raises(ConfigurationError, match="did you mean 'ApSelection'"):
        parallel_env("ApSelections")
    with pytest.raises(ConfigurationError, match="reward must be one of 'team', 'own', got 'mine'"):
        aec_env("FeedbackInterval", reward="mine", **OPTIONS)
    with pytest.raises(ConfigurationError, match="did you mean 'num_ue'"):
        pettingzoo.make("aec", "twin_envs/FeedbackInterval-v1", num_ues=3)


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENTS) - set(SIMULTANEOUS)))
def test_a_face_that_an_environment_has_not_is_refused_with_the_one_that_it_has(name):
    with pytest.raises(ConfigurationError) as error:
        pettingzoo.make("parallel", f"twin_envs/{name}-v1", num_ue=2)
    named = f"pettingzoo.make('aec', 'twin_envs/{name}-v1')"
    assert str(error.value).endswith(named)
    assert "'ApAssociation'" in str(error.value)
    assert pettingzoo.make("aec", f"twin_envs/{name}-v1", num_ue=2).possible_agents == ["ue_0", "ue_1"]


def test_registering_again_changes_nothing():
    spec = pettingzoo.spec("aec", "twin_envs/FeedbackInterval-v1")
    register_packaged()
    assert pettingzoo.spec("aec", "twin_envs/FeedbackInterval-v1") is spec


WITHOUT = """
import sys
sys.modules["pettingzoo"] = None  # importing it fails, as where it is not installed
import gymnasium, twin_envs
from twin_envs.base.errors import DependencyMissing
gymnasium.spec("twin_envs/FeedbackInterval-v1")
try:
    import twin_envs.envs.faces.multi_agent
except DependencyMissing as error:
    print(error)
"""


def test_without_pettingzoo_only_the_faces_for_many_agents_are_missing():
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert "in the checkout of twin-envs: pip install '.[multi]'" in ran.stdout
