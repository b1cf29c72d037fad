"""Commands in processes of their own that are stopped by Ctrl-C at a certain place."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import twin_envs

HERE = "here"


def wait_to_be_stopped() -> None:
    """Say that the place is reached, and stay there, a minute at most."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in what a shell without job control runs behind itself
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(60)
    print(HERE, flush=True)
    while True:
        pass


def run(code: str, *arguments: str, stop: bool) -> tuple[int, str, str]:
    """Run `code` with `arguments`; if `stop`, press Ctrl-C at `HERE`. Exit status, stdout and stderr."""
    paths = (str(Path(twin_envs.__file__).parents[1]), *sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if stop and line == f"{HERE}\n":
            process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    return process.returncode, "".join(said), errors
