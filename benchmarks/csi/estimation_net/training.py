"""How the network learns: from the error of estimates, leg by leg, so that it can go on where it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from twin_envs.base.settings import training
from twin_envs.base.units import squared_magnitude
from twin_envs.benchmarks.csi.estimation_net.reports import Reports
from twin_envs.csi.estimation_net.estimator import NetEstimator
from twin_envs.csi.estimation_net.network import PathsNetwork

SETS_A_STEP, BATCH = 4, 32
_LEARNING_RATE = 3e-3
_LARGEST_GRADIENT = 1.0


def errors(estimator: NetEstimator, reports: Reports) -> torch.Tensor:
    """Normalised squared error of each estimate [N]."""
    estimate = estimator.estimate(reports.seen, reports.spacing)
    return squared_magnitude(estimate - reports.x).sum((1, 2)) / squared_magnitude(reports.x).sum((1, 2))


@training()
def train_leg(
    network: PathsNetwork,
    estimator: NetEstimator,
    sets: Sequence[Reports],
    state: dict[str, torch.Tensor],
    *,
    leg: int,
    legs: int,
    steps: int,
    seed: int,
    progress: Callable[[float, float], None],
) -> dict[str, torch.Tensor]:
    """One of several legs of training.

    The loss is the logarithm of the mean error of a batch, so that every SNR and spacing counts alike.

    Args:
        network: trained in place.
        estimator: that uses it.
        sets: what to learn from.
        state: what the leg before returned; nothing for the first.
        leg: which, from 0.
        legs: of how many.
        steps: of each.
        seed: of the batches.
        progress: told the share of all steps that is done, and the mean loss [dB].

    Returns:
        Weights, and what the optimiser remembers.
    """
    parameters = dict(network.named_parameters())
    optimiser = torch.optim.Adam(parameters.values(), lr=_LEARNING_RATE)
    if state:
        network.load_state_dict({name: state[f"weight.{name}"] for name in parameters})
        saved = optimiser.state_dict()
        saved["state"] = {
            number: {key: state[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for number, name in enumerate(parameters)
        }
        optimiser.load_state_dict(saved)
    generator = torch.Generator().manual_seed(seed + leg)
    lost: list[float] = []
    for step in range(leg * steps, (leg + 1) * steps):
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / (legs * steps)))
        optimiser.zero_grad()
        total = 0.0
        for number in torch.randperm(len(sets), generator=generator)[:SETS_A_STEP].tolist():
            some = torch.randperm(len(sets[number].x), generator=generator)[:BATCH].to(sets[number].x.device)
            loss = 10 * errors(estimator, sets[number].of(some)).mean().log10() / SETS_A_STEP
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(parameters.values(), _LARGEST_GRADIENT)
        optimiser.step()
        lost.append(total)
        progress((step + 1) / (legs * steps), sum(lost) / len(lost))
    kept = {f"weight.{name}": value.detach() for name, value in parameters.items()}
    for name, value in parameters.items():
        kept.update({f"{key}.{name}": remembered for key, remembered in optimiser.state[value].items()})
    return {**kept, "loss_db": torch.tensor(sum(lost) / len(lost), dtype=torch.float64)}
