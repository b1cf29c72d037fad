"""What a report need not say that the last one has said: paths that both ends know already, in the twin's place.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

from typing import Any

import torch

from twin_envs.base.settings import computing
from twin_envs.csi.channels import SampledLinks, angle_delay_grid
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path.pursuit import Pursuit
from twin_envs.csi.codecs.path_twin.expected import EXPECTED, NONE, STRENGTH_STEP_DB
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.csi.codecs.told import AT_THE_UE
from twin_envs.csi.training.training import reports_of, sgcs
from twin_envs.csi.transforms import AngleDelayGrid, crop, to_angle_delay
from twin_envs.world.store.site import Site

MOVED_M = {"walker": 0.014, "driver": 0.1}
"""How far UEs of 1.4 and 10 m/s have moved after 20 slots of half a millisecond."""
_FLAG = 1
"""Bits that say which of two priors a report is coded with."""


def figures(codec: Codec, site: Site, links: SampledLinks, seed: int) -> dict[str, Any]:
    """Bits of reports by what they are coded with: nothing, the twin, the last report, or the shortest of the latter.

    The last report was made 20 slots before, at a place from which the UE has moved in a direction of its own.

    Args:
        codec: whose frequencies are used, with the last report's paths as those to expect.
        site: where.
        links: where UEs were then, in reality.
        seed: of directions and of errors of positions.

    Returns:
        By kind of UE, and by the most bits that a report may hold: for `nothing`, `twin` and `last` the mean `bits` and
        `sgcs` each, for `shorter` the mean `bits`, a bit that says which included.
    """
    generator = torch.Generator(site.device).manual_seed(seed)
    turn = 2 * torch.pi * torch.rand(len(links.ap), generator=generator, device=site.device)
    direction = torch.stack([turn.cos(), turn.sin(), torch.zeros_like(turn)], -1)
    grid = angle_delay_grid(site)
    block = torch.arange(grid.blocks, device=site.device) - (grid.blocks - 1) / 2
    atlas, result = site.reality("reality"), {}
    twin = AT_THE_UE(codec, site, "twin", links, generator)
    before = {bits: _told(decoded, grid) for bits, decoded, _ in reports_of(codec, links.h, twin)}
    for who, moved_m in MOVED_M.items():
        with computing(len(links.h)):
            paths = atlas.paths(links.position_m + moved_m * direction, links.ap)
            h = atlas.channel(paths, block * grid.block_spacing_hz, paths.first_m)
        result[who] = {str(bits): _compared(codec, h, twin, last, bits) for bits, last in before.items()}
    return result


def _compared(
    codec: Codec, h: torch.Tensor, twin: torch.Tensor | None, last: torch.Tensor, bits: int
) -> dict[str, Any]:
    held, result = {}, {}
    for name, told in (("nothing", None), ("twin", twin), ("last", last)):
        for _, decoded, held[name] in reports_of(codec, h, told, lengths=(bits,)):
            result[name] = {"bits": float(held[name].double().mean()), "sgcs": float(sgcs(h, decoded).mean())}
    shorter = torch.minimum(held["twin"], held["last"]) + _FLAG
    return {**result, "shorter": {"bits": float(shorter.double().mean())}}


def _told(h: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """The paths of decoded channels [N, blocks, antennas], as `path-twin` tells what is expected: int64 [N, M, 2]."""
    with computing(len(h)):
        paths, seen, dictionary = EXPECTED // 2, crop(to_angle_delay(h, grid), grid), Dictionary(grid, h.device)
        index = Pursuit(dictionary, grid, h.device).find(seen, paths)
        gain = dictionary.fit(seen, index).abs()
        below_db = 20 * torch.log10(gain.amax(1, keepdim=True) / gain.clamp_min(torch.finfo(torch.float32).tiny))
        strength = (below_db / STRENGTH_STEP_DB).round().clamp(0, NONE).long()
        told = torch.stack([index, strength], -1)
        nothing = torch.tensor([0, NONE], device=h.device).expand(len(h), EXPECTED - paths, 2)
        return torch.cat([told, nothing], 1)
