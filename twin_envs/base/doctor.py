"""What this machine can do with twin-envs, and how to mend what it cannot.

The ray tracer (sionna.rt on Dr.Jit) compiles with CUDA or with an LLVM library of the system. Some versions of LLVM
abort the whole process at the first trace, so it is tried in a process of its own, never in the caller's.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REQUIRED = ("gymnasium", "numpy", "torch", "sionna", "safetensors", "platformdirs", "filelock", "rich", "typer")
"""The packages that twin-envs needs, as in pyproject.toml."""
EXTRAS: Mapping[str, Sequence[str]] = {
    "build": ("scipy",),
    "agents": ("stable-baselines3", "sb3-contrib", "scipy", "matplotlib", "tensorboard", "psutil"),
    "twins": ("scikit-learn",),
    "multi": ("pettingzoo",),
    "render": ("matplotlib", "pillow", "pygame"),
}
"""The packages that each extra adds for its users, as in pyproject.toml."""
OLDEST_PYTHON = (3, 11)
_IN_CHECKOUT = "in the checkout of twin-envs"

_TRACE = """
import contextlib
with contextlib.suppress(ImportError):
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import sionna.rt as rt
scene = rt.load_scene()
scene.tx_array = scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
scene.add(rt.Transmitter("transmitter", (0, 0, 10)))
scene.add(rt.Receiver("receiver", (10, 0, 10)))
paths = rt.PathSolver()(scene, max_depth=1, samples_per_src=100)
assert abs(float(paths.tau.numpy().ravel()[0]) * 299792458 - 10) < 0.01, "the traced delay is wrong"
"""
TRACE_COMMAND = (sys.executable, "-P", "-c", _TRACE)
"""Traces two points, exit code 0 if that went well."""
LIMIT_S = 180.0
"""How long that may take."""
_LLVM_LIBRARY = re.compile(r"libLLVM(?:-|\.so\.)(\d+)(?:\.so\.1|\.\d+)")
LLVM_FOLDERS = ("usr/lib", "usr/lib64", "usr/lib/*-linux-gnu", "usr/lib/llvm-*/lib", "usr/lib64/llvm*/lib*")
"""Where LLVM libraries are looked for, relative to the root."""
_OLDEST_LLVM = 15
_LLVM_SIGNALS = tuple(s for s in ("SIGABRT", "SIGSEGV", "SIGILL", "SIGBUS", "SIGTRAP") if hasattr(signal, s))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing about this machine; `remedy` is how to mend it, empty if `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Everything twin-envs depends on: Python, packages, extras, processor, CUDA and the ray tracer (takes seconds)."""
    problem, remedy = examine_ray_tracer(os.environ.get("DRJIT_LIBLLVM_PATH"), TRACE_COMMAND)
    tracer = Finding(name="ray tracer", ok=not problem, detail=problem or "traces (sionna.rt)", remedy=remedy)
    return [_python(), _packages(), *map(_extra, EXTRAS), _processor(), _cuda(), tracer]


def ray_tracer_problem() -> str | None:
    """Why sionna.rt cannot be used in this environment, with the command that mends it; None if it can.

    The first call takes seconds; the answer is kept for the life of the process. sionna.rt is not imported.
    """
    problem, remedy = examine_ray_tracer(os.environ.get("DRJIT_LIBLLVM_PATH"), TRACE_COMMAND)
    return f"the ray tracer does not work here: {problem}; to mend it: {remedy}" if problem else None


def _python() -> Finding:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    return Finding(
        name="python",
        ok=ok,
        detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        remedy="" if ok else f"install Python {oldest} or newer",
    )


def _packages() -> Finding:
    return _installed("packages", REQUIRED, f"{_IN_CHECKOUT}: pip install --upgrade .")


def _extra(extra: str) -> Finding:
    return _installed(f"extra {extra}", EXTRAS[extra], f"{_IN_CHECKOUT}: pip install '.[{extra}]'")


def _installed(name: str, packages: Sequence[str], remedy: str) -> Finding:
    versions = {package: version_of(package) for package in packages}
    ok = None not in versions.values()
    detail = ", ".join(f"{package} {version or 'is missing'}" for package, version in versions.items())
    return Finding(name=name, ok=ok, detail=detail, remedy="" if ok else remedy)


def version_of(package: str) -> str | None:
    """Version of an installed package; None if it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> Finding:
    return Finding(name="processor", ok=True, detail=f"{os.cpu_count()} cores")


def _cuda() -> Finding:
    try:
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    except Exception as error:  # a broken driver or installation must not stop the other findings
        remedy = "reinstall torch, https://pytorch.org/get-started/locally"
        return Finding(name="cuda", ok=False, detail=str(error), remedy=remedy)
    return Finding(name="cuda", ok=True, detail=", ".join(names) or "no CUDA device; everything runs on the processor")


@functools.cache
def examine_ray_tracer(library: str | None, command: tuple[str, ...]) -> tuple[str, str]:
    """What is wrong with the ray tracer and what mends it; two empty strings if nothing is.

    Args:
        library: the environment's DRJIT_LIBLLVM_PATH, which decides the outcome.
        command: traces something, exit code 0 if that went well.
    """
    if version_of("sionna-rt") is None:
        return "sionna-rt is not installed", "pip install sionna-rt"
    problem, llvm = _try_tracing(library, command)
    if not problem:
        return "", ""
    if not llvm:
        return problem, "pip install --force-reinstall sionna-rt"
    if library:
        problem = f"with DRJIT_LIBLLVM_PATH={library}, {problem}"
    for other in llvm_libraries():
        if str(other) != library and not _try_tracing(str(other), command)[0]:
            return problem, f"export DRJIT_LIBLLVM_PATH={other}"
    return problem, how_to_install_llvm()


def _try_tracing(library: str | None, command: Sequence[str]) -> tuple[str, bool]:
    """What went wrong, empty if nothing did, and whether LLVM is to blame."""
    environment = {**os.environ, "DRJIT_LIBLLVM_PATH": library} if library else dict(os.environ)
    try:
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"tracing two points did not end within {LIMIT_S:g} s", False
    errors = result.stderr.decode(errors="replace").strip()
    if result.returncode == 0:
        return "", False
    if result.returncode < 0:
        name = _signal_name(-result.returncode)
        if name in _LLVM_SIGNALS:
            return f"tracing was ended by {name}, so this version of LLVM cannot be used", True
        return f"tracing was ended by {name}", False
    last_line = errors.splitlines()[-1].strip() if errors else f"exit code {result.returncode}"
    return f"tracing failed ({last_line})", "llvm" in errors.lower()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def llvm_libraries() -> list[Path]:
    """LLVM libraries on this machine that Dr.Jit may accept, one of each version, the newest first."""
    found: dict[int, Path] = {}
    for folder in LLVM_FOLDERS:
        for path in sorted(Path("/").glob(f"{folder}/libLLVM*")):
            match = _LLVM_LIBRARY.fullmatch(path.name)
            if match and int(match[1]) >= _OLDEST_LLVM:
                found.setdefault(int(match[1]), path)
    return [found[version] for version in sorted(found, reverse=True)]


def how_to_install_llvm() -> str:
    """The command that installs an LLVM library that works."""
    if shutil.which("apt-get"):
        return "apt-get install libllvm19" if os.geteuid() == 0 else "sudo apt-get install libllvm19"
    if sys.platform == "darwin":
        return "brew install llvm && export DRJIT_LIBLLVM_PATH=$(brew --prefix llvm)/lib/libLLVM.dylib"
    return "install LLVM 19 and set DRJIT_LIBLLVM_PATH to its libLLVM library"
