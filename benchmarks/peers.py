"""How many links two other simulators and this one evaluate in a second: `python -m benchmarks.peers`.

All are timed in one run, in turn, with random actions. The others are packages of their own, and optional:
mobile-env (Schneider et al., "mobile-env: an open platform for reinforcement learning in wireless mobile networks",
NOMS 2022), whose large scenario is about association, and linkgym, which adapts one ray-traced link.

A link is a pair of an access point and a UE whose channel a step evaluates. In mobile-env it is a path loss; in linkgym
a channel of one antenna at each subcarrier; here a channel of 32 antennas, or of 4, at each subband, traced.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import gymnasium
import numpy as np
import typer

from twin_envs.agents.core.environments import make_envs
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.errors import check_number
from twin_envs.benchmarks.suite.provenance import provenance, write_result

BATCH = 256
"""Environments in our batch, unless told otherwise."""
OPPOSITES = {"mobile-env": "ApAssociation", "linkgym": "FeedbackInterval"}
"""Each peer, and which of our environments, in a batch, does as much: links of all APs, and links of one."""


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """A simulator that is timed.

    Attributes:
        links: that each step of one environment evaluates.
        environments: in it.
        step: does one step of all of them.
        version: of its package.
    """

    links: int
    environments: int
    step: Callable[[], object]
    version: str


def mobile_env(seed: int) -> Stepped:
    """The large scenario: 13 stations and 30 UEs, all pairs in each step."""
    importlib.import_module("mobile_env")
    step, env = _single("mobile-large-central-v0", seed)
    inside: Any = env.unwrapped
    links = len(inside.stations) * len(inside.users)
    return Stepped(links=links, environments=1, step=step, version=importlib.metadata.version("mobile-env"))


def linkgym(seed: int) -> Stepped:
    """Link adaptation as it comes: one link, one slot a step."""
    importlib.import_module("linkgym")
    step, _ = _single("linkgym/LinkAdaptation-v0", seed)
    return Stepped(links=1, environments=1, step=step, version=importlib.metadata.version("linkgym"))


PEERS: dict[str, Callable[[int], Stepped]] = {"mobile-env": mobile_env, "linkgym": linkgym}


def ours(env: str, num_envs: int, seed: int) -> Stepped:
    """A batch of one of our environments, with default options.

    A decision of `ApAssociation` evaluates the links of all APs with all UEs, where the UEs sounded and where they are:
    counted once. One of `FeedbackInterval` evaluates those of the serving AP with all UEs: that of the UE that reports
    is not counted again.
    """
    envs, generator = make_envs(env, num_envs), np.random.default_rng(seed)
    ues, aps = int(envs.core.config.num_ue), len(envs.core.recipe.access_points)
    links = ues * aps if env == "ApAssociation" else ues
    envs.reset(seed=seed)
    space = envs.action_space
    space.seed(int(generator.integers(2**31)))
    version = importlib.metadata.version("twin-envs")
    return Stepped(links=links, environments=num_envs, step=lambda: envs.step(space.sample()), version=version)


def measure(simulators: dict[str, Stepped], rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Steps and links a second of each: medians over rounds, in which all have their turn.

    Args:
        simulators: by name.
        rounds: how many.
        seconds: that each is stepped in a round, at least.
    """
    rates: dict[str, list[float]] = {name: [] for name in simulators}
    for simulator in simulators.values():
        simulator.step()  # what is set up once
    for _ in range(rounds):
        for name, simulator in simulators.items():
            done, start = 0, perf_counter()
            while (taken := perf_counter() - start) < seconds or not done:
                simulator.step()
                done += simulator.environments
            rates[name].append(done / taken)
    medians = {name: float(np.median(found)) for name, found in rates.items()}
    return {
        name: {
            "version": simulator.version,
            "environments": simulator.environments,
            "links_per_step": simulator.links,
            "steps_per_s": medians[name],
            "links_per_s": medians[name] * simulator.links,
        }
        for name, simulator in simulators.items()
    }


def _single(env_id: str, seed: int) -> tuple[Callable[[], None], gymnasium.Env[Any, Any]]:
    """A step of a single environment that begins anew where an episode is over, and the environment."""
    env: gymnasium.Env[Any, Any] = gymnasium.make(env_id)
    env.action_space.seed(seed)
    env.reset(seed=seed)

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()

    return step, env


def main(
    quick: Annotated[bool, typer.Option("--quick", help="half a minute; proves little")] = False,
    batch: Annotated[int, typer.Option(help="environments in our batch")] = BATCH,
    seed: Annotated[int, typer.Option(help="of episodes and actions")] = 0,
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/peers.json"),
) -> None:
    """Time other simulators and this one in turn."""
    check_number("batch", batch, 2, 65_536, integer=True)
    check_number("seed", seed, 0, integer=True)
    console, simulators, missing = new_console(), {}, {}
    for name, make in PEERS.items():
        try:
            simulators[name] = make(seed)
        except ImportError as error:
            missing[name] = f"pip install {name} (here: {error})"
            console.print(f"without {name}: {missing[name]}")
    for env in OPPOSITES.values():
        for size in (1, batch):
            simulators[f"{env}, batch {size}"] = ours(env, size, seed)
    console.print(f"timing {', '.join(simulators)} ...")
    found = measure(simulators, rounds=2 if quick else 7, seconds=1.0 if quick else 4.0)
    times = {
        name: {
            str(size): found[f"{env}, batch {size}"]["links_per_s"] / found[name]["links_per_s"] for size in (1, batch)
        }
        for name, env in OPPOSITES.items()
        if name in found
    }
    table = new_table("simulator", "links a step", "steps/s", "links/s", title="Links a second", numbers=True)
    for name, told in found.items():
        table.add_row(name, *(f"{told[key]:,.0f}" for key in ("links_per_step", "steps_per_s", "links_per_s")))
    console.print(table)
    for name, ratios in times.items():
        said = ", ".join(f"{ratio:,.1f} with batch {size}" for size, ratio in ratios.items())
        console.print(f"{OPPOSITES[name]}, times as many links a second as {name}: {said}")
    origin = provenance({"quick": quick, "batch": batch}, seed=seed, device=choose_device("auto"))
    write_result(json_path, "peers", {"simulators": found, "times_as_many_links": times, "missing": missing}, origin)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
