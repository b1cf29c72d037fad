"""The two-worlds rule in the source: no module that may not names what belongs to reality, or what traces it anew.

Leaks are planted to see that they are found. Who may import what reads reality is a contract of the import linter.
"""

import ast

import pytest
from modules import modules, source_of, within

from twin_envs.world.store.site import READS_REALITY

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
HARMLESS = {
    "tdd.downlink": "slots of the pattern",
    "schedule.serves": "when a sweep is over",
    "found.survey": "what a preview shows: the map that twin and reality share",
}
"""Called as something of reality is, and nothing of it."""
PACKAGES = ("twin_envs.world.building.gap", "twin_envs.envs.reality")


def leaks(source: str) -> list[str]:
    """Every place of a module at which it could reach into reality, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
            names = [node.attr, f"{owner}.{node.attr}"] if f"{owner}.{node.attr}" not in HARMLESS else []
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
