"""The two-worlds rule: nothing that observes, predicts or decides touches reality, the oracle and the cell excepted.

Checked twice. In the source: no module outside `READS_REALITY` names what belongs to reality. And in behaviour: what
the network does not know is replaced by NaN whenever something is observed or decided, and nothing may change.
Both checks are tried on planted leaks.
"""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.heuristics import DopplerRule
from agents.oracle import OraclePlanner
from agents.policies import FixedPolicy, RandomPolicy
from agents.twin_policies import TwinPlanner
from twin_envs.envs.cell import Cell
from twin_envs.envs.feedback_interval import FeedbackIntervalVectorEnv
from twin_envs.envs.observation import observe_csi
from twin_envs.world.site import READS_REALITY, load_site

ROOT = Path(__file__).resolve().parent.parent

# In the source

OFFLINE = ("twin_envs.world.site", "twin_envs.world.builder", "twin_envs.world.gap", "twin_envs.envs.reality")
"""Where reality is defined, built and measured."""
NAMES = {
    "reality": "reality",
    "_atlas": "a site's atlases",
    "_atlases": "a site's atlases",
    "motion": "true trajectories",
    "world_file": "the files of worlds",
    "Reality": "reality",
}
MODULES = {"twin_envs.world.gap", "twin_envs.envs.reality"}


def leaks(source: str) -> list[str]:
    """Every place of a module at which it could reach into reality, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name):
            names = [node.id] if node.id in ("Reality", "world_file") else []
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [*(f"{node.module}.{alias.name}" for alias in node.names), *(a.name for a in node.names)]
            names.append(node.module or "")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "getattr",
            "attrgetter",
            "methodcaller",
        ):
            names = [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("world-"):
            names = ["world_file"]
        found += [f"{node.lineno}: {name}" for name in names if name in NAMES or name in MODULES]
    return found


def modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    files = [file for package in ("twin_envs", "agents", "benchmarks") for file in (ROOT / package).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@pytest.mark.parametrize("module", sorted(set(modules()) - {*READS_REALITY, *OFFLINE}))
def test_a_module_that_may_not_read_reality_does_not(module):
    assert leaks(modules()[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", READS_REALITY)
def test_a_module_that_may_read_reality_is_there_and_does(module):
    assert leaks(modules()[module].read_text(encoding="utf-8"))


PLANTED = {
    "the world of a cell": "def act(cell):\n    return cell.reality.gain(rows, position)",
    "the method of a site": "def act(site):\n    return site.reality('reality')",
    "behind the method": "atlas = site._atlas('reality')",
    "the cache of a site": "atlas = site._atlases['reality']",
    "true positions": "position = world.motion.at(rows, time_s)",
    "by a text": "atlas = getattr(site, 'reality')('reality')",
    "by an operator": "import operator\natlas = operator.methodcaller('reality', 'reality')(site)",
    "the class": "from twin_envs.envs.reality import Reality",
    "the module": "import twin_envs.envs.reality as r",
    "the package": "from twin_envs.envs import reality",
    "the measured gap": "from twin_envs.world.gap import measure_gap",
    "the file": "tensors = read_tensors(site.path, 'world-reality.safetensors')",
    "the file, put together": "tensors = read_tensors(site.path, f'world-{name}.safetensors')",
    "the file, by its function": "from twin_envs.world.site import world_file",
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_planted_leak_is_found_in_the_source(source):
    assert leaks(source)


def test_innocent_source_is_not_accused():
    source = '''
"""Trains in the twin, evaluates in reality; a world-class policy."""
from twin_envs.world.site import load_site

def choose(cell, world="reality"):
    """Reality is what `cell.reality` is; this does not read it."""
    twin = cell.twin.atlas
    envs = make_envs("FeedbackInterval", world="reality")
    return load_site(cell.config.site).twin("twin"), getattr(cell, "known"), {"reality": 1.0}
'''
    assert leaks(source) == []


# In behaviour

NUM_ENVS, STEPS = 3, 12


@contextmanager
def poisoned(cell: Cell) -> Iterator[None]:
    """Whatever the network does not know is NaN (or nonsense, where it is a whole number), and is itself again after.

    The atlas is that of `load_site`, so whoever loads the site on his own finds the poison, too.
    """
    reality, sensing = cell.reality, cell.known.sensing
    secrets = [v for part in (reality.atlas, reality, reality.motion, cell.streams) for v in vars(part).values()]
    secrets = [v for v in secrets if isinstance(v, torch.Tensor)]
    secrets.append(sensing._filter[:, :2])  # the errors of the estimates: with them positions would be exact
    kept = [v.clone() for v in secrets]
    with torch.inference_mode():
        for secret in secrets:
            secret.fill_(float("nan") if secret.is_floating_point() or secret.is_complex() else 0)
    try:
        yield
    finally:
        with torch.inference_mode():
            for secret, value in zip(secrets, kept):
                secret.copy_(value)


@dataclass(frozen=True)
class Rollout:
    """What happened in some steps of a batch of environments."""

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray


def observe_reporter(cell: Cell, rows: torch.Tensor) -> torch.Tensor:
    return observe_csi(cell, rows, cell.known.reporter[rows])


def rollout(policy: Any, observe: Callable = observe_reporter, *, poison: bool) -> Rollout:
    """A few reports in reality; with `poison`, all that is observed and decided finds reality poisoned."""
    envs = FeedbackIntervalVectorEnv(NUM_ENVS, num_ue=3, episode_slots=300, uplink_period_slots=20, device="cpu")
    policy.attach(envs)
    envs.reset(seed=5)
    rows = torch.arange(NUM_ENVS)
    observations, actions, rewards = [], [], []
    for _ in range(STEPS):
        with poisoned(envs.core) if poison else nullcontext(), torch.inference_mode():
            observations.append(observe(envs.core, rows).clone().numpy())
            actions.append(policy.predict(observations[-1])[0])
        rewards.append(envs.step(actions[-1])[1])
    return Rollout(*map(np.array, (observations, actions, rewards)))


def leaking(policy: Any, observe: Callable = observe_reporter) -> bool:
    """Whether something that was observed or decided depended on what the network does not know."""
    clean = rollout(policy, observe, poison=False)
    assert np.isfinite(clean.observations).all()
    assert np.isfinite(clean.rewards).all()
    try:
        blind = rollout(policy, observe, poison=True)
    except IndexError:  # a position that is not a number is nowhere on a map
        return True
    return not all(np.array_equal(getattr(clean, name), getattr(blind, name)) for name in vars(clean))


POLICIES = {
    "random": RandomPolicy(0),
    "fixed": FixedPolicy(3),
    "doppler": DopplerRule(10.0),
    "twin": TwinPlanner(),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_observation_and_no_decision_depends_on_reality(policy):
    assert not leaking(policy)


class Spy:
    """A policy that decides by what it should not know."""

    def __init__(self, look: Callable[[Cell], torch.Tensor]) -> None:
        self.look = look

    def attach(self, envs):
        self.cell = envs.core

    def predict(self, observation):
        with torch.inference_mode():
            seen = self.look(self.cell)
            return np.full(NUM_ENVS, 4 if bool((seen > 0).any()) else 2), None


SPIES = {
    "the gain in reality": lambda cell: cell.reality.atlas.gain,
    "the channel in reality": lambda cell: cell.reality.channel(
        torch.arange(NUM_ENVS), cell.known.sensing.position[:, :1].new_zeros(NUM_ENVS, 1, 3) + 20.0, cell.subband_hz
    ).abs(),
    "the site that it loads itself": lambda cell: load_site("munich").reality("reality").gain,
    "true positions": lambda cell: cell.reality.position(torch.arange(NUM_ENVS), torch.zeros(NUM_ENVS))[0].abs(),
    "true speeds": lambda cell: cell.reality.motion.speed_m_s,
    "errors of the estimates": lambda cell: cell.known.sensing._filter[:2, :2].abs(),
    "noise that is to come": lambda cell: cell.streams.key,
}


@pytest.mark.parametrize("look", SPIES.values(), ids=SPIES)
def test_a_planted_policy_that_leaks_is_caught(look):
    assert leaking(Spy(look))


def test_the_oracle_is_what_it_is_called():
    assert leaking(OraclePlanner())


def test_a_planted_observation_that_leaks_is_caught():
    def observe(cell, rows):
        position, _ = cell.reality.position(rows, cell.known.now_slots[rows] * cell.slot_s)
        return torch.cat([observe_reporter(cell, rows), position[:, 0, :1] / 1000], -1)

    assert leaking(FixedPolicy(3), observe)


def test_the_poison_leaves_no_trace():
    atlas = load_site("munich").reality("reality")
    before = {name: value.clone() for name, value in vars(atlas).items() if isinstance(value, torch.Tensor)}
    rollout(FixedPolicy(3), poison=True)
    assert all(torch.equal(vars(atlas)[name], value) for name, value in before.items())
