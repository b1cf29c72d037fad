"""Trainings of the study: codecs on many scenes, on few samples of one, and hypernetworks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from twin_envs.base.errors import check_number
from twin_envs.base.settings import training
from twin_envs.benchmarks.csi.semi_black_box.codec import Codec, check_samples, errors, split
from twin_envs.benchmarks.csi.semi_black_box.hypernetworks import ProfileNetwork

Batch = tuple[torch.Tensor, torch.Tensor]
"""Indices of scenes, int64 [S], and pictures of each [S, N, pixels]."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how networks are trained.

    Args:
        steps: of codecs and of what writes their weights, over all scenes.
        profile_steps: of the network that writes profiles.
        tuning_steps: on samples of one scene.
        scenes: in a step over all scenes.
        batch_size: pictures of each scene in a step.
        learning_rate: of Adam; it falls to zero along a half cosine.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    steps: int = 400
    profile_steps: int = 200
    tuning_steps: int = 60
    scenes: int = 4
    batch_size: int = 32
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for field in ("steps", "profile_steps", "tuning_steps", "scenes"):
            check_number(field, getattr(self, field), 1, 10**6, integer=True)
        check_number("batch_size", self.batch_size, 2, 10**6, integer=True)
        check_number("learning_rate", self.learning_rate, 1e-8, 1.0)


@training()
def minimise(
    weights: list[torch.Tensor],
    loss: Callable[[], torch.Tensor],
    *,
    steps: int,
    learning_rate: float,
    decay: float = 0.0,
) -> None:
    """Adam in place, with a rate that falls along a half cosine."""
    optimiser = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        falling.step()


def drawn(pictures: torch.Tensor, schedule: Schedule, generator: torch.Generator) -> Batch:
    """Some scenes, and some pictures of each, of pictures [V, N, pixels]."""
    scene = torch.randint(len(pictures), (schedule.scenes,), generator=generator)
    sample = torch.randint(pictures.shape[1], (schedule.scenes, schedule.batch_size), generator=generator)
    return scene, pictures[scene[:, None], sample]


def train_on_scenes(
    weights: list[torch.Tensor],
    codec_of: Callable[[torch.Tensor], Codec],
    pictures: torch.Tensor,
    schedule: Schedule,
    generator: torch.Generator,
) -> None:
    """Train in place whatever gives the codecs of scenes [S] on pictures of all scenes [V, N, pixels].

    Raises:
        ConfigurationError: see `check_samples`.
    """
    check_samples(pictures)

    def loss() -> torch.Tensor:
        scene, batch = drawn(pictures, schedule, generator)
        return (codec_of(scene)(batch) - batch).square().sum(-1).mean()

    minimise(weights, loss, steps=schedule.steps, learning_rate=schedule.learning_rate)


def train_profiles(
    net: ProfileNetwork,
    seen: torch.Tensor,
    rays: torch.Tensor,
    profiles: torch.Tensor,
    *,
    steps: int,
    generator: torch.Generator,
) -> None:
    """Train a network that writes profiles [V, TAPS, BEAMS] in place: the least divergence from those measured.

    Each scene is seen in a mirror, too.
    """
    seen, rays, profiles = (torch.cat([x, mirrored(x)]) for x in (seen, rays, profiles))

    def loss() -> torch.Tensor:
        some = torch.randint(len(seen), (32,), generator=generator)
        return -(profiles[some] * net(seen[some], rays[some], generator)).sum((1, 2)).mean()

    minimise(list(net.parameters()), loss, steps=steps, learning_rate=2e-3, decay=2e-2)


def mirrored(by_beam: torch.Tensor) -> torch.Tensor:
    """Anything by beam [..., beams] as it is in a mirror that stands upright before the access point."""
    return by_beam.flip(-1).roll(1, -1)


def tuned(codec: Codec, pictures: torch.Tensor, schedule: Schedule, generator: torch.Generator) -> Codec:
    """The codec of each of V scenes, trained on the scene's own pictures [V, N, pixels].

    Of each scene the state is taken that is best on the pictures kept aside, be it that of the start.

    Raises:
        ConfigurationError: see `check_samples`.
    """
    learnt, kept = split(pictures)
    net = codec.of_each(len(pictures)).trainable()
    best, best_error = net.detached().of_each(len(pictures)), errors(net, kept)
    looks = max(1, schedule.tuning_steps // 6)
    done = 0

    def loss() -> torch.Tensor:
        nonlocal best, best_error, done
        if done and done % looks == 0:
            best, best_error = _better(net, kept, best, best_error)
        done += 1
        sample = torch.randint(learnt.shape[1], (len(learnt), schedule.batch_size), generator=generator)
        batch = learnt.gather(1, sample[..., None].expand(-1, -1, learnt.shape[-1]))
        return (net(batch) - batch).square().sum(-1).mean(-1).sum()

    minimise(list(net.weights.values()), loss, steps=schedule.tuning_steps, learning_rate=schedule.learning_rate)
    return _better(net, kept, best, best_error)[0]


def _better(net: Codec, kept: torch.Tensor, best: Codec, best_error: torch.Tensor) -> tuple[Codec, torch.Tensor]:
    found = errors(net, kept)
    better = found < best_error
    weights = {
        name: torch.where(better[:, None, None], value.detach(), best.weights[name])
        for name, value in net.weights.items()
    }
    return Codec(**weights), torch.where(better, found, best_error)
