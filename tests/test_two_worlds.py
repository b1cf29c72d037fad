"""The two-worlds rule: nothing that observes, predicts or decides touches reality, oracles and cores excepted.

Checked twice. In the source: no module outside `READS_REALITY` names what belongs to reality, or what traces it anew.
And in behaviour: what the network does not know is replaced by NaN whenever something is observed or decided by any of
the policies that compete, and nothing may change. Both checks are tried on planted leaks.
"""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ids import ENVIRONMENTS

from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy, RandomPolicy
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.agents.csi_cell.scheduling import RoundRobin
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.base.errors import SiteError
from twin_envs.envs.core.task import Core, Task
from twin_envs.world.store.site import READS_REALITY, load_site

ROOT = Path(__file__).resolve().parent.parent

# In the source

OFFLINE = (
    "twin_envs.world.store.site",
    "twin_envs.world.building.builder",
    "twin_envs.world.building.gap",
    "twin_envs.envs.reality.cell",
    "twin_envs.envs.reality.network",
)
"""Where reality is defined, built and measured."""
TRACES = ("benchmarks.speed",)
"""Traces where the network believes the UEs to be, to measure how long it takes: what comes out is thrown away."""
TRACING = {
    "Tracer": "any world, traced anew",
    "import_ray_tracer": "the ray tracer itself",
    "survey": "what a site's reality is built from",
    "clutter": "what reality holds and the map does not",
    "draw_clutter": "what reality holds and the map does not",
}
NAMES = TRACING | {
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
MODULES = {"twin_envs.world.building.gap", "twin_envs.envs.reality.cell", "twin_envs.envs.reality.network"}


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
    places = {"twin_envs": "twin_envs", "twin_envs.agents": "agents", "twin_envs.benchmarks": "benchmarks"}
    return {
        ".".join((name, *file.relative_to(ROOT / folder).with_suffix("").parts)).removesuffix(".__init__"): file
        for name, folder in places.items()
        for file in (ROOT / folder).rglob("*.py")
    }


@pytest.mark.parametrize("module", sorted(set(modules()) - {*READS_REALITY, *OFFLINE, *TRACES}))
def test_a_module_that_may_not_read_reality_does_not(module):
    assert leaks(modules()[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", READS_REALITY)
def test_a_module_that_may_read_reality_is_there_and_does(module):
    assert leaks(modules()[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", TRACES)
def test_a_module_that_may_trace_does_and_reads_nothing_else_of_reality(module):
    named = {leak.split(": ")[1] for leak in leaks(modules()[module].read_text(encoding="utf-8"))}
    assert "Tracer" in named
    assert named <= set(TRACING)


PLANTED = {
    "the world of a cell": "def act(cell):\n    return cell.reality.gain(rows, position)",
    "the method of a site": "def act(site):\n    return site.reality('reality')",
    "behind the method": "atlas = site._atlas('reality')",
    "the cache of a site": "atlas = site._atlases['reality']",
    "true positions": "position = world.motion.at(rows, time_s)",
    "by a text": "atlas = getattr(site, 'reality')('reality')",
    "by an operator": "import operator\natlas = operator.methodcaller('reality', 'reality')(site)",
    "the class": "from twin_envs.envs.reality.cell import Reality",
    "the module": "import twin_envs.envs.reality.cell as r",
    "the package": "from twin_envs.envs import reality",
    "the measured gap": "from twin_envs.world.building.gap import measure_gap",
    "the file": "tensors = read_tensors(site.path, 'world-reality.safetensors')",
    "the file, put together": "tensors = read_tensors(site.path, f'world-{name}.safetensors')",
    "the file, by its function": "from twin_envs.world.store.site import world_file",
    "a copy of the cell": "def act(cell, copies):\n    copies.imitate(rows, cell, rows)",
    "reality, traced anew": "from twin_envs.world.building.tracing import Tracer",
    "by the module of the tracer": "from twin_envs.world import tracing\npaths = tracing.Tracer(*about)",
    "by the ray tracer": "from twin_envs.world.building.tracing import import_ray_tracer as tracer",
    "the survey": "import twin_envs.world.building.builder as b\nsurveyed = b.survey(recipe)",
    "what the survey found": "def act(surveyed):\n    return surveyed.clutter",
    "the vehicles, drawn anew": "from twin_envs.world.building.clutter import draw_clutter",
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_planted_leak_is_found_in_the_source(source):
    assert leaks(source)


def test_innocent_source_is_not_accused():
    source = '''
"""Trains in the twin, evaluates in reality; a world-class policy."""
from twin_envs.world.store.site import load_site

def choose(cell, world="reality"):
    """Reality is what `cell.reality` is; this does not read it."""
    twin = cell.twin.atlas
    envs = make_envs("FeedbackInterval", world="reality")
    return load_site(cell.config.site).twin("twin"), getattr(cell, "known"), {"reality": 1.0}
'''
    assert leaks(source) == []


# In behaviour

NUM_ENVS, STEPS = 3, 9
CSI = {"num_ue": 3, "episode_slots": 300, "uplink_period_slots": 20}
CYCLE = {"num_ue": 3, "episode_slots": 4000, "cycle_slots": 960}
OPTIONS = {
    "FeedbackInterval": CSI,
    "PilotDensity": CSI,
    "CsiProtocol": CSI,
    "CsiProtocolFlat": CSI,
    "ReportScheduling": {"num_ue": 3, "episode_slots": 500},
    "ApAssociation": {"num_ue": 3, "episode_slots": 1000, "cluster_size": 3},
    "ApSelection": {"num_ue": 3, "episode_slots": 1000},
    "BeamSelection": CYCLE,
    "TwinFidelity": CYCLE | {"burst_slots": 20, "latency_scale": 0.1},
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


def observe_turn(task: Task, rows: torch.Tensor) -> torch.Tensor:
    return task.observe(rows, task.turn(rows))


class Player:
    """A policy in a batch of environments in reality; what it observes and decides is done `hidden(core)`."""

    def __init__(self, env: str, policy: Any, observe: Callable, hidden: Callable) -> None:
        self.envs = make_envs(env, NUM_ENVS, device="cpu", **OPTIONS[env])
        self.policy, self.observe, self.hidden = deepcopy(policy), observe, hidden
        self.state, self.start = None, np.ones(NUM_ENVS, bool)
        with hidden(self.envs.core):
            self.policy.attach(self.envs)
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


def leaking(env: str, policy: Any, observe: Callable = observe_turn) -> bool:
    """Whether something that was observed or decided depended on what the network does not know."""
    sighted = Player(env, policy, observe, nullcontext)
    try:
        blind = Player(env, policy, observe, poisoned)
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


def competing(env: str) -> dict[str, Any]:
    """The policies of an environment by name: one fixed choice, of each rule one candidate, and those without any."""
    about = contenders(env)
    fixed = dict(list(about.fixed.items())[-1:])
    tuned = {name: list(candidates.values())[len(candidates) // 2] for name, candidates in about.tuned.items()}
    return {"random": RandomPolicy(0), **fixed, **tuned, **about.ready}


COMPETING = [(env, name, policy) for env in ENVIRONMENTS for name, policy in competing(env).items()]
HONEST = [pytest.param(env, policy, id=f"{env}-{name}") for env, name, policy in COMPETING if "oracle" not in name]


@pytest.mark.parametrize(("env", "policy"), HONEST)
def test_no_observation_and_no_decision_depends_on_reality(env, policy):
    assert not leaking(env, policy)


def test_no_policy_but_oracles_is_left_out():
    for _, name, policy in COMPETING:
        assert ("oracle" in name) == (type(policy).__module__ in READS_REALITY)


class Spy:
    """A policy that decides by what it should not know."""

    def __init__(self, look: Callable[[Core], torch.Tensor]) -> None:
        self.look = look

    def attach(self, envs):
        self.core = envs.core

    def predict(self, observation, *_):
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
    assert not leaking(env, FixedPolicy(3))
    assert all(torch.equal(vars(atlas)[name], value) for name, value in before.items())
