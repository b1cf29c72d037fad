"""How fast a step is and what of it the codec takes: `python -m benchmarks.speed`."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, cast

import numpy as np
import torch
import typer
from gymnasium.vector import VectorEnv
from rich.console import Console

from twin_envs import ppo
from twin_envs.agents.core.environments import make_envs, num_actions
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.doctor import ray_tracer_problem
from twin_envs.base.errors import check_number
from twin_envs.base.generators import generators_kept
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.faces.processes import process_envs
from twin_envs.envs.faces.tensors import tensor_envs
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.world.building.builder import survey
from twin_envs.world.building.tracing import BATCH as BATCH_RECEIVERS
from twin_envs.world.building.tracing import Tracer

ENV = "FeedbackInterval"
BATCH = 256
"""Environments in the batch whose speed is measured, unless told otherwise."""
MEMORY_BATCHES = (1, 256, 1024)
SCALED_ENVIRONMENTS = (1, 4, 16, 64, 256, 1024)
SCALED_UES = (1, 2, 4, 8, 16)
"""UEs of a cell, in batches of `SCALED_BATCH`."""
SCALED_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long is measured.

    Args:
        rounds: of environment steps and codec calls in alternation; the medians count.
        steps: environment steps, and codec calls, in a round.
        live_steps: steps with the ray tracer inside, of one environment.
        live_batch_steps: the same of the batch.
        memory_steps: steps after which the peak memory is read.
    """

    rounds: int = 10
    steps: int = 10
    live_steps: int = 10
    live_batch_steps: int = 3
    memory_steps: int = 5


QUICK = Budget(rounds=3, steps=2, live_steps=2, live_batch_steps=1, memory_steps=1)
"""About a minute; proves little."""


def measure(budget: Budget, batch: int, seed: int, options: dict[str, Any], console: Console) -> dict[str, Any]:
    """All figures; those of live ray tracing are left out, with a note, where the ray tracer does not work.

    Args:
        budget: how long to measure.
        batch: how many environments step at once.
        seed: of the episodes and actions.
        options: of the environments.
        console: told what is being done.
    """
    # First of all: a process inherits the peak of the one that starts it.
    console.print("measuring peak memory ...")
    peaks = {str(size): peak_memory_mb(size, budget.memory_steps, seed, options) for size in MEMORY_BATCHES}
    console.print(f"measuring {budget.rounds} rounds of {budget.steps} steps and codec calls, batch {batch} ...")
    envs, threads = make_envs(ENV, batch, **options), torch.get_num_threads()
    figures: dict[str, Any] = throughput(envs, budget.rounds, budget.steps, seed)
    try:
        torch.set_num_threads(1)
        figures["one_thread"] = throughput(envs, budget.rounds, budget.steps, seed)
    finally:
        torch.set_num_threads(threads)
    if envs.core.device.type == "cpu" and threads > 1:
        console.print(f"measuring {threads} processes ...")
        figures["processes"] = {
            "count": threads,
            **in_processes(envs, threads, budget.rounds, budget.steps, seed, options),
        }
    console.print(f"measuring the face of tensors, an agent's network, and its training, batch {batch} ...")
    figures["tensors"] = tensors(batch, budget.rounds, budget.steps, seed, options)
    if problem := ray_tracer_problem():
        console.print(f"no figures of live ray tracing: {problem}")
    else:
        console.print(f"measuring {budget.live_steps} steps with the ray tracer inside ...")
        live = live_steps_per_s(1, budget.live_steps, seed, options)
        figures |= {"live_ray_tracing_steps_per_s": live, "speedup_over_live": figures["env_steps_per_s"] / live}
        alone = throughput(make_envs(ENV, 1, **options), budget.rounds, budget.steps, seed)["env_steps_per_s"]
        figures["one_environment"] = {"env_steps_per_s": alone, "speedup_over_live": alone / live}
        console.print(f"measuring {budget.live_batch_steps} such steps of the whole batch ...")
        live = live_steps_per_s(batch, budget.live_batch_steps, seed, options)
        over = figures["env_steps_per_s"] / live
        figures["batch_live"] = {"live_ray_tracing_steps_per_s": live, "speedup_over_live": over}
    console.print("measuring steps of other batches and of cells with other numbers of UEs ...")
    figures["scaling"] = scaling(budget.rounds, seed, options)
    figures["peak_memory_mb"] = {size: resident for size, (resident, _) in peaks.items()}
    if envs.core.device.type == "cuda":
        figures["peak_gpu_memory_mb"] = {size: on_gpu for size, (_, on_gpu) in peaks.items()}
    return figures


def throughput(envs: TaskVectorEnv, rounds: int, steps: int, seed: int) -> dict[str, float]:
    """`env_steps_per_s` of a batch, one report each, `codec_samples_per_s` through its codec alone, and their ratio.

    The codec goes from channels of all resource blocks to the same; a step has its estimates as pictures already, and
    decodes at its subbands only.

    Both are measured in alternation, with the same batch, and are medians over rounds, so that a machine that is busy
    for a while does not favour either. A step in which episodes end counts like any other.

    Args:
        envs: the batch.
        rounds: how many of each.
        steps: environment steps, and codec calls, in a round.
        seed: of episodes, actions and channels.
    """
    cell, generator = cast(CsiCellView, envs.network), np.random.default_rng(seed)
    site = envs.core.site
    draw = ChannelSampler(site, site.twin(cell.config.twin), held_out=False)
    channels = draw(envs.num_envs, torch.Generator(cell.device).manual_seed(seed))
    lengths = torch.full(
        (envs.num_envs,), cell.config.codeword_bits or max(cell.codec.codeword_lengths), device=cell.device
    )
    rows = torch.arange(envs.num_envs, device=cell.device)
    envs.reset(seed=seed)

    def step() -> None:
        envs.step(generator.integers(num_actions(envs.single_action_space), size=envs.num_envs))

    @torch.inference_mode()
    def report() -> None:
        where = cell.whereabouts(rows, cell.state.turn)
        cell.codec.report(to_angle_delay(channels, cell.grid), cell.acquisition.side(lengths, **where))

    seconds: dict[Callable[[], None], list[float]] = {step: [], report: []}
    for work in seconds:
        _seconds(work, 1, cell.device)  # the first call pays for what is set up once
    for _ in range(rounds):
        for work, taken in seconds.items():
            taken.append(_seconds(work, steps, cell.device))
    done = steps * envs.num_envs
    steps_per_s, samples_per_s = (done / float(np.median(seconds[work])) for work in (step, report))
    return {
        "env_steps_per_s": steps_per_s,
        "codec_samples_per_s": samples_per_s,
        "codec_share": steps_per_s / samples_per_s,
    }


def in_processes(
    envs: TaskVectorEnv, processes: int, rounds: int, steps: int, seed: int, options: dict[str, Any]
) -> dict[str, float]:
    """`env_steps_per_s` of a batch that `processes` share, and `speedup` over the same batch `envs` in this one.

    Both are measured in alternation and are medians over rounds.

    Args:
        envs: the batch.
        processes: how many.
        rounds: how many of each.
        steps: of all environments in a round.
        seed: of episodes and actions.
        options: of the environments.
    """
    shared, generator = process_envs(ENV, envs.num_envs, processes, **options), np.random.default_rng(seed)
    work = [_stepping(batch, seed, generator) for batch in (envs, shared)]
    taken = [[_seconds(step, steps, envs.core.device) for step in work] for _ in range(rounds)]
    shared.close()
    alone, together = (float(seconds) for seconds in np.median(np.array(taken), 0))
    return {"env_steps_per_s": steps * envs.num_envs / together, "speedup": alone / together}


def tensors(batch: int, rounds: int, steps: int, seed: int, options: dict[str, Any]) -> dict[str, float]:
    """Steps per second of the face of tensors: alone, with an agent that chooses, and with one that learns, too.

    The agent is that of `twin_envs.ppo` with the hyperparameters that the environment's `Training` says. It learns
    after every round, from all its steps. Figures are medians over rounds; the three follow one another in each.

    Args:
        batch: how many environments.
        rounds: of each.
        steps: of all environments in a round.
        seed: of episodes, actions and the agent.
        options: of the environments.
    """
    envs, args = tensor_envs(ENV, batch, world="twin", **options), ppo.parse(["--env", ENV])
    inputs, choices = envs.task.layout.size, num_actions(envs.single_action_space)
    with generators_kept():
        torch.manual_seed(seed)
        agent = ppo.Agent(inputs, [choices], args.hidden).to(envs.device)
        optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
        any_actions = torch.randint(choices, (steps, batch), device=envs.device)
        seen, _ = envs.reset(seed=seed)

        def alone() -> None:
            for actions in any_actions:
                envs.step(actions)

        def rollout() -> list[tuple[torch.Tensor, ...]]:
            nonlocal seen
            found: list[tuple[torch.Tensor, ...]] = []
            for _ in range(steps):
                with torch.no_grad():
                    action, said, _, value = agent(seen)
                following, reward, _, over, _ = envs.step(action[:, 0])
                found.append((seen, action, said, reward, over.float(), value))
                seen = following
            return found

        def training() -> None:
            obs, actions, said, rewards, overs, values = (torch.stack(part) for part in zip(*rollout(), strict=True))
            gains = ppo.advantages(args, agent, rewards, overs, values, seen)
            parts = (obs, actions, said, gains, gains + values)
            ppo.learn(args, agent, optimizer, *(part.flatten(0, 1) for part in parts))

        work: dict[str, Callable[[], object]] = {
            "step": alone,
            "step_and_inference": rollout,
            "step_and_training": training,
        }
        for does in work.values():
            does()
        taken = [[_seconds(does, 1, envs.device) for does in work.values()] for _ in range(rounds)]
    medians = np.median(np.array(taken), 0)
    return {f"{name}_per_s": steps * batch / float(s) for name, s in zip(work, medians, strict=True)}


def scaling(rounds: int, seed: int, options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Milliseconds of a step by the environments in the batch, and by the UEs of each cell.

    Medians over rounds; in each, all sizes are stepped once.

    Args:
        rounds: how many.
        seed: of episodes and actions.
        options: of the environments.
    """
    generator, batches = np.random.default_rng(seed), {}
    for size in SCALED_ENVIRONMENTS:
        batches["step_ms_by_environments", str(size)] = make_envs(ENV, size, **options)
    for ues in SCALED_UES:
        batches["step_ms_by_ues", str(ues)] = make_envs(ENV, SCALED_BATCH, **{**options, "num_ue": ues})
    work = {key: (_stepping(envs, seed, generator), envs.core.device) for key, envs in batches.items()}
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in work}
    for _ in range(rounds):
        for key, (step, device) in work.items():
            taken[key].append(_seconds(step, 1, device))
    figures: dict[str, dict[str, float]] = {}
    for (by, how_many), seconds in taken.items():
        figures.setdefault(by, {})[how_many] = 1e3 * float(np.median(seconds))
    return figures


def _stepping(envs: VectorEnv[Any, Any, Any], seed: int, generator: np.random.Generator) -> Callable[[], object]:
    """A step of a batch that has begun and been stepped once."""
    choices, size = num_actions(envs.single_action_space), envs.num_envs

    def step() -> None:
        envs.step(generator.integers(choices, size=size))

    envs.reset(seed=seed)
    step()
    return step


def live_steps_per_s(num_envs: int, steps: int, seed: int, options: dict[str, Any]) -> float:
    """Steps per second of environments that trace their UEs' paths with Sionna RT before each step.

    The paths are those of the serving AP in the world and with the settings that the atlas was traced with. UEs of all
    environments with the same AP are traced together, in batches as large as pay, or of one environment's UEs. They are
    traced where the network believes the UEs to be, for a benchmark does not read reality; that costs the same.
    """
    envs = make_envs(ENV, num_envs, **options)
    cell, generator = cast(CsiCellView, envs.network), np.random.default_rng(seed)
    recipe = cell.recipe
    receivers = min(num_envs * cell.config.num_ue, BATCH_RECEIVERS)
    tracer = Tracer(recipe, recipe.worlds[cell.config.world], survey(recipe).clutter, batch=receivers)
    envs.reset(seed=seed)

    def step() -> None:
        sensed, ap = (
            cell.geometry.ground.place(cell.sensing.position).double().cpu().numpy(),
            cell.state.ap.cpu().numpy(),
        )
        for serving in np.unique(ap):
            tracer.trace(int(serving), sensed[ap == serving].reshape(-1, 3))
        envs.step(generator.integers(num_actions(envs.single_action_space), size=num_envs))

    _seconds(step, 1, cell.device)  # the first trace compiles the solver
    return steps * num_envs / _seconds(step, steps, cell.device)


def peak_memory_mb(num_envs: int, steps: int, seed: int, options: dict[str, Any]) -> tuple[float, float]:
    """Largest memory [MB] of a process that makes a batch and steps it: resident, packages included, and on its GPU."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
        return process.submit(_run_and_tell_memory_mb, num_envs, steps, seed, options).result()


def _run_and_tell_memory_mb(num_envs: int, steps: int, seed: int, options: dict[str, Any]) -> tuple[float, float]:
    envs, generator = make_envs(ENV, num_envs, **options), np.random.default_rng(seed)
    envs.reset(seed=seed)
    for _ in range(steps):
        envs.step(generator.integers(num_actions(envs.single_action_space), size=num_envs))
    unit = 1 if sys.platform == "darwin" else 1024
    on_gpu = torch.cuda.max_memory_allocated() if envs.core.device.type == "cuda" else 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, on_gpu / 1e6


def _seconds(work: Callable[[], object], times: int, device: torch.device) -> float:
    """What it takes to do `work` so many times, device included."""
    _finish(device)
    start = perf_counter()
    for _ in range(times):
        work()
    _finish(device)
    return perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def show(console: Console, batch: int, figures: dict[str, Any]) -> None:
    """Print the figures."""
    table = new_table("figure", "value", title=f"Speed of {ENV}, batch {batch}", numbers=True)
    for name, value in figures.items():
        if isinstance(value, dict):
            for size, number in _numbers(value):
                label = f"{name}, batch {size}" if size.isdigit() else f"{name}, {size}"
                table.add_row(label, f"{number:,.3g}" if number < 100 else f"{number:,.0f}")
        else:
            table.add_row(name, f"{value:,.3g}" if value < 100 else f"{value:,.0f}")
    console.print(table)


def _numbers(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """All numbers in figures, with the names on the way to each."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", value


def main(
    quick: Annotated[bool, typer.Option("--quick", help="about a minute; proves little")] = False,
    batch: Annotated[int, typer.Option(help="environments that step at once")] = BATCH,
    seed: Annotated[int, typer.Option(help="of episodes and actions")] = 0,
    options: Annotated[str, typer.Option(help="options of the environment, as JSON")] = "{}",
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/speed.json"),
) -> None:
    """Measure steps per second, the codec's share of them, and memory."""
    console, settings = new_console(), parse_json_object("options", options)
    check_number("batch", batch, 1, 65_536, integer=True)
    figures = measure(QUICK if quick else Budget(), batch, seed, settings, console)
    device = make_envs(ENV, 1, **settings).core.device
    arguments = {"quick": quick, "batch": batch, "options": options}
    write_result(json_path, "speed", figures, provenance(arguments, seed=seed, device=device))
    show(console, batch, figures)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
