"""The whole way, small: `python -m benchmarks.demo`.

Trains PPO in the twin, compares it in reality with every other policy on the same episodes, prints the table and writes
the report. Two processes work side by side: while one trains, the other plays.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.learning.saving import PolicyCard, save_policy
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.agents.train import train
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console
from twin_envs.base.files import as_text
from twin_envs.base.progress import progress
from twin_envs.base.seeds import training_seeds
from twin_envs.benchmarks import decisions
from twin_envs.benchmarks.report import page as report
from twin_envs.benchmarks.studies.setting import StudyBudget
from twin_envs.benchmarks.suite.engine import Tell
from twin_envs.benchmarks.suite.provenance import provenance

ENV = "FeedbackInterval"
OPTIONS = {"num_ue": 6, "episode_slots": 500}
"""Small cells and short episodes, so that all of it takes minutes."""
PPO_STEPS = 32_768
PPO_ENVS = 128
JOBS = 2
BUDGET = decisions.Budget(
    episodes=12,
    training_episodes=4,
    studies=StudyBudget(
        episodes=4,
        periods_slots=(4, 16, 40, 160),
        csi_uplink_shares=(0.02, 0.1),
        optimum_episodes=2,
        optimum_slots=300,
    ),
)


def main(
    out: Annotated[Path, typer.Option(help="folder for the policy, the figures and the report")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="of training and evaluation, 0 or more")] = 0,
) -> None:
    """Train in the twin, evaluate in reality, write a report."""
    console = new_console()
    policy, results, page = out / "ppo", out / "decisions.json", out / "report.html"
    trainings = {"ppo": partial(train_policy, policy, seed)}
    with progress(console) as report_progress:
        result, runs, roles = decisions.run(
            ENV, BUDGET, seed, OPTIONS, [], report_progress, trainings=trainings, jobs=JOBS
        )
        origin = provenance({"out": as_text(out)}, seed=seed, device=make_envs(ENV, 1).core.device)
        decisions.write(results, ENV, result, runs, roles, origin)
        report_progress("writing the report", 0.0)
        report.write_report(results, page)
    decisions.show(console, result)
    console.print(f"the trained policy is in {policy}, the figures are in {results}")
    console.print(f"open the report: {page.resolve().as_uri()}", soft_wrap=True)


def train_policy(folder: Path, seed: int, tell: Tell) -> tuple[SB3Policy, PolicyCard]:
    """Train PPO in the twin and save it in `folder`."""
    policy, card = train(
        ENV,
        world="twin",
        steps=PPO_STEPS,
        seed=training_seeds(seed, 1)[0],
        num_envs=PPO_ENVS,
        options=OPTIONS,
        progress=lambda done, _: tell(done / PPO_STEPS),
    )
    save_policy(folder, card, policy)
    return policy, card


if __name__ == "__main__":
    run_command(main)
