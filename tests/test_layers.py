"""The house: a layer imports only from those below, few may import what reads reality, and using an environment takes
no more than it needs."""

import ast
import itertools
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from twin_envs.world.store.site import READS_REALITY

ROOT = Path(__file__).resolve().parent.parent

RAY_TRACER = ("sionna.rt", "mitsuba", "drjit")
EXTRAS = ("stable_baselines3", "tensorboard")
"""What comes only with the extra `agents`."""
BROUGHT = ("scipy", "matplotlib")
"""Extras that torch and sionna load themselves: no module of ours may count on that."""

MAKE = """
import json, sys
import gymnasium
import twin_envs
env = gymnasium.make("twin_envs/FeedbackInterval-v1", num_ue=2, episode_slots=200, device="cpu")
env.reset(seed=0)
env.step(env.action_space.sample())
envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=2, num_ue=2, episode_slots=200, device="cpu")
envs.reset(seed=0)
envs.step(envs.action_space.sample())
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after running `code`."""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = [layer.split(" | ") for layer in CONTRACTS[0]["layers"]]
SHELVES = [[f"twin_envs.envs.{name}" for name in layer.split(" | ")] for layer in CONTRACTS[1]["layers"]]
"""Layers within `envs`."""
PROTECTED = {contract["name"]: contract for contract in CONTRACTS[2:]}
"""Who may import what reads reality."""


def lint(folder: Path) -> str:
    """What import-linter says of the house in `folder`, in a process of its own: it switches loggers off."""
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {command}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode == 0) == (f"Contracts: {len(CONTRACTS)} kept, 0 broken" in run.stdout), run.stdout
    return run.stdout


def test_every_contract_is_kept():
    assert "0 broken" in lint(ROOT)


def test_the_contract_names_the_layers_of_the_house_in_order():
    flat = [module for layer in LAYERS for module in layer]
    house = [f"twin_envs.{name}" for name in ("benchmarks", "agents", "envs", "csi", "twin", "world", "base")]
    assert [module for module in flat if module in house] == house
    packages = [file.parent.name for file in (ROOT / "twin_envs").glob("*/__init__.py")]
    assert {"agents", "benchmarks", "envs"} <= set(packages)
    assert {f"twin_envs.{package}" for package in packages} <= set(flat)


def test_the_contract_within_envs_names_all_that_is_there():
    flat = [module.rpartition(".")[2] for shelf in SHELVES for module in shelf]
    found = [place.stem for place in (ROOT / "twin_envs" / "envs").iterdir() if not place.stem.startswith("__")]
    assert sorted(flat) == sorted(found)
    assert sorted(SHELVES[0]) == [f"twin_envs.envs.{family}" for family in ("association", "beams", "csi_cell")]
    assert flat[-1] == "reality"


def test_all_that_reads_reality_is_protected_and_nothing_else():
    assert {contract["type"] for contract in PROTECTED.values()} == {"protected"}
    protected = [module for contract in PROTECTED.values() for module in contract["protected_modules"]]
    assert sorted(protected) == sorted(READS_REALITY)


class House:
    """The contracts on a house of empty modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        modules = [module for layer in [*LAYERS, *SHELVES] for module in layer]
        for contract in PROTECTED.values():
            modules += [*contract["protected_modules"], *contract["allowed_importers"]]
        for module in modules:
            self.write(module.replace("*", "core"), "")
        pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        (folder / "pyproject.toml").write_text(pyproject, encoding="utf-8")

    def write(self, module: str, source: str) -> None:
        place = self.folder
        for part in module.split("."):
            place = place / part
            place.mkdir(exist_ok=True)
            (place / "__init__.py").touch()
        (place / "__init__.py").write_text(source, encoding="utf-8")

    def told_of(self, sources: dict[str, str]) -> str:
        """What is said of modules with these sources, on one line; then they are empty again."""
        for module, source in sources.items():
            self.write(module, source)
        told = " ".join(lint(self.folder).split())
        for module in sources:
            self.write(module, "")
        return told


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    return House(tmp_path_factory.mktemp("house"))


BROKEN = f"Contracts: {len(CONTRACTS) - 1} kept, 1 broken"


def test_an_empty_house_keeps_the_contracts(house):
    assert "0 broken" in lint(house.folder)


@pytest.mark.parametrize(
    ("contract", "imports"),
    [
        (CONTRACTS[0]["name"], list(itertools.pairwise(LAYERS))),
        (
            CONTRACTS[1]["name"],
            [*itertools.pairwise(SHELVES), (SHELVES[0][1:], SHELVES[0]), (SHELVES[0], SHELVES[-1])],
        ),
    ],
)
def test_a_contract_refuses_each_import_from_the_right(house, contract, imports):
    planted = [(left[0], right[0]) for right, left in imports]
    said = house.told_of(
        {
            importer: "".join(f"import {module}\n" for left, module in planted if left == importer)
            for importer, _ in planted
        }
    )
    assert BROKEN in said
    assert f"{contract} BROKEN" in said
    for importer, module in planted:
        assert f"{importer} -> {module} (l." in said


INNOCENT = ("agents.core.policies", "agents.csi_cell.rules", "benchmarks.report", "envs.core.network_view", "wrappers")
"""Modules that nothing of reality concerns."""


@pytest.mark.parametrize("name", PROTECTED)
def test_what_reads_reality_cannot_be_imported_by_others(house, name):
    """Each of them by some innocent module, in a layer that may import it but for this."""
    protected = PROTECTED[name]["protected_modules"]

    def may_import(importer: str, module: str, layers: list[list[str]]) -> bool:
        places = []
        for name in (importer, module):
            here = ((i, room) for i, layer in enumerate(layers) for room in layer if f"{name}.".startswith(f"{room}."))
            places.append(next(here, None))
        above, below = places
        return None in places or above == below or above[0] < below[0]

    planted = []
    for number, module in enumerate(protected):
        for innocent in INNOCENT:
            importer = f"twin_envs.{innocent}"
            if all(may_import(importer, module, layers) for layers in (LAYERS, SHELVES)):
                planted.append((f"{importer}.planted_{number}", module))
    assert len(planted) > len(protected)
    told = house.told_of(
        {
            importer: f"from {module.rpartition('.')[0]} import {module.rpartition('.')[2]}\n"
            for importer, module in planted
        }
    )
    assert BROKEN in told
    assert f"{name} BROKEN" in told
    for importer, module in planted:
        assert f"{importer} -> {module} (l.1)" in told


@pytest.mark.parametrize("name", PROTECTED)
def test_who_may_import_what_reads_reality_can(house, name):
    sources = {
        importer.replace("*", "core"): "".join(
            f"import {module}\n" for module in PROTECTED[name]["protected_modules"] if module != importer
        )
        for importer in PROTECTED[name]["allowed_importers"]
    }
    assert f"{name} KEPT" in house.told_of(sources)


def test_only_the_tracer_imports_the_ray_tracer():
    found = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "twin_envs").rglob("*.py")
        if any(f"import {name}" in file.read_text(encoding="utf-8") for name in ("sionna.rt", "mitsuba", "drjit"))
        and file.name != "doctor.py"  # tries it in a process of its own
    ]
    assert found == ["twin_envs/world/building/tracing.py"]


def test_an_environment_needs_no_ray_tracer_and_no_extra():
    loaded = modules_after(MAKE)
    assert "twin_envs.envs.csi_cell.core" in loaded
    assert not [name for name in loaded if name.split(".")[0] in ("sionna", "mitsuba", "drjit", *EXTRAS)]
    ours = [name for name in loaded if name.split(".")[0] == "twin_envs"]
    assert {name: imported(name) & {*EXTRAS, *BROUGHT} for name in ours} == {name: set() for name in ours}


def imported(module: str) -> set[str]:
    """Packages that a module of ours imports when it is imported."""
    path = ROOT.joinpath(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_ray_tracers_own_module_imports_it_only_when_it_traces():
    assert imported("twin_envs.world.building.survey") >= {"scipy"}  # an extra, for who builds
    assert not imported("twin_envs.world.building.tracing") & {"sionna", "mitsuba", "drjit"}


def test_importing_the_package_is_light():
    loaded = modules_after("import json, sys, twin_envs\nprint(json.dumps(sorted(sys.modules)))")
    assert "twin_envs" in loaded
    assert not [name for name in loaded if name.startswith((*RAY_TRACER, "sionna", "torch", *EXTRAS))]
