"""Try clients: each script of this folder in a virtual environment of its own, the outcome into `tried.json`.

    python tests/outside/works_with/run.py               # all of them
    python tests/outside/works_with/run.py tianshou imitation

An environment lies on top of the one that runs this file: pip installs only what the client asks for otherwise. The
file has to be run by an environment that has the dependencies of twin-envs; the checkout comes first on the path.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
CHECKOUT = FOLDER.parents[2]
TRIED = FOLDER / "tried.json"
ENVIRONMENTS = Path(tempfile.gettempdir()) / "twin-envs-works-with"
LIMIT_S = 900

CLIENTS = {
    "gymnasium": ("gymnasium", ["gymnasium"]),
    "stable_baselines3": ("stable-baselines3", ["stable-baselines3"]),
    "sb3_contrib": ("sb3-contrib", ["sb3-contrib"]),
    "rl_zoo3": ("rl-zoo3", ["rl-zoo3"]),
    "torchrl": ("torchrl", ["torchrl pettingzoo"]),
    "benchmarl": ("benchmarl", ["--no-deps benchmarl", "hydra-core av<14 torchrl<0.12 pettingzoo"]),
    "rllib": ("ray", ["ray[rllib]==2.60.0"]),
    "pettingzoo": ("pettingzoo", ["pettingzoo"]),
    "supersuit": ("supersuit", ["supersuit pettingzoo stable-baselines3"]),
    "agilerl": ("agilerl", ["agilerl peft transformers"]),
    "tianshou": ("tianshou", ["tianshou"]),
    "d3rlpy": ("d3rlpy", ["d3rlpy", "gymnasium>=1.2.2"]),
    "minari": ("minari", ["minari[create,hdf5]"]),
    "imitation": ("imitation", ["imitation", "gymnasium>=1.2.2 stable-baselines3>=2.7"]),
    "optuna": ("optuna", ["optuna stable-baselines3"]),
}
"""For each script the distribution whose version counts, and what `pip install` is asked for, one call after another.

A second call puts back what the client has pinned to versions that are too old for twin-envs, or has the client without
a dependency that it does not need here.
"""


def in_time(command: list[Any], **more: Any) -> tuple[bool, str, str]:
    """Whether the command succeeded, what it printed, and what it printed as errors; its children end with it."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=errors, start_new_session=True, **more
        )
        try:
            succeeded = process.wait(LIMIT_S) == 0
        except subprocess.TimeoutExpired:
            succeeded = False
            print(f"ran for longer than {LIMIT_S} s", file=errors, flush=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        out.seek(0)
        errors.seek(0)
        return succeeded, out.read(), errors.read()


def environment(name: str) -> Path:
    """The Python of the client's virtual environment, which is made if it is not there."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        own = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        )
        (Path(own.stdout.strip()) / "below.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def versions(python: Path, distribution: str) -> dict[str, str | None]:
    program = """
import importlib.metadata as metadata, json, sys
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps([version(name) for name in sys.argv[1:]]))
"""
    told = subprocess.run(
        [python, "-c", program, distribution, "torch", "gymnasium"], check=True, capture_output=True, text=True
    )
    return dict(zip(("version", "torch", "gymnasium"), json.loads(told.stdout), strict=True))


def attempt(name: str) -> dict[str, Any]:
    """What is written about one client."""
    distribution, requirements = CLIENTS[name]
    python = environment(name)
    more = {"env": {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}}
    installed, errors = True, ""
    for asked in requirements:
        if installed:
            installed, _, errors = in_time([python, "-m", "pip", "install", "--quiet", *asked.split()], **more)
    outcome, said = "not installed", next((line for line in errors.splitlines() if "ERROR" in line), last_line(errors))
    if installed:
        with tempfile.TemporaryDirectory() as elsewhere:
            works, out, errors = in_time([python, FOLDER / f"try_{name}.py"], cwd=elsewhere, **more)
        outcome, said = ("works", last_line(out)) if works else ("fails", last_line(errors))
        if not works:
            print(errors[-4000:], file=sys.stderr)
    return {
        "client": distribution,
        "requirements": requirements,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        **versions(python, distribution),
        "outcome": outcome,
        "said": said,
    }


def main() -> int:
    names = sys.argv[1:] or list(CLIENTS)
    if unknown := sorted(set(names) - set(CLIENTS)):
        print(f"no such client: {', '.join(unknown)}; there are {', '.join(CLIENTS)}", file=sys.stderr)
        return 2
    tried = json.loads(TRIED.read_text()) if TRIED.exists() else {}
    for name in names:
        tried[name] = attempt(name)
        print(name, tried[name]["outcome"], tried[name]["said"], flush=True)
        kept = {name: tried[name] for name in CLIENTS if name in tried}
        TRIED.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    return int(any(tried[name]["outcome"] != "works" for name in names))


if __name__ == "__main__":
    sys.exit(main())
