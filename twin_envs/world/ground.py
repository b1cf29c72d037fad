"""The ground of a site, and how high UEs are above it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground(Constant):
    """Ground on a raster of 1 m, linear between its points along each axis, level beyond its edges.

    Attributes:
        height_m: of the ground, float32 [ny, nx]; None for level ground at a height of 0.
        origin_m: point (0, 0) of the raster, (x, y).
        ue_height_m: height of every UE above the ground; 1.5 m by TR 38.901, table 7.2-1.
    """

    height_m: torch.Tensor | None = None
    origin_m: tuple[float, float] = (0.0, 0.0)
    ue_height_m: float = 1.5

    def to(self, device: torch.device | str) -> Ground:
        """The same on another device."""
        height_m = None if self.height_m is None else self.height_m.to(device)
        return Ground(height_m=height_m, origin_m=self.origin_m, ue_height_m=self.ue_height_m)

    def place(self, position_m: torch.Tensor) -> torch.Tensor:
        """Where UEs at `position_m` [..., 2] are in space, [..., 3]."""
        if self.height_m is None:
            return torch.nn.functional.pad(position_m, (0, 1), value=self.ue_height_m)
        south, north, _, share = _round(self.height_m, self.origin_m, position_m)
        low_m, high_m = (torch.lerp(*side, share[..., 0]) for side in (south, north))
        height_m = torch.lerp(low_m, high_m, share[..., 1]) + self.ue_height_m
        return torch.cat([position_m, height_m[..., None].to(position_m.dtype)], -1)

    def velocity(self, position_m: torch.Tensor, velocity_m_s: torch.Tensor) -> torch.Tensor:
        """The velocity [..., 3] of UEs at `position_m` that move along the ground at `velocity_m_s`, both [..., 2]."""
        if self.height_m is None:
            return torch.nn.functional.pad(velocity_m_s, (0, 1))
        south, north, inside, share = _round(self.height_m, self.origin_m, position_m)
        along_x = torch.lerp(south[1] - south[0], north[1] - north[0], share[..., 1])
        along_y = torch.lerp(north[0] - south[0], north[1] - south[1], share[..., 0])
        slope = torch.stack([along_x, along_y], -1) * inside
        climb_m_s = (slope * velocity_m_s).sum(-1, keepdim=True)
        return torch.cat([velocity_m_s, climb_m_s.to(velocity_m_s.dtype)], -1)


def _round(
    height_m: torch.Tensor, origin_m: tuple[float, float], position_m: torch.Tensor
) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Of positions the heights to the south (west, east) and to the north, whether inside, and shares, both [..., 2].

    A share is that of the eastern or northern point. All float64.
    """
    ny, nx = height_m.shape
    last = torch.tensor([nx - 1, ny - 1], dtype=torch.float64, device=position_m.device)
    at = position_m.double() - torch.tensor(origin_m, dtype=torch.float64, device=position_m.device)
    inside = (at >= 0) & (at <= last)
    at = torch.minimum(at.clamp_min(0), last)
    first = torch.minimum(at.floor(), last - 1)
    column, row = first.long().unbind(-1)
    south, north = ((height_m[side, column].double(), height_m[side, column + 1].double()) for side in (row, row + 1))
    return south, north, inside, at - first
