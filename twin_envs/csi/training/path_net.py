"""Training of the network of the codec `path-net`: on channels of twins alone, of as many sites as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from twin_envs.base.settings import lasting, training
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.path_net.circumstances import NONE, Circumstances, circumstances
from twin_envs.csi.codecs.path_net.codec import PathNet
from twin_envs.csi.codecs.path_net.dictionary import FINE
from twin_envs.csi.codecs.path_net.formats import FORMATS, STEPS
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.codecs.path_net_twin.codec import PathNetTwin
from twin_envs.csi.transforms import crop, to_angle_delay
from twin_envs.csi.waves import DELAYS_PER_TAP
from twin_envs.twin.traced import traced_twin
from twin_envs.world.store.site import Site

_WORLD = "twin"
LINKS = 256
"""Channels that are drawn at once."""
_NEAREST_M, _FARTHEST_M = 0.6, 8.0
"""Standard deviations of sensed positions: even in their logarithm between these."""
ELSEWHERE, UNTOLD = 0.08, 0.25
_STEP = 128


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Reports of one format at one site.

    Attributes:
        number: of the format.
        told: places and strengths, int64 [N, M, 4].
        paths: what reports say, int64 [N, K, 6] (see `PathNet.quantised`).
        sizes: how many delays, row steps and column steps there are.
        first_delay: the delay of a path that is as long as the first one.
    """

    number: int
    told: torch.Tensor
    paths: torch.Tensor
    sizes: tuple[int, int, int]
    first_delay: int


@lasting()
def draw_reports(
    site: Site,
    count: int,
    *,
    seed: int,
    held_out: bool,
    elsewhere: float = ELSEWHERE,
    untold: float = UNTOLD,
) -> list[Reports]:
    """Reports of channels of a site's twin, in each format in turn.

    Args:
        site: where.
        count: of channels, in multiples of `LINKS`.
        seed: of places and their errors.
        held_out: see `ChannelSampler`.
        elsewhere, untold: shares of reports whose UE is told of another place, and of nothing.
    """
    grid = angle_delay_grid(site)
    draw, expects = ChannelSampler(site, site.twin(_WORLD), held_out), traced_twin(site, _WORLD, site.device)
    generator = torch.Generator(site.device).manual_seed(seed)
    codec, reports = PathNetTwin(PriorNetwork(), grid, site.device), []
    for batch in range(count // LINKS):
        links = draw.links(LINKS, generator)
        chance = torch.rand(LINKS, 3, generator=generator, device=site.device)
        error_m = _NEAREST_M * (_FARTHEST_M / _NEAREST_M) ** float(chance[0, 0])
        other, place_m = chance[:, 1] < elsewhere, links.sensed_m(error_m, generator)
        place_m = torch.where(other[:, None], place_m.roll(1, 0), place_m)
        ap = torch.where(other, links.ap.roll(1), links.ap)
        told = codec.tell(expects, place_m, torch.full_like(chance[:, 0], error_m), ap).clone()
        told[chance[:, 2] < untold] = torch.tensor([0, 0, 0, NONE], device=site.device)
        number = batch % len(FORMATS)
        x = crop(to_angle_delay(links.h, grid), grid)
        paths = codec.quantised(x, codec.pursuit.places(x, FORMATS[number]), FORMATS[number])
        first = grid.precursor_taps * DELAYS_PER_TAP * FINE
        sizes = codec.dictionary.sizes
        reports.append(Reports(number=number, told=told, paths=paths, sizes=sizes, first_delay=first))
    return reports


@training()
def train_network(
    reports: list[Reports], *, passes: int, seed: int, progress: Callable[[int, float], None]
) -> PriorNetwork:
    """Train a network to expect what reports say: the loss is the number of bits that a path's place takes.

    Args:
        reports: on one device.
        passes: how often each is seen.
        seed: of weights and of the order of reports.
        progress: called after each pass with the number of passes and the mean loss of the last one [bits].
    """
    device = reports[0].told.device
    network = PriorNetwork(seed).to(device)
    count_falls(network, reports)
    asked = [_asked(some) for some in reports]
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    steps = passes * sum(-(-len(some.told) // _STEP) for some in reports)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for number in range(1, passes + 1):
        losses = []
        for index in torch.randperm(len(reports), generator=generator).tolist():
            for start in range(0, len(reports[index].told), _STEP):
                loss = place_bits(network, reports[index], asked[index], slice(start, start + _STEP)).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                losses.append(loss.detach())
        progress(number, float(torch.stack(losses).mean()))
    return network.eval().requires_grad_(False)


def count_falls(network: PriorNetwork, reports: Iterable[Reports]) -> None:
    """Count by how many steps paths are weaker than the one before, by format and path; each number once more."""
    network.falls.fill_(1)
    for some in reports:
        fall = some.paths[:, 1:, 4]
        for path in range(fall.shape[1]):
            found = fall[:, path].bincount(minlength=network.falls.shape[2])
            network.falls[some.number, path] += found.to(network.falls.dtype)


def place_bits(network: PriorNetwork, reports: Reports, asked: Circumstances, rows: slice) -> torch.Tensor:
    """Bits that it takes to say where each path is, as `Prior.information` has them before it rounds, [rows, K]."""
    said, place, told = FORMATS[reports.number], reports.paths[rows, :, 1:4], reports.told[rows]
    step = said.steps(reports.paths[rows, :, 4].cumsum(1) * said.fall_db)
    of_told, of_named, of_anywhere = network.weights()
    near = torch.cat(
        [
            of_told[asked.told[rows]].masked_fill(~asked.is_told[rows, ..., None], -torch.inf),
            of_named[asked.named[rows]].masked_fill(~asked.is_named[..., None], -torch.inf),
        ],
        2,
    )
    anywhere = of_anywhere[asked.anywhere[rows]]
    total = torch.logsumexp(torch.cat([near.flatten(2), anywhere[..., None]], 2), 2)
    other = torch.cat([told[..., :3], place], 1)
    kind = (torch.arange(other.shape[1], device=place.device) >= told.shape[1]).long()
    for axis, (kernel, size) in enumerate(zip(network.kernels(reports.sizes), reports.sizes, strict=True)):
        here, there = place[..., axis, None], other[:, None, :, axis]
        near = near + kernel[kind, step[..., None], there % STEPS[-1], (here - there) % size]
        if axis:
            even = torch.tensor([-(-size // each) for each in STEPS], device=place.device).log()
            anywhere = anywhere - even[step]
        else:
            anywhere = anywhere + network.delays_anywhere(size, reports.first_delay)[step, here[..., 0]]
    found = torch.logsumexp(torch.cat([near.flatten(2), anywhere[..., None]], 2), 2)
    return (total - found) / torch.log(torch.tensor(2.0, device=place.device))


def report_bits(codec: PathNet, reports: Reports, told: torch.Tensor | None = None) -> float:
    """Mean number of bits that reports take to say all their paths, with what their UEs were told, or with `told`."""
    told = reports.told if told is None else told
    return float(codec.information(reports.paths, told, reports.number).sum(1).mean())


def _asked(reports: Reports) -> Circumstances:
    below_db = reports.paths[..., 4].cumsum(1) * FORMATS[reports.number].fall_db
    return circumstances(reports.told, reports.paths[..., 1:4], below_db, reports.sizes)
