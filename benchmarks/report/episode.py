"""The picture of an episode: `python -m benchmarks.report.episode --out docs/assets/episode.png`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import gymnasium
import numpy as np
import typer
from matplotlib.image import imsave

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.csi_cell.twin import TwinPlanner
from twin_envs.base.commands import run_command

ENV = "FeedbackInterval"
OPTIONS = {"num_ue": 6, "population": "mixed", "episode_slots": 12_000}
"""An episode of 6 s: at walking pace the usual one would be a dot on the map."""


def main(
    out: Annotated[Path, typer.Option(help="the picture, a PNG")] = Path("docs/assets/episode.png"),
    seed: Annotated[int, typer.Option(help="of the episode")] = 0,
) -> None:
    """Play an episode with the twin's planner and keep its last picture."""
    envs = make_envs(ENV, 1, render_mode="rgb_array", autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED, **OPTIONS)
    policy = TwinPlanner()
    policy.attach(envs.network)
    observation, _ = envs.reset(seed=seed)
    truncated = False
    while not truncated:
        action, _ = policy.predict(observation)
        observation, _, _, (truncated,), _ = envs.step(action)
    (frame,) = envs.render()
    envs.close()
    out.parent.mkdir(parents=True, exist_ok=True)
    imsave(out, np.asarray(frame))
    print(f"wrote {out}")


if __name__ == "__main__":
    run_command(main)
