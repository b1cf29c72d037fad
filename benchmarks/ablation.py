"""Which of the numbers that a trained policy sees matter to it: `python -m benchmarks.ablation --env ApSelection`.

In the same episodes, in reality, one quantity at a time is taken from another episode, at the same decision, and the
policy decides by that. What it then earns less is what the quantity is worth to it: permutation importance (Breiman,
"Random forests", Machine Learning 45, 2001). A policy that learnt without the quantity might lose less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Array, Policy, State
from twin_envs.agents.core.rollout import play
from twin_envs.agents.learning.saving import load_policy
from twin_envs.agents.learning.shipped import Learned, load_trained
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.errors import check_number
from twin_envs.base.files import as_text
from twin_envs.base.progress import progress
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.envs.core.layout import ObservationLayout
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.registry import specification

EPISODES, QUICK_EPISODES = 96, 24
TWIN = "all of the twin"
"""All numbers that the twin tells, together."""
_ITEM = re.compile(r"^[a-z]+_\d+_")
_OF_TWIN = re.compile(r"twin|known|others_coherence_time|faster_ageing_others")
"""Of names of quantities that the twin tells: of the UE, and of those beside it."""


class Swapped:
    """A policy to whom some numbers of each episode are those of the next one in the batch.

    Args:
        policy: who decides, by observations alone.
        places: of the numbers in an observation.
    """

    def __init__(self, policy: Policy, places: Sequence[int]) -> None:
        self._policy, self._places = policy, list(places)

    def attach(self, network: NetworkView) -> None:
        """Decide in these environments."""
        self._policy.attach(network)

    def predict(
        self,
        observation: Array,
        state: State = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, State]:
        """Actions by observations [N, D], the numbers swapped."""
        seen = np.array(observation)
        seen[:, self._places] = np.roll(seen[:, self._places], 1, axis=0)
        return self._policy.predict(seen, state, episode_start, deterministic)


def quantities(layout: ObservationLayout) -> dict[str, list[int]]:
    """Places in an observation of each quantity, of all items together; of all that the twin tells under `TWIN`."""
    found: dict[str, list[int]] = {TWIN: []}
    place = 0
    for field in layout.fields:
        name = _ITEM.sub("", field.name)
        places = range(place, place := place + field.count)
        found.setdefault(name, []).extend(places)
        if _OF_TWIN.search(name):
            found[TWIN].extend(places)
    return found if found[TWIN] else {name: places for name, places in found.items() if name != TWIN}


def main(
    env: Annotated[str, typer.Option(help="environment")] = "ApSelection",
    policy: Annotated[
        Path | None, typer.Option(help="folder of a trained policy; by default the one that ships")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK_EPISODES} episodes")] = False,
    seed: Annotated[int, typer.Option(help="chooses the episodes")] = 0,
    options: Annotated[str, typer.Option(help="options of the environment, as JSON")] = "{}",
    json_path: Annotated[Path | None, typer.Option("--json", help="result (runs/ablation-ENV.json)")] = None,
) -> None:
    """Tell what each quantity in the observation is worth to a trained policy."""
    check_number("seed", seed, 0, integer=True)
    console, settings, name = new_console(), parse_json_object("options", options), specification(env).name
    trained, card = load_policy(policy) if policy is not None else (Learned(), load_trained(name)[1])
    seeds = evaluation_seeds(seed, QUICK_EPISODES if quick else EPISODES)
    envs = make_envs(name, len(seeds), **settings)
    asked, generator = quantities(envs.observation_layout), np.random.default_rng(seed)
    with progress(console) as report:
        report("intact", 0.0)
        intact = play(trained, envs, seeds).returns
        figures: dict[str, Any] = {"policy": card.name, "intact": interval(intact, generator), "worth": {}}
        for number, (quantity, places) in enumerate(asked.items(), start=1):
            report(f"without {quantity}", number / (len(asked) + 1))
            returns = play(Swapped(trained, places), envs, seeds).returns
            figures["worth"][quantity] = paired_difference(intact, returns, generator)
    worth = sorted(figures["worth"].items(), key=lambda told: -told[1]["mean"])
    figures["worth"] = dict(worth)
    arguments = {
        "env": env,
        "policy": None if policy is None else as_text(policy),
        "quick": quick,
        "options": options,
    }
    path = json_path or Path("runs") / f"ablation-{name}.json"
    write_result(path, "ablation", {name: figures}, provenance(arguments, seed=seed, device=envs.core.device))
    table = new_table("quantity", "what it is worth [bit/s/Hz]", title=f"{card.name} in {name}", numbers=True)
    for quantity, told in worth:
        table.add_row(quantity, f"{told['mean']:+.3f} ({told['low']:+.3f} to {told['high']:+.3f})")
    console.print(table)
    console.print(f"wrote {path}")


if __name__ == "__main__":
    run_command(main)
