"""The two-worlds rule: nothing that observes, predicts or decides touches reality, oracles and cores excepted.

Checked three times. In the source: no module outside `READS_REALITY` names what belongs to reality, or what traces it
anew. In the objects: from the network's view, and from a policy that is attached to it, no attribute leads to reality.
And in behaviour: what the network does not know is replaced by NaN whenever something is observed or decided by any of
the policies that compete, and nothing may change. All checks are tried on planted leaks. Who may import what reads
reality is a contract of the import linter, see `test_layers.py`.
"""

import ast
import types
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ids import ENVIRONMENTS
from poison import poisoned, secrets
from reachable import reachable

from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import FixedPolicy, RandomPolicy, attach
from twin_envs.agents.csi_cell.oracle import OraclePlanner
from twin_envs.agents.csi_cell.scheduling import RoundRobin
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.base.errors import SiteError
from twin_envs.base.streams import Streams
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.task import Task
from twin_envs.envs.csi_cell.downlink import Downlink
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.reality.blockage import Blockage
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.network import NetworkReality
from twin_envs.envs.reality.population import Population
from twin_envs.world.motion import Motion
from twin_envs.world.sensing import Sensing
from twin_envs.world.store.site import READS_REALITY, Site, load_site

ROOT = Path(__file__).resolve().parent.parent

# In the source

DEFINES = "twin_envs.world.store.site"
"""Where it is said what reality is."""
TRACES = ("twin_envs.benchmarks.speed",)
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
    "NetworkReality": "reality",
    "beam_snr": "true powers of beams",
    "blockage": "what blocks paths",
    "downlink": "what is delivered over true channels",
    "serves": "who is served in reality",
    "gain_on_routes": "gains in reality",
    "imitate": "the true state of a core",
    "states": "the true state of a core",
    "sensing.state": "the errors of the estimates",
}
PACKAGES = ("twin_envs.world.building.gap", "twin_envs.envs.reality")


def within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of `packages`, or in one."""
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def leaks(source: str) -> list[str]:
    """Every place of a module at which it could reach into reality, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
            names = [node.attr, f"{owner}.{node.attr}"]
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
        found += [f"{node.lineno}: {name}" for name in names if name in NAMES or within(name, PACKAGES)]
    return found


def modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    places = {"twin_envs": "twin_envs", "twin_envs.agents": "agents", "twin_envs.benchmarks": "benchmarks"}
    return {
        ".".join((name, *file.relative_to(ROOT / folder).with_suffix("").parts)).removesuffix(".__init__"): file
        for name, folder in places.items()
        for file in (ROOT / folder).rglob("*.py")
    }


def source_of(module: str) -> str:
    return modules()[module].read_text(encoding="utf-8")


def imports(source: str) -> set[str]:
    """Modules that a module imports, anywhere in it."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {node.module or "" for node in nodes}


HONEST_MODULES = sorted(m for m in set(modules()) - {DEFINES, *TRACES} if not within(m, READS_REALITY))


@pytest.mark.parametrize("module", HONEST_MODULES)
def test_a_module_that_may_not_read_reality_does_not(module):
    assert leaks(source_of(module)) == []


@pytest.mark.parametrize("package", READS_REALITY)
def test_what_may_read_reality_is_there_and_does(package):
    sources = [source_of(module) for module in modules() if within(module, (package,))]
    assert any(leaks(source) or any(within(m, READS_REALITY) for m in imports(source)) for source in sources)


@pytest.mark.parametrize(
    "module",
    [
        m
        for m in HONEST_MODULES
        if within(m, tuple(f"twin_envs.agents.{family}" for family in ("csi_cell", "association", "beams")))
    ],
)
def test_a_policy_does_not_ask_for_the_core(module):
    """It is attached to the network's view, and has nothing else to look at."""
    asked = [node for node in ast.walk(ast.parse(source_of(module))) if isinstance(node, ast.Attribute)]
    assert [node.lineno for node in asked if node.attr in ("core", "task", "envs")] == []


@pytest.mark.parametrize("module", TRACES)
def test_a_module_that_may_trace_does_and_reads_nothing_else_of_reality(module):
    named = {leak.split(": ")[1] for leak in leaks(source_of(module))}
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
    "the errors of the estimates": "def act(core):\n    return core.sensing.state.values",
    "the errors of the estimates, from behind": "def act(sensing):\n    return sensing.state.values[:2, :2]",
    "all of the state": "def act(core):\n    return list(core.states())",
    "who is served": "def act(core):\n    return core.population.serves",
    "what is delivered": "def act(cell):\n    return cell.downlink.transmit(rows, start, until)",
    "what blocks": "def act(cell):\n    return cell.blockage.state.start_m",
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

def choose(network, world="reality"):
    """Reality is what `cell.reality` is; this does not read it."""
    twin, state, position = network.twin.atlas, network.state, network.sensing.position
    envs = make_envs("FeedbackInterval", world="reality")
    return load_site(network.config.site).twin("twin"), getattr(network, "state"), {"reality": 1.0}
'''
    assert leaks(source) == []


# In behaviour

NUM_ENVS, STEPS = 3, 9
CSI = {"num_ue": 3, "episode_slots": 300, "csi_uplink_share": 0.02}
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


def observe_turn(task: Task, rows: torch.Tensor) -> torch.Tensor:
    return task.observe(rows, task.turn(rows))


class Player:
    """A policy in a batch of environments in reality; what it observes and decides is done `hidden(core)`."""

    def __init__(self, env: str, policy: Any, observe: Callable, hidden: Callable) -> None:
        self.envs = make_envs(env, NUM_ENVS, device="cpu", **OPTIONS[env])
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
    site = make_envs(env, 1, device="cpu", **OPTIONS[env]).core.site.recipe.name
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
    core = make_envs("BeamSelection", 1, device="cpu", **OPTIONS["BeamSelection"]).core
    assert named <= set(secrets(core))
    seen = {id(thing) for _, thing in reachable(core.network)}
    assert not [name for name, values in secrets(core).items() if id(values) in seen]
    assert not [name for name in secrets(core) if name.startswith(("BeamState", "Estimates"))]


# In the objects

FORBIDDEN = (
    Core,
    Task,
    TaskVectorEnv,
    Site,
    Reality,
    NetworkReality,
    Blockage,
    Population,
    Downlink,
    Motion,
    Sensing,
    Streams,
)


def ways(start: Any, core: Core) -> list[str]:
    """Every way that attributes lead from an object to what the network does not know."""
    hidden = {value.untyped_storage().data_ptr() for value in secrets(core).values() if value.numel()}
    return [
        f"{way}: {type(thing).__name__}"
        for way, thing in reachable(start)
        if isinstance(thing, FORBIDDEN)
        or thing is core.reality.atlas
        or (isinstance(thing, torch.Tensor) and thing.untyped_storage().data_ptr() in hidden)
    ]


def played(env: str) -> TaskVectorEnv:
    envs = make_envs(env, NUM_ENVS, device="cpu", **OPTIONS[env])
    envs.reset(seed=5)
    envs.action_space.seed(5)
    envs.step(envs.action_space.sample())
    return envs


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_way_leads_from_what_the_network_knows_to_reality(env):
    envs = played(env)
    assert len(list(reachable(envs.network))) > 50
    assert ways(envs.network, envs.core) == []
    assert ways(envs, envs.core)
    for name, policy in competing(env).items():
        if not isinstance(policy, Oracle):
            attach(policy, envs)
            observation = envs.task.observe(ROWS, envs.task.turn(ROWS)).numpy()
            policy.predict(observation, None, np.ones(NUM_ENVS, bool))
            assert ways(policy, envs.core) == [], name


def by_attribute(network, core):
    network.config_of = core


def by_method(network, core):
    network.look = core.beam_snr


def by_closure(network, core):
    network.look = lambda: core.reality


def by_default(network, core):
    def look(motion=core.motion):
        return motion

    network.look = look


def in_a_container(network, core):
    network.more = {"all": [(core.sensing,)]}


def deep_down(network, core):
    network.codebook.about = types.SimpleNamespace(site=core.site)


def as_a_tensor(network, core):
    network.errors = core.sensing.state.values[1, :2]


def by_the_atlas(network, core):
    network.other_twin = core.reality.atlas


PLANTS = (by_attribute, by_method, by_closure, by_default, in_a_container, deep_down, as_a_tensor, by_the_atlas)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_way_is_found(plant):
    envs = played("BeamSelection")
    assert ways(envs.network, envs.core) == []
    plant(envs.network, envs.core)
    assert ways(envs.network, envs.core)
