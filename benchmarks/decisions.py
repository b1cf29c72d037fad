"""How well policies decide: `python -m benchmarks.decisions --env FeedbackInterval`.

Policies are compared in reality, on the same episodes. Nothing is trained or chosen on these episodes: agents train in
the twin; the best fixed choice and the constants of rules are chosen in reality, which only makes them harder to beat,
on training seeds.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from rich.console import Console

from twin_envs.agents.core.contenders import TRAINED, contenders
from twin_envs.agents.core.environments import make_envs, training_of
from twin_envs.agents.core.policies import Policy, RandomPolicy
from twin_envs.agents.core.rollout import Episodes
from twin_envs.agents.core.tuning import Choice
from twin_envs.agents.learning.algorithms import PpoConfiguration, configure
from twin_envs.agents.learning.saving import PolicyCard, load_policy
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.agents.learning.shipped import NAME, load_trained
from twin_envs.agents.train import train
from twin_envs.base.commands import parse_json_object, run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.base.files import as_text, write_files
from twin_envs.base.progress import TellProgress, progress
from twin_envs.base.registry import load_object
from twin_envs.base.seeds import training_seeds
from twin_envs.benchmarks import pieces
from twin_envs.benchmarks.pieces import Place, Played, Training
from twin_envs.benchmarks.studies import study
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget
from twin_envs.benchmarks.suite import figures
from twin_envs.benchmarks.suite.engine import Tell, done
from twin_envs.benchmarks.suite.figures import Roles
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.registry import specification


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is computed.

    Args:
        episodes: evaluation episodes of each policy.
        training_episodes: episodes on which the fixed choice and the constants of rules are chosen: in full runs more
            than they are compared on, so that what was chosen by luck does not decide.
        fixed_shown: so many fixed choices, the best on training episodes, are evaluated.
        ppo_steps, ppo_envs, ppo: each training of PPO; None for what the environment's `Training` says.
        studies: of the environment's own studies; None for none.
    """

    episodes: int = 96
    training_episodes: int = 128
    fixed_shown: int = 20
    ppo_steps: int | None = None
    ppo_envs: int | None = None
    ppo: PpoConfiguration | None = None
    studies: StudyBudget | None = field(default_factory=StudyBudget)


QUICK = Budget(
    episodes=12,
    training_episodes=4,
    fixed_shown=10,
    ppo_steps=4096,
    ppo_envs=32,
    studies=StudyBudget(
        episodes=4,
        periods_slots=(4, 10, 40, 160),
        csi_uplink_shares=(0.02, 0.1),
        optimum_episodes=2,
        optimum_slots=200,
    ),
)


_FIXED = "fixed choices"


def run(
    env: str,
    budget: Budget,
    seed: int,
    options: dict[str, Any],
    policies: Sequence[str | Path],
    progress: TellProgress,
    *,
    trainings: Mapping[str, Training] | None = None,
    jobs: int = 1,
) -> tuple[dict[str, Any], dict[str, Episodes], Roles]:
    """All figures, the episodes of each policy in reality, and who is who among the policies.

    Args:
        env: name of the environment.
        budget: how much to compute.
        seed: chooses the training and evaluation seeds.
        options: of the environment.
        policies: folders of trained policies, one for each algorithm and reward, and names of further ones (see
            `twin_envs.policies`), `"module:object"` among them.
        progress: called with what is being done and the share of it that is.
        trainings: of further policies, by their names, such as `trainings` gives.
        jobs: processes that play side by side. The figures do not depend on it.
    """
    place = Place(
        env=env, options=options, seed=seed, episodes=budget.episodes, training_episodes=budget.training_episodes
    )
    envs = place.envs(1)
    candidates = contenders(env, envs)
    given = _in_folders(env, [Path(policy) for policy in policies if Path(policy).is_dir()], trainings or {})
    own = {str(name).rpartition(":")[2]: str(name) for name in policies if not Path(name).is_dir()}
    if twice := sorted(own.keys() & given.keys()):
        raise ConfigurationError(f"policy must have another name than one that is trained, got {', '.join(twice)}")
    oracle = {name: policy for name, policy in candidates.ready.items() if name == "oracle"}
    untuned = {name: policy for name, policy in candidates.ready.items() if name not in oracle}
    twins = candidates.twins if len(candidates.twins) > 1 else []  # a single one is the best
    ready: dict[str, Policy | str] = {**oracle, **untuned, "random": RandomPolicy(seed), **own}
    work: dict[str, Callable[[Tell], Played]] = {
        **{name: partial(pieces.trained, place, name, training) for name, training in given.items()},
        _FIXED: partial(pieces.fixed, place, candidates.fixed, budget.fixed_shown),
        **{name: partial(pieces.tuned, place, name, by) for name, by in candidates.tuned.items()},
        **{name: partial(pieces.ready, place, name, policy, name in twins) for name, policy in ready.items()},
    }
    played = _played(work, jobs, progress)
    choosing = {"best-fixed": played[_FIXED], **{name: played[name] for name in candidates.tuned}}
    chosen = {name: piece.choice for name, piece in choosing.items() if piece.choice}
    rivals = tuple(dict.fromkeys((*candidates.tuned, *untuned, *given, *own, *oracle)))
    shipped = {NAME: load_trained(env)[1]} if NAME in candidates.ready else {}
    cards = shipped | {name: card for name in given if (card := played[name].card)}
    roles = Roles(
        rivals=rivals,
        reference=candidates.reference,
        twins=tuple(candidates.twins),
        best_twin=max(candidates.twins, key=lambda name: played[name].training_return or 0.0, default=None),
        trained=(*cards, *own),
    )
    runs = _kept(played, ("random", _FIXED, *rivals), roles, chosen["best-fixed"].best)
    result = {
        **figures.scores(runs, roles, seed),
        "env": specification(env).id,
        "question": question(env),
        "roles": dataclasses.asdict(roles),
        **_place(envs),
        "options": dataclasses.asdict(envs.core.config),
        "episodes": budget.episodes,
        "evaluation_seeds": _ends(place.evaluation_seeds),
        "training_seeds": _ends(place.training_seeds),
        "chosen": {name: _told(choice) for name, choice in chosen.items()},
        "trained": {name: dataclasses.asdict(card) for name, card in cards.items()},
        "action_shares": {name: figures.action_shares(runs[name], envs.single_action_space) for name in roles.drawn},
        "action_names": figures.action_names(candidates.fixed, envs.single_action_space),
    }
    if budget.studies:
        setting = Setting(
            env=env,
            options=options,
            seed=seed,
            runs=runs,
            drawn=roles.drawn,
            budget=budget.studies,
            progress=progress,
            jobs=jobs,
        )
        result |= study(setting)
    return result, runs, roles


def trainings(env: str, budget: Budget, seed: int, options: dict[str, Any]) -> dict[str, Training]:
    """The trainings of `TRAINED` in the twin, by the names of the policies."""
    return {name: partial(_train, name, env, budget, seed, options) for name in TRAINED}


def _train(
    name: str, env: str, budget: Budget, seed: int, options: dict[str, Any], tell: Tell
) -> tuple[SB3Policy, PolicyCard]:
    training = training_of(env)
    steps = training.steps if budget.ppo_steps is None else budget.ppo_steps
    configuration = budget.ppo or configure("ppo", {}, training)
    return train(
        env,
        world="twin",
        steps=steps,
        seed=training_seeds(seed, 1)[0],
        num_envs=budget.ppo_envs,
        options=options,
        configuration=dataclasses.replace(configuration, **TRAINED[name]),
        progress=lambda done, _: tell(min(done / steps, 1.0)),
    )


def _in_folders(env: str, folders: Sequence[Path], trainings: Mapping[str, Training]) -> dict[str, Training]:
    """The trainings of the policies in folders, and further ones, by the names of the policies."""
    cards = [load_policy(folder)[1] for folder in folders]
    for card in cards:
        check_choice("env of the trained policy", card.env, (env,))
    names = [*(card.name for card in cards), *trainings]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"policy must be given once for each algorithm and reward, got {names}")
    read = {card.name: partial(pieces.read, folder) for card, folder in zip(cards, folders, strict=True)}
    return {**read, **trainings}


def _played(work: Mapping[str, Callable[[Tell], Played]], jobs: int, progress: TellProgress) -> dict[str, Played]:
    """What comes of pieces of work, by their names."""
    names = list(work)
    results = done(jobs, list(work.items()), lambda name, share: progress("comparing policies", share, name))
    return {names[number]: result for number, result in results}


def _kept(played: Mapping[str, Played], order: Iterable[str], roles: Roles, best: str) -> dict[str, Episodes]:
    """The episodes of each policy, with the steps of those that are drawn, and of all what the link did."""
    runs = {name: run for piece in order for name, run in played[piece].runs.items()}
    drawn = [best if name == "best-fixed" else name for name in roles.drawn]
    kept = {
        name: dataclasses.replace(
            run, steps={key: values for key, values in run.steps.items() if name in drawn or key in figures.LINK}
        )
        for name, run in runs.items()
    }
    return kept | {"best-fixed": kept[best]}


def question(env: str) -> str:
    """What is decided in an environment, in a sentence."""
    spec = specification(env)
    told = load_object("env", spec.task if spec.keywords else spec.single).__doc__
    return (told or env).partition("\n")[0]


def _told(choice: Choice[Any]) -> dict[str, Any]:
    """A choice, and what each candidate earned in how many training episodes."""
    returns = {str(key): {"mean": mean, "episodes": choice.episodes[key]} for key, mean in choice.returns.items()}
    return {"choice": choice.best, "training_returns": returns}


def _place(envs: TaskVectorEnv) -> dict[str, Any]:
    """The site, how far its twin is from reality, and what its codec is worth if the environment has one."""
    site, config = envs.core.site, envs.core.config
    recipe, place = site.recipe, {"gap": site.manifest["gap"][config.twin]}
    place["site"] = {
        "name": recipe.name,
        "digest": site.manifest["digest"],
        "source": recipe.scene_source,
        "licence": recipe.scene_licence,
    }
    file = site.manifest["files"].get(f"codec-{getattr(config, 'codec', None)}.safetensors")
    if file:
        place["codec"] = file["scores"]
    return place


def _ends(seeds: range) -> list[int]:
    return [seeds[0], seeds[-1]]


def show(console: Console, result: dict[str, Any]) -> None:
    """Print a table of the policies' scores."""
    headings = ("policy", "mean", "low", "high", "over best-fixed")
    table = new_table(*headings, title="Net spectral efficiency in bit/s/Hz: mean and 95 % interval", numbers=True)
    policies = result["policies"]
    reference = policies["best-fixed"]["mean"]
    for name, score in sorted(policies.items(), key=lambda item: item[1]["mean"]):
        numbers = [f"{score[key]:.3f}" for key in ("mean", "low", "high")]
        table.add_row(name, *numbers, f"{score['mean'] / reference - 1:+.1%}")
    console.print(table)
    for name, choice in result["chosen"].items():
        console.print(f"{name}: {choice['choice']}, chosen on training episodes")
    if result["headroom"] is not None:
        console.print(f"headroom {result['headroom']:.1%}")


def write(
    path: Path, env: str, result: dict[str, Any], runs: dict[str, Episodes], roles: Roles, origin: dict[str, Any]
) -> None:
    """Write the figures to `path` and the arrays that a report draws beside it, as .npz."""
    write_result(path, "decisions", {env: result}, origin)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **cast(dict[str, Any], figures.trace(runs, roles)))  # their names are ours
    write_files({path.with_suffix(".npz"): arrays.getvalue()})


def main(
    env: Annotated[str, typer.Option(help="environment")] = "FeedbackInterval",
    quick: Annotated[bool, typer.Option("--quick", help="a minute or two; proves nothing")] = False,
    seed: Annotated[int, typer.Option(help="chooses training and evaluation seeds, 0 or more")] = 0,
    options: Annotated[str, typer.Option(help="options of the environment, as JSON")] = "{}",
    policy: Annotated[
        list[str] | None,
        typer.Option(help="to compare, too: folder of a trained one, a name, or module:object; may be repeated"),
    ] = None,
    train: Annotated[
        bool,
        typer.Option("--train", help="train PPO in the twin, too, from relative and from raw rewards; this takes long"),
    ] = False,
    studies: Annotated[bool, typer.Option(help="the environment's own studies, too, if it has any")] = True,
    episodes: Annotated[int | None, typer.Option(help="evaluation episodes, 2 or more")] = None,
    ppo_steps: Annotated[
        int | None, typer.Option(help="of each training that --train asks for; by default the environment's `Training`")
    ] = None,
    jobs: Annotated[int, typer.Option(help="processes that play side by side, 1 or more")] = 1,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="result (runs/decisions-ENV.json); arrays for drawing go beside, as .npz"),
    ] = None,
) -> None:
    """Compare policies in reality on paired episodes: fixed choices, rules, planners and the oracle.

    Nothing is trained unless `--train` asks for it. `--policy FOLDER` compares what `twin-envs train` made.
    """
    check_number("jobs", jobs, 1, 256, integer=True)
    if ppo_steps is not None and not train:
        raise ConfigurationError(f"ppo_steps is for trainings, got {ppo_steps} without --train")
    arguments = {
        "env": env,
        "quick": quick,
        "options": options,
        "policy": [as_text(one) for one in policy or []],
        "train": train,
        "studies": studies,
        "episodes": episodes,
        "ppo_steps": ppo_steps,
        "jobs": jobs,
    }
    console = new_console()
    budget = QUICK if quick else Budget()
    if not studies:
        budget = dataclasses.replace(budget, studies=None)
    if episodes is not None:
        budget = dataclasses.replace(budget, episodes=episodes)
    if ppo_steps is not None:
        budget = dataclasses.replace(budget, ppo_steps=ppo_steps)
    settings = parse_json_object("options", options)
    path = json_path or Path("runs") / f"decisions-{specification(env).name.replace('/', '-')}.json"
    with progress(console) as report:
        trained = trainings(env, budget, seed, settings) if train else {}
        result, runs, roles = run(env, budget, seed, settings, policy or [], report, trainings=trained, jobs=jobs)
    device = make_envs(env, 1, **settings).core.device
    write(path, env, result, runs, roles, provenance(arguments, seed=seed, device=device))
    show(console, result)
    if not result["trained"].keys() - {NAME}:
        console.print(
            f"left out, because nothing was trained: {', '.join(TRAINED)}. --train trains each of them in the twin for "
            f"{training_of(env).steps:,} steps; --policy FOLDER compares one that `twin-envs train --env {env}` made"
        )
    console.print(f"wrote {path} and {path.with_suffix('.npz')}")


if __name__ == "__main__":
    run_command(main)
