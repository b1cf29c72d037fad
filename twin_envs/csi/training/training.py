"""Training and evaluation of CSI codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from twin_envs.base.errors import check_number
from twin_envs.base.settings import computing, training
from twin_envs.csi.codecs.autoencoder.network import Autoencoder, AutoencoderConfiguration
from twin_envs.csi.codecs.protocol import Codec, SideInformation
from twin_envs.csi.transforms import to_angle_delay

STEPS = 24_000
"""Optimiser steps where no number is asked for."""
START_SAMPLES = 8192
"""Channels whose principal components the network starts with."""
N = TypeVar("N", bound=Autoencoder)
Sampler = Callable[[int, torch.Generator], torch.Tensor]
"""Draws channels: (how many, generator on the training device) -> complex64 [n, blocks, antennas]."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfiguration:
    """How long and how a codec is trained.

    Args:
        steps: optimiser steps.
        batch_size: channels in a step.
        learning_rate: of Adam at the start; it falls to zero along a half cosine.
        lowest_snr_db: least SNR of the estimates that the encoder sees.
        highest_snr_db: greatest SNR of these; the target is the channel without noise.
        delay_shift_taps: channels are shifted by up to this much in delay, either way, as timing errors do.

    Raises:
        ConfigurationError: a field is outside its range.
    """

    steps: int = STEPS
    batch_size: int = 32
    learning_rate: float = 1e-2
    lowest_snr_db: float = 5.0
    highest_snr_db: float = 35.0
    delay_shift_taps: float = 0.1

    def __post_init__(self) -> None:
        check_number("steps", self.steps, 1, 10**8, integer=True)
        check_number("batch_size", self.batch_size, 1, 10**6, integer=True)
        check_number("learning_rate", self.learning_rate, 1e-8, 1.0)
        check_number("lowest_snr_db", self.lowest_snr_db, -30.0, 100.0)
        check_number("highest_snr_db", self.highest_snr_db, self.lowest_snr_db, 100.0)
        check_number("delay_shift_taps", self.delay_shift_taps, 0.0, 16.0)


@training()
def train_codec(
    channels: torch.Tensor | Sampler,
    *,
    seed: int,
    configuration: TrainingConfiguration,
    network: type[N],
    architecture: AutoencoderConfiguration,
    device: torch.device | str,
    progress: Callable[[int, float], None],
) -> tuple[N, list[float]]:
    """Train a network to denoise and compress channels, all codeword lengths at once.

    It starts as the principal component analysis of `START_SAMPLES` channels. The loss is the mean over samples of
    |x - x_hat|^2 for pictures of unit norm (`Autoencoder.describe`), each sample with a codeword length of its own
    drawn evenly from the architecture's.

    Args:
        channels: complex64 [M, blocks, antennas], drawn from with replacement, or a `Sampler`.
        seed: of weights, batches, noise and lengths. No global generator is touched.
        configuration: how long and how.
        network: what is trained.
        architecture: its sizes.
        device: where to train.
        progress: called about a hundred times with the steps done and the mean loss since the last call [dB].

    Returns:
        The network, ready to report, and the losses that `progress` was told.
    """
    device = torch.device(device)
    generator = torch.Generator(device).manual_seed(seed)
    draw = _sampler(channels.to(device)) if isinstance(channels, torch.Tensor) else channels
    net = network(architecture, seed).to(device)
    net.start_from(_covariance(net, draw, configuration, generator))
    lengths = torch.tensor(architecture.codeword_lengths, device=device)
    optimiser = torch.optim.Adam(net.parameters(), lr=configuration.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, configuration.steps)
    history: list[float] = []
    recent: list[torch.Tensor] = []
    for step in range(1, configuration.steps + 1):
        seen, target = _pictures(net, draw(configuration.batch_size, generator), configuration, generator)
        choice = torch.randint(len(lengths), (len(seen),), generator=generator, device=device)
        error = torch.view_as_real(net(seen, lengths[choice]) - target)
        loss = error.square().sum((1, 2, 3)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recent.append(loss.detach())
        if step % max(configuration.steps // 100, 1) == 0 or step == configuration.steps:
            history.append(float(10.0 * torch.log10(torch.stack(recent).mean())))
            recent.clear()
            progress(step, history[-1])
    return net.eval().requires_grad_(False), history


def evaluate_codec(
    codec: Codec, channels: torch.Tensor, told: torch.Tensor | None = None, batch_size: int = 256
) -> dict[int, dict[str, float]]:
    """How well a codec reports noiseless channels, for each codeword length.

    Args:
        codec: the codec, on the device of `channels`.
        channels: complex64 [M, blocks, antennas].
        told: what UEs have been told before (see `Codec.tell`), [M, ...]; None for nothing.
        batch_size: channels in a call.

    Returns:
        {codeword bits: {"nmse_db": mean `nmse` in dB, "nmse_by_block_db": mean `nmse_by_block` in dB, "sgcs": mean
        `sgcs`, "bits": mean number of bits that reports hold, level included}}; minus infinity where nothing is lost.
    """
    result = {}
    for bits, decoded, held in reports_of(codec, channels, told, batch_size):
        with computing(batch_size):
            scores = [nmse(channels, decoded), nmse_by_block(channels, decoded), sgcs(channels, decoded), held]
            error, error_by_block, similarity, length = torch.stack(scores).double().mean(1)
            result[bits] = {
                "nmse_db": float(10.0 * error.log10()),
                "nmse_by_block_db": float(10.0 * error_by_block.log10()),
                "sgcs": float(similarity),
                "bits": float(length),
            }
    return result


def reports_of(
    codec: Codec,
    channels: torch.Tensor,
    told: torch.Tensor | None = None,
    batch_size: int = 256,
    lengths: Iterable[int] | None = None,
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """What a codec makes of noiseless channels, one codeword length after the other.

    Args:
        codec, channels, told, batch_size: as for `evaluate_codec`.
        lengths: of codewords; None for all that the codec has.

    Yields:
        The codeword's bits, what was decoded, complex64 [M, blocks, antennas], and the number of bits that each report
        holds, level included, [M].
    """
    for bits in codec.codeword_lengths if lengths is None else lengths:
        parts = []
        with computing(batch_size):
            for start in range(0, len(channels), batch_size):
                some = slice(start, start + batch_size)
                h = channels[some]
                asked = torch.full((len(h),), bits, device=h.device)
                side = SideInformation(codeword_bits=asked, told=None if told is None else told[some])
                sent = codec.encode(h, side)
                held = codec.sent_bits(sent, side) if hasattr(codec, "sent_bits") else codec.bits(asked)
                parts.append((codec.decode(sent, side), held))
        decoded, counts = zip(*parts, strict=True)
        yield bits, torch.cat(decoded), torch.cat(counts)


def nmse(h: torch.Tensor, h_decoded: torch.Tensor) -> torch.Tensor:
    """Normalised squared error |h - e^(j phi) h_decoded|^2 / |h|^2 with the best common phase phi.

    Args:
        h: the truth, complex64 [N, blocks, antennas], not zero.
        h_decoded: what stands for it, of the same shape.

    Returns:
        float32 [N], linear.
    """
    scale = _norm(h)
    a, b = (h / scale).flatten(1), (h_decoded / scale).flatten(1)
    return _error(a, b, (a.conj() * b).sum(1, keepdim=True)).sum(1)


def nmse_by_block(h: torch.Tensor, h_decoded: torch.Tensor) -> torch.Tensor:
    """What `nmse` is with the best phase for each block: all that a precoder gets wrong, for it needs no phases.

    Takes what `nmse` takes and returns float32 [N], linear.
    """
    scale = _norm(h)
    a, b = h / scale, h_decoded / scale
    return _error(a, b, (a.conj() * b).sum(-1, keepdim=True)).sum((1, 2))


def sgcs(h: torch.Tensor, h_decoded: torch.Tensor) -> torch.Tensor:
    """Squared generalised cosine similarity |h_f^H h_decoded_f|^2 / (|h_f|^2 |h_decoded_f|^2), mean over blocks f.

    (3GPP TR 38.843, 6.2.1, for one layer.) Takes what `nmse` takes, returns float32 [N] from 0 to 1.
    """
    a, b = h / _norm(h), h_decoded / _norm(h_decoded)
    power = a.abs().square().sum(-1) * b.abs().square().sum(-1)
    overlap = (a.conj() * b).sum(-1).abs().square()
    return (overlap / power.clamp_min(torch.finfo(power.dtype).tiny)).mean(-1)


def _error(a: torch.Tensor, b: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
    """|a - e^(j phi) b|^2, phi the one that makes their inner products `overlap` real and positive."""
    rotation = torch.polar(torch.ones_like(overlap.real), -overlap.angle())
    return (a - b * rotation).abs().square()


def _norm(h: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(h, dim=(1, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)


def _sampler(channels: torch.Tensor) -> Sampler:
    def draw(count: int, generator: torch.Generator) -> torch.Tensor:
        return channels[torch.randint(len(channels), (count,), generator=generator, device=channels.device)]

    return draw


def _covariance(
    net: Autoencoder, draw: Sampler, configuration: TrainingConfiguration, generator: torch.Generator
) -> torch.Tensor:
    """Mean outer product of the pictures that the network will see."""
    total = torch.zeros(net.configuration.pixels, net.configuration.pixels, device=generator.device)
    for _ in range(START_SAMPLES // 1024):
        seen = _pictures(net, draw(1024, generator), configuration, generator)[0]
        pixels = torch.view_as_real(seen).flatten(1)
        total.addmm_(pixels.mT, pixels, alpha=1.0 / START_SAMPLES)
    return total


@torch.no_grad()
def _pictures(
    net: Autoencoder, h: torch.Tensor, configuration: TrainingConfiguration, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the encoder sees of channels and what the decoder should make of it, in the same phase."""
    h = _shift(h, configuration, generator)
    grid = net.configuration.grid
    (seen, _), (target, _) = (
        net.describe(to_angle_delay(x, grid)) for x in (_estimate(h, configuration, generator), h)
    )
    overlap = (seen.conj() * target).sum((1, 2), keepdim=True)
    return seen, target * torch.polar(torch.ones_like(overlap.real), -overlap.angle())


def _shift(h: torch.Tensor, configuration: TrainingConfiguration, generator: torch.Generator) -> torch.Tensor:
    """Channels later or earlier by a random fraction of a tap: a phase ramp over the blocks."""
    blocks = h.shape[1]
    shift = 2.0 * torch.rand(len(h), 1, generator=generator, device=h.device) - 1.0
    phase = -2.0 * torch.pi / blocks * configuration.delay_shift_taps * shift * torch.arange(blocks, device=h.device)
    return h * torch.polar(torch.ones_like(phase), phase)[..., None]


def _estimate(h: torch.Tensor, configuration: TrainingConfiguration, generator: torch.Generator) -> torch.Tensor:
    """Channels in white noise of a random SNR each."""
    low, high = configuration.lowest_snr_db, configuration.highest_snr_db
    snr_db = low + (high - low) * torch.rand(len(h), 1, 1, generator=generator, device=h.device)
    std = (h.abs().square().mean((1, 2), keepdim=True) * 10.0 ** (-snr_db / 10.0)).sqrt()
    return h + std * torch.randn(h.shape, generator=generator, device=h.device, dtype=h.dtype)
