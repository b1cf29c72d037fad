"""What the server does: rounds in which clients learn, and what it makes of what they send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real

import torch

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.twin.federated.aggregation import bounded, finite, limited, trimmed_mean
from twin_envs.twin.federated.client import Client

WEIGHT_BITS = 16
"""Of a weight that is sent."""
_MOST_SAMPLES = 1e12
"""That a client can have."""
_FORGETTING = 0.5
"""Of what clients have contributed in earlier rounds, so much counts in the next."""

Loss = Callable[[torch.Tensor], float]
"""How bad weights [W] are, by what the server itself can judge."""

Ask = Callable[[Sequence[Client], torch.Tensor, int], list[torch.Tensor | None]]
"""Asks clients for an update of weights [W] in a round; what each has sent, see `Client.update`."""


def in_turn(clients: Sequence[Client], weights: torch.Tensor, round_number: int) -> list[torch.Tensor | None]:
    """One client learns after another, in this process."""
    return [client.update(weights, round_number) for client in clients]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How clients learn together.

    Attributes:
        rounds: 1 to 10,000.
        participation: share of the clients that are asked in a round, above 0, to 1; rounded up.
        trim: share of clients that is left out at either end of each weight, 0 to 0.45 (see `trimmed_mean`). With 0 a
            single client can do harm.
        personal: so many of the last weights stay with the clients, and are not sent; 0 to as many as there are.
        seed: of who is asked.
    """

    rounds: int
    participation: float = 1.0
    trim: float = 0.1
    personal: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, 1, 10_000, integer=True)
        check_number("participation", self.participation, 1e-6, 1.0)
        check_number("trim", self.trim, 0.0, 0.45)
        check_number("personal", self.personal, 0, integer=True)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What happened, counted over all rounds and clients.

    Attributes:
        asked: how often a client was asked.
        dropped: of these, how often it dropped out.
        refused: how often it sent what is not a number, or not as many weights as there are, or said that it has a
            number of samples that nobody can have.
        bounded: how often it had moved the weights too far or said that it has far more samples than others, and was
            held back.
        uplink_bits, downlink_bits: of weights that clients and server have sent.
    """

    asked: int = 0
    dropped: int = 0
    refused: int = 0
    bounded: int = 0
    uplink_bits: int = 0
    downlink_bits: int = 0

    def __add__(self, other: Tally) -> Tally:
        """What has happened in both."""
        return Tally(**{name: value + vars(other)[name] for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Federation:
    """What came of it.

    Attributes:
        weights: float32 [W].
        tally: what happened.
        contribution: what each client was worth, by what is lost without it, float32 [K]; 0 where the server cannot
            judge.
    """

    weights: torch.Tensor
    tally: Tally
    contribution: torch.Tensor


def federate(
    clients: Sequence[Client],
    weights: torch.Tensor,
    plan: Plan,
    loss: Loss | None = None,
    watch: Callable[[torch.Tensor], object] | None = None,
    ask: Ask = in_turn,
) -> Federation:
    """Let clients learn together from where `weights` [W] are.

    A client counts by its samples, but no more than three times the client in the middle. Where the server can judge,
    it counts by what is lost in the server's judgement when it alone is left out, too, for as long as anything is lost
    without anybody.

    Args:
        clients: the UEs.
        weights: to begin with.
        plan: how.
        loss: the server's judgement.
        watch: called with the weights after each round.
        ask: how clients are asked in a round; on machines of their own they learn at the same time, see
            `twin_envs.twin.federated.flower`.

    Raises:
        ConfigurationError: there is no client, `weights` are not all numbers, or fewer than `plan.personal`.
    """
    if not clients:
        raise ConfigurationError("clients must be 1 or more, got 0")
    if not weights.isfinite().all():
        raise ConfigurationError("weights to begin with must be finite numbers")
    check_number("personal", plan.personal, 0, len(weights), integer=True)
    generator = torch.Generator().manual_seed(plan.seed)
    worth, tally = torch.zeros(len(clients)), Tally()
    for number in range(plan.rounds):
        asked = torch.randperm(len(clients), generator=generator)[: -int(-plan.participation * len(clients) // 1)]
        chosen = asked.sort().values.tolist()
        answers = ask([clients[client] for client in chosen], weights, number)
        sent, who, tally = _usable(clients, chosen, answers, weights, tally, plan.personal)
        if who:
            moved, far = bounded(torch.stack(sent) - weights)
            samples, many = limited(torch.tensor([_count(clients[client]) for client in who]))
            tally = replace(tally, bounded=tally.bounded + int((far.cpu() | many).sum()))
            before = worth[who]
            counts = samples * (before.clamp_min(0) if (before > 0).any() else 1.0)
            if loss is not None and len(who) > 1:
                lost = _lost_without(moved, samples, weights, loss)
                worth[who] = _FORGETTING * before + (1 - _FORGETTING) * lost
            weights = weights + trimmed_mean(moved, counts.to(moved.device), plan.trim)
        if watch is not None:
            watch(weights)
    return Federation(weights=weights, tally=tally, contribution=worth)


def _count(client: Client) -> float:
    """How many samples a client says that it has; 0 if nobody can have so many."""
    said: object = client.samples
    if isinstance(said, bool) or not isinstance(said, Real) or not 0 < said <= _MOST_SAMPLES:  # type: ignore[operator]
        return 0.0
    return float(said)


def _usable(
    clients: Sequence[Client],
    asked: list[int],
    answers: list[torch.Tensor | None],
    weights: torch.Tensor,
    tally: Tally,
    personal: int,
) -> tuple[list[torch.Tensor], list[int], Tally]:
    """What those of the `clients` that were `asked` have sent and can be used, who they are, and the tally after the
    round."""
    bits = (len(weights) - personal) * WEIGHT_BITS
    sent, who, dropped, refused = [], [], 0, 0
    for client, answer in zip(asked, answers, strict=True):
        if answer is None:
            dropped += 1
        elif not _count(clients[client]) or answer.shape != weights.shape or not finite(answer[None])[0]:
            refused += 1
        else:
            if personal:
                answer = torch.cat([answer[:-personal], weights[-personal:]])
            sent.append(answer)
            who.append(client)
    return (
        sent,
        who,
        replace(
            tally,
            asked=tally.asked + len(asked),
            dropped=tally.dropped + dropped,
            refused=tally.refused + refused,
            uplink_bits=tally.uplink_bits + bits * (len(asked) - dropped),
            downlink_bits=tally.downlink_bits + bits * len(asked),
        ),
    )


def _lost_without(moved: torch.Tensor, samples: torch.Tensor, weights: torch.Tensor, loss: Loss) -> torch.Tensor:
    """By how much the loss of `weights` [W] moved by the mean of `moved` [K, W] grows when one is left out, [K]."""
    counts = samples.to(moved.device)
    every = loss(weights + trimmed_mean(moved, counts, 0.0))
    rest = ~torch.eye(len(moved), dtype=torch.bool, device=moved.device)
    return torch.tensor([loss(weights + trimmed_mean(moved[keep], counts[keep], 0.0)) - every for keep in rest])
