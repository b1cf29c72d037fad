"""The two-worlds rule: nothing that observes, predicts or decides touches reality, oracles and cores excepted.

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

from agents import association, association_planning, association_twin, beams
from agents.association_oracle import OracleClusters
from agents.beam_oracle import OracleSweep, OracleTwin
from agents.environments import make_envs
from agents.fidelity import AdaptiveTwin, DeadlineRule
from agents.heuristics import DopplerRule
from agents.oracle import OraclePlanner
from agents.policies import FixedPolicy, RandomPolicy
from agents.scheduling import RoundRobin, SchedulingPlanner, SpeedTimesAge
from agents.scheduling_oracle import OracleRollouts
from agents.twin_beams import TwinBeam, TwinSweep, TwinSweepPlanner
from agents.twin_policies import TwinPlanner
from agents.twin_scheduling import AgeingTwin
from twin_envs.envs.task import Core, Task
from twin_envs.world.site import READS_REALITY, load_site

ROOT = Path(__file__).resolve().parent.parent

# In the source

OFFLINE = (
    "twin_envs.world.site",
    "twin_envs.world.builder",
    "twin_envs.world.gap",
    "twin_envs.envs.reality",
    "twin_envs.envs.association.reality",
)
"""Where reality is defined, built and measured."""
NAMES = {
    "reality": "reality",
    "_atlas": "a site's atlases",
    "_atlases": "a site's atlases",
    "motion": "true trajectories",
    "world_file": "the files of worlds",
    "Reality": "reality",
    "beam_snr": "true powers of beams",
    "blockage": "what blocks paths",
    "NetworkReality": "reality",
    "imitate": "the true state of a cell",
    "_state_tensors": "the true state of a cell",
}
MODULES = {"twin_envs.world.gap", "twin_envs.envs.reality", "twin_envs.envs.association.reality"}


def leaks(source: str) -> list[str]:
    """Every place of a module at which it could reach into reality, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name):
            names = [node.id] if node.id in ("Reality", "NetworkReality", "world_file") else []
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
    "a copy of the cell": "def act(cell, copies):\n    copies.imitate(rows, cell, rows)",
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
OPTIONS = {
    "FeedbackInterval": {"num_ue": 3, "episode_slots": 300, "uplink_period_slots": 20},
    "ReportScheduling": {"num_ue": 3, "episode_slots": 500},
    "ApAssociation": {"num_ue": 3, "episode_slots": 1000, "cluster_size": 3},
    "ApSelection": {"num_ue": 3, "episode_slots": 1000},
    "BeamSelection": {"num_ue": 3, "episode_slots": 4000, "cycle_slots": 960},
    "TwinFidelity": {"num_ue": 3, "episode_slots": 4000, "cycle_slots": 960, "burst_slots": 20, "latency_scale": 0.1},
}
"""The environments, small."""


@contextmanager
def poisoned(core: Core) -> Iterator[None]:
    """Whatever the network does not know is NaN (or nonsense, where it is a whole number), and is itself again after.

    The atlas is that of `load_site`, so whoever loads the site on his own finds the poison, too.
    """
    reality, sensing = core.reality, core.known.sensing
    parts = [
        reality.atlas,
        reality,
        reality.motion,
        core.streams,
        *([core.blockage] if hasattr(core, "blockage") else []),
    ]
    secrets = [v for part in parts for v in vars(part).values()]
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


def observe_turn(task: Task, rows: torch.Tensor) -> torch.Tensor:
    return task.observe(rows, task.turn(rows))


def rollout(env: str, policy: Any, observe: Callable = observe_turn, *, poison: bool) -> Rollout:
    """A few decisions in reality; with `poison`, all that is observed and decided finds reality poisoned."""
    envs = make_envs(env, NUM_ENVS, device="cpu", **OPTIONS[env])
    policy.attach(envs)
    envs.reset(seed=5)
    rows = torch.arange(NUM_ENVS)
    observations, actions, rewards = [], [], []
    for _ in range(STEPS):
        with poisoned(envs.core) if poison else nullcontext(), torch.inference_mode():
            observations.append(observe(envs.task, rows).clone().numpy())
            actions.append(policy.predict(observations[-1])[0])
        rewards.append(envs.step(actions[-1])[1])
    return Rollout(*map(np.array, (observations, actions, rewards)))


def leaking(env: str, policy: Any, observe: Callable = observe_turn) -> bool:
    """Whether something that was observed or decided depended on what the network does not know."""
    clean = rollout(env, policy, observe, poison=False)
    assert np.isfinite(clean.observations).all()
    assert np.isfinite(clean.rewards).all()
    try:
        blind = rollout(env, policy, observe, poison=True)
    except IndexError:  # a position that is not a number is nowhere on a map
        return True
    return not all(np.array_equal(getattr(clean, name), getattr(blind, name)) for name in vars(clean))


POLICIES = {
    "random": ("FeedbackInterval", RandomPolicy(0)),
    "fixed": ("FeedbackInterval", FixedPolicy(3)),
    "doppler": ("FeedbackInterval", DopplerRule(10.0)),
    "twin": ("FeedbackInterval", TwinPlanner()),
    "scheduling-round-robin": ("ReportScheduling", RoundRobin()),
    "scheduling-speed": ("ReportScheduling", SpeedTimesAge(1.0)),
    "scheduling-twin": ("ReportScheduling", SchedulingPlanner(AgeingTwin(), 0.5)),
    "association-random": ("ApAssociation", RandomPolicy(0)),
    "association-nearest": ("ApAssociation", association.NearestAps()),
    "association-kept": ("ApAssociation", association.KeptAps()),
    "association-neighbourhood": ("ApAssociation", association.FixedNeighbourhood(1)),
    "association-path-loss": ("ApAssociation", association.PathLossRule()),
    "association-strongest": ("ApAssociation", association.StrongestMeasured(3.0)),
    "association-event": ("ApAssociation", association.EventTrigger(3.0)),
    "association-measured-planner": ("ApAssociation", association_planning.MeasuredPlanner()),
    "association-twin": ("ApAssociation", association_twin.TwinGains()),
    "association-fused": ("ApAssociation", association_twin.FusedGains()),
    "association-planner": ("ApAssociation", association_twin.TwinPlanner()),
    "selection-fixed": ("ApSelection", FixedPolicy(1)),
    "selection-strongest": ("ApSelection", association.StrongestMeasured(3.0)),
    "selection-planner": ("ApSelection", association_twin.TwinPlanner()),
    "beams-fixed": ("BeamSelection", FixedPolicy(61)),
    "beams-last": ("BeamSelection", beams.LastBeam(1)),
    "beams-periodic": ("BeamSelection", beams.PeriodicSweep(1, 2)),
    "beams-triggered": ("BeamSelection", beams.TriggeredSweep(1, 3.0)),
    "beams-hierarchical": ("BeamSelection", beams.HierarchicalSweep(1, 3.0)),
    "beams-twin": ("BeamSelection", TwinSweep(0.5)),
    "beams-twin-3": ("BeamSelection", TwinBeam(1)),
    "beams-planner": ("BeamSelection", TwinSweepPlanner()),
    "fidelity-fixed": ("TwinFidelity", FixedPolicy(2)),
    "fidelity-deadline": ("TwinFidelity", DeadlineRule(0.5)),
    "fidelity-adaptive": ("TwinFidelity", AdaptiveTwin(2.0, places=200)),
}


@pytest.mark.parametrize(("env", "policy"), POLICIES.values(), ids=POLICIES)
def test_no_observation_and_no_decision_depends_on_reality(env, policy):
    assert not leaking(env, policy)


class Spy:
    """A policy that decides by what it should not know."""

    def __init__(self, look: Callable[[Core], torch.Tensor]) -> None:
        self.look = look

    def attach(self, envs):
        self.core = envs.core

    def predict(self, observation):
        with torch.inference_mode():
            seen = self.look(self.core)
            return np.full(NUM_ENVS, 4 if bool((seen > 0).any()) else 2), None


ROWS = torch.arange(NUM_ENVS)
SPIES = {
    "the gain in reality": lambda core: core.reality.atlas.gain,
    "the site that it loads itself": lambda core: load_site(core.config.site).reality("reality").gain,
    "true positions": lambda core: core.reality.position(ROWS, torch.zeros(NUM_ENVS))[0].abs(),
    "true speeds": lambda core: core.reality.motion.speed_m_s,
    "errors of the estimates": lambda core: core.known.sensing._filter[:2, :2].abs(),
    "noise that is to come": lambda core: core.streams.key,
}
SPIES_OF = {
    "FeedbackInterval": SPIES
    | {
        "the channel in reality": lambda cell: cell.reality.channel(
            ROWS, cell.known.sensing.position.new_zeros(NUM_ENVS, 1, 3) + 20.0, cell.subband_hz
        ).abs()
    },
    "ApSelection": SPIES
    | {
        "the channels in reality": lambda network: network.reality.channels(
            network.known.sensing.position.new_zeros(NUM_ENVS, 1, 3) + 20.0
        ).abs()
    },
    "BeamSelection": SPIES
    | {
        "true powers of beams": lambda cell: cell.beam_snr(ROWS, ROWS * 0, torch.zeros(NUM_ENVS)),
        "who blocks": lambda cell: cell.blockage._start_m.abs(),
    },
}


@pytest.mark.parametrize(
    ("env", "look"),
    [pytest.param(env, look, id=f"{env}-{name}") for env, spies in SPIES_OF.items() for name, look in spies.items()],
)
def test_a_planted_policy_that_leaks_is_caught(env, look):
    assert leaking(env, Spy(look))


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
        position, _ = core.reality.position(rows, core.known.now_slots[rows] * core.slot_s)
        return torch.cat([observe_turn(task, rows), position[:, 0, :1] / 1000], -1)

    assert leaking(env, FixedPolicy(3), observe)


@pytest.mark.parametrize("env", ["FeedbackInterval", "ApSelection", "BeamSelection"])
def test_the_poison_leaves_no_trace(env):
    site = make_envs(env, 1, device="cpu", **OPTIONS[env]).core.site.recipe.name
    atlas = load_site(site).reality("reality")
    before = {name: value.clone() for name, value in vars(atlas).items() if isinstance(value, torch.Tensor)}
    rollout(env, FixedPolicy(3), poison=True)
    assert all(torch.equal(vars(atlas)[name], value) for name, value in before.items())
