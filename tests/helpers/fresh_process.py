"""Programs in a process of their own, with a time after which they count as hanging."""

import contextlib
import os
import signal
import subprocess
import sys

LIMIT_S = 900


def run_fresh(program, *arguments, flags=()):
    """What `program`, the text or the path of one, prints. It fails if it fails, or hangs; its children end with it."""
    named = [str(program)] if os.path.exists(program) else ["-c", program]
    process = subprocess.Popen(
        [sys.executable, *flags, *named, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = process.communicate(timeout=LIMIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, f"exit status {process.returncode}\n{errors}"
    return out
