"""`python -m benchmarks.report`."""

from twin_envs.base.commands import run_command
from twin_envs.benchmarks.report.page import main

if __name__ == "__main__":
    run_command(main)
