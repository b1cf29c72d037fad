"""What codecs cost to run: parameters, multiplications, time."""

from __future__ import annotations

from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from twin_envs.base.settings import computing
from twin_envs.csi.channels import SampledLinks
from twin_envs.csi.codecs.protocol import Codec, SideInformation
from twin_envs.csi.codecs.told import AT_THE_UE
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.world.store.site import Site

BATCH = 256
ROUNDS = 3
_COUNTED = 16


def costs(codecs: dict[str, Codec], site: Site, grid: AngleDelayGrid, links: SampledLinks) -> dict[str, dict[str, Any]]:
    """Costs of codecs with their longest codewords.

    Args:
        codecs: by name.
        site: where.
        grid: sizes of a channel.
        links: of the twin.

    Returns:
        By name: `parameters` that were learnt as a network; `multiply_adds` of a report in products of matrices and
        convolutions, complex ones counted as one; `cpu_ms` or `gpu_ms` of a report in a batch of `BATCH`, median of
        `ROUNDS` in which all take turns, the other None. On a CPU it is processor time, of all threads together, so
        that other processes do not count.
    """
    count = min(BATCH, len(links.h))
    some = SampledLinks(h=links.h[:count], position_m=links.position_m[:count], ap=links.ap[:count])
    x, calls = to_angle_delay(some.h, grid), {}
    for name, codec in codecs.items():
        told = AT_THE_UE(codec, site, "twin", some, torch.Generator(site.device).manual_seed(0))
        lengths = torch.full((count,), codec.codeword_lengths[-1], device=x.device)
        calls[name] = (codec, SideInformation(codeword_bits=lengths, told=told))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (codec, side) in calls.items():
            taken[name].append(_seconds(codec, x, side))
    milliseconds = {name: 1e3 * median(seconds) / count for name, seconds in taken.items()}
    on_gpu = x.is_cuda
    return {
        name: {
            "parameters": sum(p.numel() for p in codec.parameters()) if isinstance(codec, nn.Module) else 0,
            "multiply_adds": multiply_adds(codec, x[:_COUNTED], side),
            "cpu_ms": None if on_gpu else milliseconds[name],
            "gpu_ms": milliseconds[name] if on_gpu else None,
        }
        for name, (codec, side) in calls.items()
    }


def multiply_adds(codec: Codec, x: torch.Tensor, side: SideInformation) -> int:
    """Multiplications of a report in products of matrices and convolutions, complex ones counted as one.

    Args:
        codec: the codec.
        x: angle-delay pictures, complex64 [N, blocks, antennas].
        side: what is known of as many reports or more.
    """
    count = len(x)
    told = None if side.told is None else side.told[:count]
    with computing(count), FlopCounterMode(display=False) as counter:
        codec.report(x, SideInformation(codeword_bits=side.codeword_bits[:count], told=told))
    return round(counter.get_total_flops() / 2 / count)


def _seconds(codec: Codec, x: torch.Tensor, side: SideInformation) -> float:
    clock = perf_counter if x.is_cuda else process_time
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    start = clock()
    codec.report(x, side)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return clock() - start
