"""The doctor survives what it finds, and says what mends it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from twin_envs.base import doctor

PROJECT = Path(__file__).parents[2]
ABORTS = (sys.executable, "-c", "import os; os.abort()")
TRACES = (sys.executable, "-c", "pass")
NO_LLVM = (sys.executable, "-c", "raise ImportError('the LLVM shared library could not be found')")
BROKEN = (sys.executable, "-c", "import mitsuba_of_another_age")
NEVER_ENDS = (sys.executable, "-c", "import signal; signal.pause()")
WORKS_ONLY_WITH_19 = (
    sys.executable,
    "-c",
    "import os\nif '19' not in os.environ.get('DRJIT_LIBLLVM_PATH', ''): os.abort()",
)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with apt-get, without LLVM, and nothing remembered."""
    monkeypatch.delenv("DRJIT_LIBLLVM_PATH", raising=False)
    monkeypatch.setattr(doctor, "llvm_libraries", list)
    monkeypatch.setattr(doctor.shutil, "which", lambda command: f"/usr/bin/{command}")
    monkeypatch.setattr(doctor, "version_of", lambda package: "1.0")
    doctor.examine_ray_tracer.cache_clear()
    yield
    doctor.examine_ray_tracer.cache_clear()


def problem(monkeypatch, command) -> str | None:
    monkeypatch.setattr(doctor, "TRACE_COMMAND", command)
    return doctor.ray_tracer_problem()


def test_a_tracer_that_works_is_no_problem(monkeypatch):
    assert problem(monkeypatch, TRACES) is None


@pytest.mark.parametrize(("command", "said"), [(ABORTS, "SIGABRT"), (NO_LLVM, "LLVM shared library could not")])
def test_the_caller_survives_an_llvm_that_aborts_or_is_missing(monkeypatch, command, said):
    message = problem(monkeypatch, command)
    assert said in message
    assert message.endswith("apt-get install libllvm19")


def test_only_root_installs_without_sudo(monkeypatch):
    for user, remedy in ((0, "apt-get install libllvm19"), (1000, "sudo apt-get install libllvm19")):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert doctor.how_to_install_llvm() == remedy


def test_a_library_that_works_is_proposed_before_installing_one(monkeypatch):
    libraries = [Path("/usr/lib/libLLVM.so.20.1"), Path("/usr/lib/libLLVM.so.19.1"), Path("/usr/lib/libLLVM-15.so.1")]
    monkeypatch.setattr(doctor, "llvm_libraries", lambda: libraries)
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", "/usr/lib/libLLVM-15.so.1")
    message = problem(monkeypatch, WORKS_ONLY_WITH_19)
    assert "with DRJIT_LIBLLVM_PATH=/usr/lib/libLLVM-15.so.1" in message
    assert message.endswith("export DRJIT_LIBLLVM_PATH=/usr/lib/libLLVM.so.19.1")


def test_what_is_not_the_fault_of_llvm_does_not_ask_for_another_llvm(monkeypatch):
    for command in (BROKEN, NEVER_ENDS):
        monkeypatch.setattr(doctor, "LIMIT_S", 20.0 if command is BROKEN else 0.1)
        message = problem(monkeypatch, command)
        assert "LLVM" not in message
        assert message.endswith("pip install --force-reinstall sionna-rt")
    assert "did not end within 0.1 s" in message


def test_a_missing_sionna_rt_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda package: None)
    assert problem(monkeypatch, TRACES).endswith("pip install sionna-rt")


def test_the_answer_is_kept_until_the_environment_changes(monkeypatch, tmp_path):
    log = tmp_path / "log"
    command = (sys.executable, "-c", f"open({str(log)!r}, 'a').write('x')")
    for library in ("/a", "/a", "/b", "/a"):
        monkeypatch.setenv("DRJIT_LIBLLVM_PATH", library)
        assert problem(monkeypatch, command) is None
    assert log.read_text() == "xx"


def test_libraries_are_found_newest_first(monkeypatch, tmp_path):
    monkeypatch.undo()
    names = (
        "libLLVM-14.so.1",
        "libLLVM-15.so",
        "libLLVM-15.so.1",
        "libLLVM-9.so.1",
        "libLLVM.so.19.1",
        "libLLVMCore.a",
    )
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr(doctor, "LLVM_FOLDERS", (str(tmp_path.relative_to("/")),))
    assert [path.name for path in doctor.llvm_libraries()] == ["libLLVM.so.19.1", "libLLVM-15.so.1"]


def test_every_finding_that_is_not_ok_has_a_remedy(monkeypatch):
    monkeypatch.setattr(doctor, "TRACE_COMMAND", ABORTS)
    monkeypatch.setattr(doctor, "version_of", lambda package: None if package == "pettingzoo" else "1.0")
    findings = {finding.name: finding for finding in doctor.diagnose()}
    assert {name for name, finding in findings.items() if not finding.ok} == {"extra multi", "ray tracer"}
    assert findings["extra multi"].remedy == "in the checkout of twin-envs: pip install '.[multi]'"
    assert "pettingzoo is missing" in findings["extra multi"].detail
    assert findings["ray tracer"].remedy.endswith("apt-get install libllvm19")
    assert all(bool(finding.remedy) != finding.ok for finding in findings.values())


def test_the_packages_are_those_of_the_project():
    def names(requirements):
        return {requirement.split(">")[0] for requirement in requirements}

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert names(project["dependencies"]) == set(doctor.REQUIRED)
    for extra, packages in doctor.EXTRAS.items():
        assert names(project["optional-dependencies"][extra]) == set(packages)
    assert project["requires-python"] == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))


def test_importing_the_doctor_is_light():
    code = (
        "import sys, twin_envs.base.doctor; print(sorted({'torch', 'drjit', 'mitsuba', 'sionna'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.fixture
def llvm_machine(monkeypatch):
    """This machine as it is, if it traces with an LLVM library."""
    monkeypatch.undo()
    if doctor.version_of("sionna-rt") is None:
        pytest.skip("sionna-rt is not installed")
    if torch.cuda.is_available():
        pytest.skip("a CUDA device traces without LLVM")


def test_an_llvm_that_aborts_is_named_with_what_mends_it(llvm_machine, monkeypatch):
    library = next(Path("/usr/lib").glob("*-linux-gnu/libLLVM-15.so.1"), None)
    if library is None:
        pytest.skip("no LLVM 15 on this machine")
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(library))
    assert f"with DRJIT_LIBLLVM_PATH={library}, tracing was ended by SIG" in doctor.ray_tracer_problem()


def test_a_path_without_a_library_is_named(llvm_machine, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "llvm_libraries", list)
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(tmp_path / "libLLVM.so"))
    message = doctor.ray_tracer_problem()
    assert f"with DRJIT_LIBLLVM_PATH={tmp_path / 'libLLVM.so'}, tracing failed" in message
    assert message.endswith(doctor.how_to_install_llvm())


LARGER_TRACE = """
import sionna.rt as rt
scene = rt.load_scene(rt.scene.floor_wall)
scene.tx_array = scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
scene.add(rt.Transmitter("transmitter", (0, 0, 3)))
scene.add(rt.Receiver("receiver", (2, 2, 2)))
paths = rt.PathSolver()(scene, max_depth=2, samples_per_src=1000, diffuse_reflection=True, diffraction=True)
print(float(paths.tau.numpy().min()) * 299792458)
"""


@pytest.mark.rt
def test_a_larger_trace_works_where_the_doctor_finds_no_problem(monkeypatch):
    monkeypatch.undo()
    result = subprocess.run([sys.executable, "-c", LARGER_TRACE], capture_output=True, text=True, check=True)
    assert float(result.stdout.split()[-1]) == pytest.approx(3.0, rel=1e-5)


GUARDED = """
import pytest

@pytest.mark.rt
def test_traces():
    pass

@pytest.mark.rt
def test_may_not_skip_itself():
    pytest.skip("no reason")

def test_of_another_kind_may():
    pytest.skip("some reason")
"""


@pytest.mark.parametrize(
    ("required", "verdict"),
    [(True, "None"), (True, "'broken LLVM'"), (False, "'broken LLVM'")],
)
def test_a_skip_of_the_ray_tracer_fails_where_it_is_required(tmp_path, required, verdict):
    patch = f"import twin_envs.base.doctor\ntwin_envs.base.doctor.ray_tracer_problem = lambda: {verdict}\n"
    (tmp_path / "conftest.py").write_text(patch + (PROJECT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_guarded.py").write_text(GUARDED)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TWIN_ENVS_REQUIRE_RT": "1" if required else "0"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "markers=rt: traces", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    traced = verdict == "None"
    counts = {(True, True): "1 failed, 1 passed, 1 skipped", (True, False): "1 skipped, 2 errors"}
    assert counts.get((required, traced), "3 skipped") in result.stdout
    assert result.returncode == (1 if required else 0)
    assert ("but no test marked rt has passed" in result.stdout) == (required and not traced)
