"""The two-worlds rule in behaviour: nothing that is observed or decided changes where reality is not a number.

What the network does not know is replaced by NaN whenever something is observed or decided by any of the policies that
compete. Policies and observations that leak are planted to see that they are caught.
"""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from competitors import competitors
from ids import ENVIRONMENTS
from modules import within
from poison import poisoned, secrets
from reachable import reachable

from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import FixedPolicy, attach
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.agents.csi_cell.scheduling import RoundRobin
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.base.errors import SiteError
from twin_envs.envs.core.task import Task
from twin_envs.envs.registry import specification
from twin_envs.world.store.site import READS_REALITY, load_site

NUM_ENVS, STEPS = 3, 9


def observe_turn(task: Task, rows: torch.Tensor) -> torch.Tensor:
    return task.observe(rows, task.turn(rows))


class Player:
    """A policy in a batch of environments in reality; what it observes and decides is done `hidden(core)`."""

    def __init__(self, env: str, policy: Any, observe: Callable, hidden: Callable, **options: Any) -> None:
        self.envs = make_envs(env, NUM_ENVS, device="cpu", **specification(env).small, **options)
        self.policy, self.observe, self.hidden = deepcopy(policy), observe, hidden
        self.state, self.start = None, np.ones(NUM_ENVS, bool)
        with hidden(self.envs.core):
            attach(self.policy, self.envs)
        self.envs.reset(seed=5)

    def decide(self) -> tuple[np.ndarray, np.ndarray]:
        """What is observed and the actions."""
        with self.hidden(self.envs.core), torch.inference_mode():
            observation = self.observe(self.envs.task, torch.arange(NUM_ENVS)).clone().numpy()
            actions, self.state = self.policy.predict(observation, self.state, self.start)
        return observation, actions

    def step(self, actions: np.ndarray) -> np.ndarray:
        """The rewards."""
        _, rewards, _, truncated, _ = self.envs.step(actions)
        self.start = truncated
        return rewards


def leaking(env: str, policy: Any, observe: Callable = observe_turn, **options: Any) -> bool:
    """Whether something that was observed or decided depended on what the network does not know."""
    sighted = Player(env, policy, observe, nullcontext, **options)
    try:
        blind = Player(env, policy, observe, poisoned, **options)
    except SiteError:  # of environments of its own: an AP whose gain is not a number serves nobody
        return True
    for _ in range(STEPS):
        observation, actions = sighted.decide()
        assert np.isfinite(observation).all()
        try:
            blindly, chosen = blind.decide()
        except IndexError:  # a position that is not a number is nowhere on a map
            return True
        if not (np.array_equal(observation, blindly) and np.array_equal(actions, chosen)):
            return True
        rewards = sighted.step(actions)
        assert np.isfinite(rewards).all()
        assert np.array_equal(rewards, blind.step(actions))
    return False


COMPETING = [(env, name, policy) for env in ENVIRONMENTS for name, policy in competitors(env).items()]
HONEST = [pytest.param(env, policy, id=f"{env}-{name}") for env, name, policy in COMPETING if "oracle" not in name]


@pytest.mark.parametrize(("env", "policy"), HONEST)
def test_no_observation_and_no_decision_depends_on_reality(env, policy):
    assert not leaking(env, policy)


@pytest.mark.parametrize(("env", "policy"), [("ApAssociation", "twin-gain"), ("BeamSelection", "twin-sweep")])
def test_no_decision_depends_on_reality_where_sensors_look_at_ues(env, policy):
    assert not leaking(env, competitors(env)[policy], sensors="gnss+imu+camera+radar")


def test_no_policy_but_oracles_is_left_out():
    for _, name, policy in COMPETING:
        assert ("oracle" in name) == within(type(policy).__module__, READS_REALITY) == isinstance(policy, Oracle)


class Spy(Oracle):
    """A policy that decides by what it should not know."""

    def __init__(self, look: Callable[[Any], torch.Tensor]) -> None:
        self.look = look

    def reveal(self, envs):
        self.seen = envs.core

    def attach(self, network):
        pass

    def predict(self, observation, *_):
        with torch.inference_mode():
            seen = self.look(self.seen)
            return np.full(NUM_ENVS, 4 if bool((seen > 0).any()) else 2), None


class Reader:
    """A policy that is attached to the network's view alone, and loads the site itself."""

    def attach(self, network):
        self.gain = load_site(network.config.site).reality("reality").gain

    def predict(self, observation, *_):
        return np.full(NUM_ENVS, 4 if bool((self.gain > 0).any()) else 2), None


ROWS = torch.arange(NUM_ENVS)
SPIES = {
    "the gain in reality": lambda core: core.reality.atlas.gain,
    "the site that it loads itself": lambda core: load_site(core.config.site).reality("reality").gain,
    "true positions": lambda core: core.reality.position(ROWS, torch.zeros(NUM_ENVS))[0].abs(),
    "true speeds": lambda core: core.motion.state.speed_m_s,
    "who is where": lambda core: core.motion.state.route,
    "errors of the estimates": lambda core: core.sensing.state.values[:2, :2].abs(),
    "noise that is to come": lambda core: core.streams.state.key,
}
SPIES_OF = {
    "FeedbackInterval": SPIES
    | {
        "the channel in reality": lambda cell: cell.reality.channel(
            ROWS, cell.network.sensing.position.new_zeros(NUM_ENVS, 1, 3) + 20.0, cell.network.subband_hz
        ).abs()
    },
    "ApSelection": SPIES
    | {
        "the channels in reality": lambda core: core.reality.channels(
            core.network.sensing.position.new_zeros(NUM_ENVS, 1, 3) + 20.0
        ).abs()
    },
    "BeamSelection": SPIES
    | {
        "true powers of beams": lambda cell: cell.beam_snr(ROWS, ROWS * 0, torch.zeros(NUM_ENVS)),
        "who blocks": lambda cell: cell.blockage.state.start_m.abs(),
    },
}


@pytest.mark.parametrize(
    ("env", "look"),
    [pytest.param(env, look, id=f"{env}-{name}") for env, spies in SPIES_OF.items() for name, look in spies.items()],
)
def test_a_planted_policy_that_leaks_is_caught(env, look):
    assert leaking(env, Spy(look))


@pytest.mark.parametrize("env", SPIES_OF)
def test_a_planted_policy_that_loads_the_site_itself_is_caught(env):
    assert leaking(env, Reader())


@pytest.mark.parametrize(
    ("env", "oracle"),
    [
        ("FeedbackInterval", OraclePlanner()),
        ("ReportScheduling", OracleRollouts(RoundRobin(), 1)),
        ("ApAssociation", OracleClusters()),
        ("ApSelection", OracleClusters()),
        ("BeamSelection", OracleSweep()),
        ("TwinFidelity", OracleTwin()),
    ],
)
def test_the_oracle_is_what_it_is_called(env, oracle):
    assert leaking(env, oracle)


@pytest.mark.parametrize("env", ["FeedbackInterval", "ApSelection", "BeamSelection"])
def test_a_planted_observation_that_leaks_is_caught(env):
    def observe(task, rows):
        core = task.core
        position, _ = core.reality.position(rows, core.network.state.now_slots[rows] * core.slot_s)
        return torch.cat([observe_turn(task, rows), position[:, 0, :1] / 1000], -1)

    assert leaking(env, FixedPolicy(3), observe)


@pytest.mark.parametrize("env", ["FeedbackInterval", "ApSelection", "BeamSelection"])
def test_the_poison_leaves_no_trace(env):
    site = make_envs(env, 1, device="cpu", **specification(env).small).core.site.recipe.name
    atlas = load_site(site).reality("reality")
    before = {name: value.clone() for name, value in vars(atlas).items() if isinstance(value, torch.Tensor)}
    assert not leaking(env, FixedPolicy(3))
    assert all(torch.equal(vars(atlas)[name], value) for name, value in before.items())


def test_the_poison_is_in_all_that_the_network_does_not_know():
    named = {
        "StreamsState.key",
        "Trajectories.start_m",
        "Filters.values",
        "Serving.ap",
        "Blockers.start_m",
        "Atlas.gain",
    }
    core = make_envs("BeamSelection", 1, device="cpu", **specification("BeamSelection").small).core
    assert named <= set(secrets(core))
    seen = {id(thing) for _, thing in reachable(core.network)}
    assert not [name for name, values in secrets(core).items() if id(values) in seen]
    assert not [name for name in secrets(core) if name.startswith(("BeamState", "Estimates"))]
