"""The path profile of a link: what stands on the straight line from an access point to a place, and how far it reaches
over that line. These are the virtual obstacles of Liu and Chen, *UAV-aided radio map construction exploiting
environment semantics* (2023)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.map.skyline import Skyline

SIGHT_M = 0.5
"""A line that is blocked over no more than this is in sight: a raster of 1 m knows walls no better."""
_STEP_M = 1.0
_ENDS_M = 1.0
"""So near its ends nothing blocks a line: antennas hang on walls."""
_CHUNK = 4096
_PARTS = 8
"""What reaches highest is told for so many parts of a line."""
_LOWEST_M = -50.0
_LEAST_EDGE = -0.78
"""From here on an edge that a line passes by takes nothing (ITU-R P.526-15, equation 31)."""


@dataclass(frozen=True, kw_only=True)
class Profile(Constant):
    """What stands on N lines, float32 [N] each.

    Attributes:
        blocked_m: over how much of its length a line goes through buildings.
        obstacles: through how many, one after another.
        edge: Fresnel-Kirchhoff diffraction parameter of the worst edge; `-0.78`, which takes nothing, where none is.
        first_m, last_m: from the line's beginning to the first obstacle, and from the last to its end; its length where
            there is none.
        highest_m: how far what stands in each eighth of the line reaches over it, `-50` and more, [N, 8].
    """

    blocked_m: torch.Tensor
    obstacles: torch.Tensor
    edge: torch.Tensor
    first_m: torch.Tensor
    last_m: torch.Tensor
    highest_m: torch.Tensor

    @property
    def in_sight(self) -> torch.Tensor:
        """Whether the ends see each other, bool [N]."""
        return self.blocked_m <= SIGHT_M


def profile(skyline: Skyline, from_m: torch.Tensor, to_m: torch.Tensor, wavelength_m: float) -> Profile:
    """The profile of the lines from `from_m` to `to_m`, float32 [N, 3] each."""
    parts = [
        _profile(skyline, start, end, wavelength_m)
        for start, end in zip(from_m.split(_CHUNK), to_m.split(_CHUNK), strict=True)
    ]
    return Profile(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def knife_edge_db(edge: torch.Tensor) -> torch.Tensor:
    """Loss [...] over an edge with diffraction parameter `edge` [...] (ITU-R P.526-15, equation 31)."""
    over = edge.clamp_min(_LEAST_EDGE) - 0.1
    return (6.9 + 20 * torch.log10((over.square() + 1).sqrt() + over)).clamp_min(0.0)


def _profile(
    skyline: Skyline, from_m: torch.Tensor, to_m: torch.Tensor, wavelength_m: float
) -> dict[str, torch.Tensor]:
    along = to_m - from_m
    length_m = along.norm(dim=-1, keepdim=True)
    count = max(int(length_m.max() / _STEP_M) + 2 if len(along) else 0, _PARTS)
    share = (torch.arange(count, device=from_m.device) + 0.5) / count
    line_m = from_m[:, None] + share[:, None] * along[:, None]
    before_m, after_m = share * length_m, (1 - share) * length_m
    over_m = (skyline.tops(line_m) - line_m[..., 2]).masked_fill((before_m < _ENDS_M) | (after_m < _ENDS_M), -torch.inf)
    blocked = over_m > 0
    entered = blocked[:, 1:] & ~blocked[:, :-1]
    edge = over_m * (2 * length_m / (wavelength_m * before_m * after_m)).sqrt()
    none = ~blocked.any(-1, keepdim=True)
    first, last = blocked.int().argmax(-1, keepdim=True), count - 1 - blocked.flip(-1).int().argmax(-1, keepdim=True)
    parts = over_m.tensor_split(_PARTS, -1)
    return {
        "blocked_m": blocked.float().mean(-1) * length_m[:, 0],
        "obstacles": entered.sum(-1).float(),
        "edge": edge.amax(-1).clamp_min(_LEAST_EDGE),
        "first_m": before_m.gather(1, first).where(~none, length_m)[:, 0],
        "last_m": after_m.gather(1, last).where(~none, length_m)[:, 0],
        "highest_m": torch.stack([part.amax(-1) for part in parts], -1).clamp_min(_LOWEST_M),
    }
