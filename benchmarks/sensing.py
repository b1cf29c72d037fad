"""What each sensor adds to where UEs are known to be, to what the twin says of them, and to the score.

`python -m benchmarks.sensing`. Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from scipy.stats import chi2

from twin_envs.agents.association.twin import TwinGains
from twin_envs.agents.beams.twin import TwinBeam, TwinSweep
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.rollout import play
from twin_envs.base.commands import run_command
from twin_envs.base.console import new_console, new_table
from twin_envs.base.device import choose_device
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.settings import lasting
from twin_envs.base.statistics import interval, paired_difference
from twin_envs.benchmarks.suite.provenance import provenance, write_result
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.reality.twin_error import true_knowledge
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, SensedState
from twin_envs.twin.protocol import ChannelTwin

SETS = (
    "gnss",
    "gnss+imu",
    "gnss+imu+camera",
    "gnss+imu+radar",
    "gnss+imu+camera+radar",
    "gnss+camera+radar",
)
"""Sensors that are compared; the second are those of every environment."""
REFERENCE = "gnss+imu"
ENVIRONMENTS: dict[str, dict[str, Any]] = {"BeamSelection": {"gnss_bias_m": 2.5}, "ApAssociation": {}}
"""Where they are compared: with a phone's GNSS in both."""
POLICIES: dict[str, dict[str, Callable[[], Policy]]] = {
    "BeamSelection": {"twin-beam 1": lambda: TwinBeam(0), "twin-sweep 0.8": lambda: TwinSweep(0.8)},
    "ApAssociation": {"twin-gain 4 dB": lambda: TwinGains(4.0)},
}
"""Policies that go by the twin at the sensed place, as they are: nothing is tuned for any set of sensors."""
EPISODES, QUICK_EPISODES = 256, 64
QUICK_ENVIRONMENTS = ("BeamSelection",)
_STEP_S, _STEPS, _LOOK = 0.1, 100, 25
_TRUE = "true place"


def figures(quick: bool, seed: int, device: torch.device, console: Console) -> dict[str, Any]:
    """What the sensors add.

    Args:
        quick: fewer walks and episodes, and beams alone.
        seed: of the walks and episodes, the same ones for every set of sensors.
        device: where to compute.
        console: told what is being done.

    Returns:
        By environment: `sensing`, by set of sensors, over walks of 10 s: `position_m` and `velocity_m_s`, median and
        90 % quantile of the errors; `nees`, mean normalised square of the errors of position and velocity, 4 if what is
        stated is true, with its `nees_standard_error` over environments; and `within_90`, which share of positions lies
        in the ellipse that holds 90 %. `knowledge`, by set and at the true place: median errors against reality of the
        gain and the departure azimuth that the twin says of the strongest AP, and `beyond_true`, their median
        differences from what it says at the true place. `score`, by policy and set: mean return, and the paired
        difference from GNSS and IMU.
    """
    found: dict[str, Any] = {}
    seeds = evaluation_seeds(seed, QUICK_EPISODES if quick else EPISODES)
    for env in QUICK_ENVIRONMENTS if quick else ENVIRONMENTS:
        own: dict[str, Any] = {"sensing": {}, "knowledge": {}, "score": {}}
        returns: dict[str, dict[str, np.ndarray[Any, Any]]] = {name: {} for name in POLICIES[env]}
        for sensors in SETS:
            console.print(f"{env}, {sensors} ...")
            envs = make_envs(env, len(seeds), device=device, sensors=sensors, **ENVIRONMENTS[env])
            own["sensing"][sensors], knowledge = walk(envs, seeds)
            own["knowledge"] |= {_TRUE: knowledge[_TRUE], sensors: knowledge[sensors]}
            for name, make in POLICIES[env].items():
                returns[name][sensors] = play(make(), envs, seeds).returns
        own["score"] = {name: _scores(by_set, seed) for name, by_set in returns.items()}
        found[env] = own
    return found


@torch.inference_mode()
def walk(envs: TaskVectorEnv, seeds: Sequence[int]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """How well sensing follows the UEs of a batch for 10 s, and what the twin knows by it: see `figures`."""
    envs.reset(seed=list(seeds))
    core, network = envs.core, envs.network
    rows = torch.arange(envs.num_envs, device=core.device)
    elapsed = torch.full_like(rows, round(_STEP_S / core.slot_s))
    errors, squares, inside, seen = [], [], [], []
    twin = core.channel_twin(core.config.twin, 0)
    for step in range(1, _STEPS + 1):
        now = elapsed * step
        position, velocity = core.motion.at(rows, now * core.slot_s)
        core.seek(rows, now, 0)
        core.move(rows, elapsed, position, velocity)
        if step % _LOOK:
            continue
        true = torch.cat([position[..., :2], velocity[..., :2]], -1)
        off = torch.cat([network.sensing.position, network.sensing.velocity], -1).sub(true).double()
        covariance = core.sensing.motion_covariance
        errors.append(off.cpu())
        squares.append((off * torch.linalg.solve(covariance, off)).sum(-1).cpu())
        place, own = off[..., :2], covariance[..., :2, :2]
        inside.append(((place * torch.linalg.solve(own, place)).sum(-1) < chi2.ppf(0.9, 2)).double().cpu())
        seen.append(_knowledge(core, network, twin, position, velocity))
    off, nees = torch.stack(errors), torch.stack(squares)
    by_env = nees.mean((0, 2))
    said = {key: np.concatenate([part[key] for part in seen]) for key in seen[0]}
    sensing = {
        **_quantiles("position_m", off[..., :2]),
        **_quantiles("velocity_m_s", off[..., 2:]),
        "nees": float(nees.mean()),
        "nees_standard_error": float(by_env.std() / math.sqrt(len(by_env))),
        "within_90": float(torch.stack(inside).mean()),
    }
    return sensing, {
        _TRUE: {"gain_db": _median(said["true gain"]), "azimuth_deg": _median(said["true azimuth"])},
        core.config.sensors: {
            "gain_db": _median(said["gain"]),
            "azimuth_deg": _median(said["azimuth"]),
            "gain_beyond_true_db": _median(said["gain apart"]),
            "azimuth_beyond_true_deg": _median(said["azimuth apart"]),
        },
    }


def _knowledge(
    core: Core, network: NetworkView, twin: ChannelTwin, position: torch.Tensor, velocity: torch.Tensor
) -> dict[str, np.ndarray[Any, Any]]:
    """Errors of the twin's gain [dB] and departure azimuth [deg], of UEs and the APs that they truly hear best."""
    place, moving = position.flatten(0, 1), velocity.flatten(0, 1)
    atlas, sensed = core.site.reality(core.config.world), network.sensing
    ap = atlas.gain[:, core.site.geometry.cell(place).clamp_min(0)].argmax(0)
    truth = true_knowledge(atlas, core.recipe, place, moving[:, :2], ap)
    none = torch.zeros_like(place[:, 0])
    exact = SensedState(position_m=place[:, :2], velocity_m_s=moving[:, :2], position_std_m=none, velocity_std_m_s=none)
    mine = SensedState(
        position_m=sensed.position.flatten(0, 1),
        velocity_m_s=sensed.velocity.flatten(0, 1),
        position_std_m=sensed.position_std_m.flatten(),
        velocity_std_m_s=sensed.velocity_std_m_s.flatten(),
    )
    at_true, at_mine = twin.predict(exact, ap), twin.predict(mine, ap)
    known = at_true.covered > 0
    both = known & (at_mine.covered > 0)

    def apart(a: torch.Tensor, b: torch.Tensor, field: str) -> np.ndarray[Any, Any]:
        index = list(KNOWLEDGE_FIELDS).index(field)
        off = (a - b)[known if b is truth and a is at_true.values else both, index]
        if "azimuth" in field:
            off = torch.rad2deg(torch.remainder(off + math.pi, 2 * math.pi) - math.pi)
        return off.abs().cpu().numpy()

    return {
        f"{prefix}{name}": apart(a, b, field)
        for name, field in (("gain", "gain_db"), ("azimuth", "departure_azimuth_rad"))
        for prefix, a, b in (("", at_mine.values, truth), ("true ", at_true.values, truth))
    } | {
        f"{name} apart": apart(at_mine.values, at_true.values, field)
        for name, field in (("gain", "gain_db"), ("azimuth", "departure_azimuth_rad"))
    }


def _scores(returns: dict[str, np.ndarray[Any, Any]], seed: int) -> dict[str, dict[str, Any]]:
    return {
        sensors: {
            "return": interval(own, np.random.default_rng(seed)),
            "paired": paired_difference(own, returns[REFERENCE], np.random.default_rng(seed)),
        }
        for sensors, own in returns.items()
    }


def _quantiles(name: str, off: torch.Tensor) -> dict[str, float]:
    length = off.norm(dim=-1).flatten().numpy()
    return {f"{name}_50": float(np.quantile(length, 0.5)), f"{name}_90": float(np.quantile(length, 0.9))}


def _median(values: np.ndarray[Any, Any]) -> float:
    return float(np.median(values))


def main(
    quick: Annotated[bool, typer.Option("--quick", help="fewer episodes, and beams alone; some minutes")] = False,
    seed: Annotated[int, typer.Option(help="of walks and episodes")] = 0,
    device: Annotated[str, typer.Option(help="where to compute")] = "auto",
    json_path: Annotated[Path, typer.Option("--json", help="result")] = Path("runs/sensing.json"),
) -> None:
    """Show what each sensor adds."""
    console, chosen = new_console(), choose_device(device)
    with lasting():
        found = figures(quick, seed, chosen, console)
    write_result(json_path, "sensing", found, provenance({"quick": quick}, seed=seed, device=chosen))
    for env, own in found.items():
        names = list(own["score"])
        head = ("position, 50 %", "90 %", "NEES", "gain", *names)
        table = new_table("sensors", *head, title=env, numbers=True)
        for sensors, values in own["sensing"].items():
            table.add_row(
                sensors,
                f"{values['position_m_50']:.2f} m",
                f"{values['position_m_90']:.2f} m",
                f"{values['nees']:.2f}",
                f"{own['knowledge'][sensors]['gain_db']:.1f} dB",
                *(f"{own['score'][name][sensors]['return']['mean']:.3f}" for name in names),
            )
        console.print(table)
    console.print(f"wrote {json_path}")


if __name__ == "__main__":
    run_command(main)
