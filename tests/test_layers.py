"""The house: a layer imports only from its left, and using an environment takes no more than it needs."""

import ast
import itertools
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from importlinter.cli import lint_imports

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
env = gymnasium.make("twin_envs/FeedbackInterval-v0", num_ue=2, episode_slots=200, device="cpu")
env.reset(seed=0)
env.step(env.action_space.sample())
envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v0", num_envs=2, num_ue=2, episode_slots=200, device="cpu")
envs.reset(seed=0)
envs.step(envs.action_space.sample())
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after running `code`."""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_a_layer_imports_only_from_its_left(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]
LAYERS = [layer.split(" | ") for layer in CONTRACT["layers"]]


def test_the_contract_names_the_layers_of_the_house_in_order():
    flat = [module for layer in LAYERS for module in layer]
    house = ["benchmarks", "agents", "twin_envs.envs", "twin_envs.csi", "twin_envs.twin", "twin_envs.world"]
    assert [module for module in flat if module in house] == house
    packages = [file.parent.name for file in (ROOT / "twin_envs").glob("*/__init__.py")]
    assert {f"twin_envs.{package}" for package in packages} <= set(flat)


def test_the_contract_refuses_each_import_from_the_right(tmp_path):
    """The same contract on a house of empty layers, in turn with one wrong import."""

    def place(module: str) -> Path:
        return tmp_path.joinpath(*module.split("."), "__init__.py")

    for module in ("twin_envs", *(module for layer in LAYERS for module in layer)):
        place(module).parent.mkdir(parents=True, exist_ok=True)
        place(module).touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"

    def lint() -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert lint().returncode == 0, lint().stdout
    for (right, *_), (left, *_) in itertools.pairwise(LAYERS):
        place(left).write_text(f"import {right}\n", encoding="utf-8")
        assert "Contracts: 0 kept, 1 broken" in lint().stdout, f"{left} imports {right}"
        place(left).write_text("", encoding="utf-8")


def test_only_the_tracer_imports_the_ray_tracer():
    found = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "twin_envs").rglob("*.py")
        if any(f"import {name}" in file.read_text(encoding="utf-8") for name in ("sionna.rt", "mitsuba", "drjit"))
        and file.name != "doctor.py"  # tries it in a process of its own
    ]
    assert found == ["twin_envs/world/tracing.py"]


def test_an_environment_needs_no_ray_tracer_and_no_extra():
    loaded = modules_after(MAKE)
    assert "twin_envs.envs.csi_cell.core" in loaded
    assert not [name for name in loaded if name.startswith(RAY_TRACER)]
    assert not [name for name in loaded if name.split(".")[0] in EXTRAS]
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
    assert imported("twin_envs.world.building.builder") >= {"scipy"}  # an extra, for who builds
    assert not imported("twin_envs.world.building.tracing") & {"sionna", "mitsuba", "drjit"}


def test_importing_the_package_is_light():
    loaded = modules_after("import json, sys, twin_envs\nprint(json.dumps(sorted(sys.modules)))")
    assert "twin_envs" in loaded
    assert not [name for name in loaded if name.startswith((*RAY_TRACER, "sionna", "torch", *EXTRAS))]
