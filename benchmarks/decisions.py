"""How well policies decide: `python -m benchmarks.decisions --env FeedbackInterval`.

Policies are compared in reality, on the same episodes. Nothing is trained or chosen on these episodes: PPO trains in
the twin; the best fixed period and the Doppler rule's constant are chosen in reality, which only makes them harder to
beat, on training seeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from agents.commands import parse_json_object, run_command
from agents.environments import make_envs
from agents.heuristics import DOPPLER_CONSTANTS
from agents.optimum import OPTIONS, optimal_return
from agents.oracle import OraclePlanner
from agents.policies import Policy, RandomPolicy
from agents.saving import PolicyCard, load_policy
from agents.sb3 import SB3Policy
from agents.train import PpoConfiguration, train_ppo
from agents.twin_policies import TwinPlanner
from benchmarks import contenders, figures
from benchmarks.provenance import provenance, write_result
from benchmarks.rollout import Episodes, evaluate
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.errors import check_choice


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is computed.

    Args:
        episodes: evaluation episodes of each policy.
        training_episodes: episodes on which the fixed period and the Doppler rule's constant are chosen.
        study_episodes: episodes of each kind in the studies of speed and of uplink.
        study_periods_slots: fixed periods in these.
        uplink_periods_slots: uplinks over which the headroom is shown.
        optimum_episodes, optimum_slots: episodes of one UE for which the exact optimum is found, and their length.
        doppler_constants: how many constants are tried.
        ppo_steps, ppo_envs, ppo: training of PPO.
    """

    episodes: int = 96
    training_episodes: int = 32
    study_episodes: int = 32
    study_periods_slots: tuple[int, ...] = REPORT_PERIODS_SLOTS
    uplink_periods_slots: tuple[int, ...] = (5, 10, 20, 40)
    optimum_episodes: int = 16
    optimum_slots: int = 1000
    doppler_constants: int = len(DOPPLER_CONSTANTS) // 2
    ppo_steps: int = 240_000
    ppo_envs: int = 128
    ppo: PpoConfiguration = field(default_factory=PpoConfiguration)


QUICK = Budget(
    episodes=12,
    training_episodes=4,
    study_episodes=4,
    study_periods_slots=(4, 10, 40, 160),
    uplink_periods_slots=(20, 40),
    optimum_episodes=2,
    optimum_slots=200,
    doppler_constants=4,
    ppo_steps=4096,
    ppo_envs=32,
)


def run(
    env: str, budget: Budget, seed: int, options: dict[str, Any], policy: Path | None, progress: contenders.Progress
) -> tuple[dict[str, Any], dict[str, Episodes]]:
    """All figures, and the episodes of each policy in reality.

    Args:
        env: name of the environment.
        budget: how much to compute.
        seed: chooses the training and evaluation seeds.
        options: of the environment.
        policy: folder of a trained policy; None to train one.
        progress: called with what is being done and the share of it that is.
    """
    check_choice("env", env, ("FeedbackInterval",))
    training = contenders.training_seeds(seed, budget.training_episodes)
    envs = make_envs(env, len(training), **options)
    step = len(DOPPLER_CONSTANTS) // budget.doppler_constants
    chosen = contenders.choose(envs, training, DOPPLER_CONSTANTS[step // 2 :: step], progress)
    ppo, card = _ppo(env, budget, seed, options, policy, progress)
    policies: dict[str, Policy] = {
        "random": RandomPolicy(seed),
        **{f"fixed-{period}": fixed for period, fixed in contenders.fixed_policies().items()},
        "doppler": chosen.doppler,
        "twin": TwinPlanner(),
        "ppo": ppo,
        "oracle": OraclePlanner(),
    }
    evaluation = contenders.evaluation_seeds(seed, budget.episodes)
    envs = make_envs(env, len(evaluation), **options)
    runs = {name: _evaluate(name, policy, envs, evaluation, progress) for name, policy in policies.items()}
    runs["best-fixed"] = runs[f"fixed-{chosen.period_slots}"]
    config = envs.core.config
    return {
        **figures.scores(runs, np.random.default_rng(seed)),
        "gap": envs.core.site.manifest["gap"][config.twin],
        "options": dataclasses.asdict(config),
        "episodes": len(evaluation),
        "evaluation_seeds": [evaluation[0], evaluation[-1]],
        "training_seeds": [training[0], training[-1]],
        "best_fixed": {"period_slots": chosen.period_slots, "training_returns": chosen.fixed_returns},
        "doppler": {"constant": chosen.doppler.constant, "training_returns": chosen.doppler_returns},
        "ppo": dataclasses.asdict(card),
        "interval_by_speed": {
            name: figures.periods_by_speed(runs[name]) for name in ("doppler", "twin", "ppo", "oracle")
        },
        "best_fixed_by_speed": _by_speed(env, budget, seed, options, progress),
        "headroom_by_uplink": _by_uplink(env, budget, seed, options, progress),
        "one_ue": _one_ue(env, budget, seed, options, progress),
    }, runs


def _evaluate(name: str, policy: Policy, envs: TaskVectorEnv, seeds: range, progress: contenders.Progress) -> Episodes:
    return evaluate(policy, envs, seeds, lambda share: progress(f"evaluating {name}", share))


def _ppo(
    env: str, budget: Budget, seed: int, options: dict[str, Any], policy: Path | None, progress: contenders.Progress
) -> tuple[SB3Policy, PolicyCard]:
    if policy is not None:
        trained, card = load_policy(policy)
        check_choice("env of the trained policy", card.env, (env,))
        return trained, card
    return train_ppo(
        env,
        world="twin",
        steps=budget.ppo_steps,
        seed=contenders.training_seeds(seed, 1)[0],
        num_envs=budget.ppo_envs,
        options=options,
        configuration=budget.ppo,
        progress=lambda done, mean_return: progress("training PPO in the twin", min(done / budget.ppo_steps, 1.0)),
    )


def _by_speed(
    env: str, budget: Budget, seed: int, options: dict[str, Any], progress: contenders.Progress
) -> dict[str, Any]:
    """Where the uplink carries every report that is asked for: which fixed period is best for UEs of which speed?"""
    seeds = contenders.evaluation_seeds(seed, budget.study_episodes)
    envs = make_envs(env, len(seeds), **{**options, "num_ue": 4, "uplink_period_slots": 1, "episode_slots": 400})
    policies = contenders.fixed_policies()
    runs = {
        period: _evaluate(f"fixed-{period} on a free uplink", policies[period], envs, seeds, progress)
        for period in budget.study_periods_slots
    }
    return figures.best_fixed_by_speed(runs)


def _by_uplink(
    env: str, budget: Budget, seed: int, options: dict[str, Any], progress: contenders.Progress
) -> dict[str, Any]:
    """How much there is to gain where the uplink carries more or fewer reports."""
    training = contenders.training_seeds(seed, budget.study_episodes)
    evaluation = contenders.evaluation_seeds(seed, budget.study_episodes)
    generator = np.random.default_rng(seed)
    result = {}
    for uplink in budget.uplink_periods_slots:
        where = f"a report in {uplink} slots"
        envs = make_envs(env, len(training), **{**options, "uplink_period_slots": uplink})
        period, _ = contenders.choose_period(
            envs,
            training,
            partial(_report, progress, where),
            budget.study_periods_slots,
        )
        policies = {
            "best-fixed": contenders.fixed_policies()[period],
            "twin": TwinPlanner(),
            "oracle": OraclePlanner(),
        }
        runs = {
            name: _evaluate(f"{name}, {where}", policy, envs, evaluation, progress) for name, policy in policies.items()
        }
        result[str(uplink)] = {
            "best_period_slots": period,
            "policies": {name: figures.interval(run.returns, generator) for name, run in runs.items()},
            "headroom": figures.headroom(runs["best-fixed"], runs["oracle"]),
        }
    return result


def _one_ue(
    env: str, budget: Budget, seed: int, options: dict[str, Any], progress: contenders.Progress
) -> dict[str, Any]:
    """How near the planners come to the exact optimum, which can be found for one UE (see `agents.optimum`)."""
    seeds = contenders.evaluation_seeds(seed, budget.optimum_episodes)
    free = {name: value for name, value in options.items() if name not in OPTIONS}
    settings = {"uplink_period_slots": 10, **free, "episode_slots": budget.optimum_slots}
    optimum = []
    for count, episode in enumerate(seeds):
        progress("the optimum for one UE", count / len(seeds))
        optimum.append(optimal_return(episode, **settings))
    envs = make_envs(env, len(seeds), **settings, **OPTIONS)
    policies = {**{f"fixed-{p}": f for p, f in contenders.fixed_policies().items()}}
    policies |= {"twin": TwinPlanner(), "oracle": OraclePlanner()}
    scores = {
        name: float(_evaluate(f"{name}, one UE", policy, envs, seeds, progress).returns.mean())
        for name, policy in policies.items()
    }
    return {"options": {**settings, **OPTIONS}, "episodes": len(seeds), "optimum": float(np.mean(optimum)), **scores}


def _report(progress: contenders.Progress, where: str, what: str, share: float) -> None:
    progress(f"{what}, {where}", share)


def show(console: Console, result: dict[str, Any]) -> None:
    """Print a table of the policies' scores."""
    table = Table(title="Net spectral efficiency of the cell in bit/s/Hz: mean and 95 % interval")
    for heading in ("policy", "mean", "low", "high", "over best-fixed"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    policies = result["policies"]
    reference = policies["best-fixed"]["mean"]
    for name, score in sorted(policies.items(), key=lambda item: item[1]["mean"]):
        numbers = [f"{score[key]:.3f}" for key in ("mean", "low", "high")]
        table.add_row(name, *numbers, f"{score['mean'] / reference - 1:+.1%}")
    console.print(table)
    console.print(f"best fixed period {result['best_fixed']['period_slots']} slots; headroom {result['headroom']:.1%}")


@contextmanager
def progress_bar(console: Console) -> Iterator[contenders.Progress]:
    """One bar that tells what is being done and how much of that is, and the time since the start."""
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("starting", total=1.0)

        def show(what: str, share: float) -> None:
            # A finished task stops its clock; this one goes on.
            bars.update(task, description=what, completed=min(share, 0.999) if what != "done" else 1.0)

        yield show


def write(path: Path, env: str, result: dict[str, Any], runs: dict[str, Episodes], origin: dict[str, Any]) -> None:
    """Write the figures to `path` and the arrays that a report draws beside it, as .npz."""
    write_result(path, "decisions", {env: result}, origin)
    np.savez_compressed(path.with_suffix(".npz"), **figures.trace(runs))


def main(
    env: Annotated[str, typer.Option(help="environment")] = "FeedbackInterval",
    quick: Annotated[bool, typer.Option("--quick", help="about a minute; proves nothing")] = False,
    seed: Annotated[int, typer.Option(help="chooses training and evaluation seeds, 0 to 99")] = 0,
    options: Annotated[str, typer.Option(help="options of the environment, as JSON")] = "{}",
    policy: Annotated[Path | None, typer.Option(help="folder of a policy that agents.train wrote")] = None,
    json_path: Annotated[Path, typer.Option("--json", help="result; arrays for drawing go beside it, as .npz")] = Path(
        "runs/decisions.json"
    ),
) -> None:
    """Compare policies in reality on paired episodes."""
    arguments = {"env": env, "quick": quick, "options": options, "policy": str(policy) if policy else None}
    console = Console()
    budget = QUICK if quick else Budget()
    settings = parse_json_object("options", options)
    with progress_bar(console) as progress:
        result, runs = run(env, budget, seed, settings, policy, progress)
        progress("done", 1.0)
    device = make_envs(env, 1, **settings).core.device
    write(json_path, env, result, runs, provenance(arguments, seed=seed, device=device))
    show(console, result)
    console.print(f"wrote {json_path} and {json_path.with_suffix('.npz')}")


if __name__ == "__main__":
    run_command(main)
