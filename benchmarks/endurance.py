"""Does a batch stay sane for a million steps? `python -m benchmarks.endurance`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from twin_envs.agents.core.environments import make_envs, num_actions
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console
from twin_envs.base.progress import TellProgress, progress
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.envs.faces.vector import TaskVectorEnv

ENV = "FeedbackInterval"
STEPS, QUICK_STEPS = 1_000_000, 20_480
BATCH = 1024
_READINGS = 100


def endure(envs: TaskVectorEnv, steps: int, seed: int, report: TellProgress) -> dict[str, Any]:
    """Play random actions and watch the numbers and the memory.

    Args:
        envs: the batch; it resets its environments by itself.
        steps: of all environments together.
        seed: of episodes and actions.
        report: told how many of the steps are done.

    Returns:
        `steps`; `episodes` that ended; `not_finite`: observations and rewards that are NaN or infinite;
        `out_of_bounds`: observations outside their space; `memory_mb`: resident memory over time; `memory_growth_mb`:
        its least in the last quarter less its least in the second. The least, because resident memory rises and falls
        by what a step takes for a moment; what is lost for good raises the floor.
    """
    generator, process = np.random.default_rng(seed), psutil.Process()
    batches = -(-steps // envs.num_envs)
    every = max(batches // _READINGS, 1)
    not_finite = out_of_bounds = episodes = 0
    memory_mb: list[float] = []
    space, actions = envs.observation_layout.space, num_actions(envs.single_action_space)
    envs.reset(seed=seed)
    for batch in range(batches):
        report("stepping", batch / batches)
        observation, reward, _, truncated, _ = envs.step(generator.integers(actions, size=envs.num_envs))
        not_finite += int((~np.isfinite(observation)).sum() + (~np.isfinite(reward)).sum())
        out_of_bounds += int(((observation < space.low) | (observation > space.high)).sum())
        episodes += int(truncated.sum())
        if batch % every == every - 1:
            memory_mb.append(process.memory_info().rss / 1e6)
    quarter = max(len(memory_mb) // 4, 1)
    early, late = memory_mb[quarter : 2 * quarter], memory_mb[-quarter:]
    return {
        "steps": batches * envs.num_envs,
        "episodes": episodes,
        "not_finite": not_finite,
        "out_of_bounds": out_of_bounds,
        "memory_mb": memory_mb,
        "memory_growth_mb": min(late) - min(early or late),
    }


def main(
    quick: Annotated[bool, typer.Option("--quick", help="20,480 steps")] = False,
    seed: Annotated[int, typer.Option(help="of episodes and actions")] = 0,
    options: Annotated[str, typer.Option(help="options of the environment, as JSON")] = "{}",
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/endurance.json"),
) -> None:
    """Step a batch a million times and look for NaN, infinity and memory that grows."""
    console = new_console()
    envs = make_envs(ENV, BATCH, **parse_json_object("options", options))
    with progress(console) as report:
        figures = endure(envs, QUICK_STEPS if quick else STEPS, seed, report)
    arguments = {"quick": quick, "options": options}
    write_result(json_path, "endurance", figures, provenance(arguments, seed=seed, device=envs.core.device))
    console.print({name: value for name, value in figures.items() if name != "memory_mb"})
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
