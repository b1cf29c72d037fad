"""The paths of grid points in few bytes, and their mirror images near them.

Every specular path is a mirror image. With the AP at b, departure direction u and length L, the image of the UE at its
grid point is q = b + L u. When the UE is at d from the grid point, the image is at q + M d, where M is the product of
the path's reflections. Distances from every antenna to the image give the exact phase there, so near field, delay,
angle and Doppler need no further formula. A path that is scattered or diffracted on its way keeps its departure
direction; its wavefront comes from that point, at the distance r before the UE, along the arrival direction k (seen
through later reflections). So its length becomes L - r + |r k + d|.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from twin_envs.world.atlas.traced_paths import TracedPaths

LINE_OF_SIGHT, MIRRORED, SCATTERED = 1, 2, 4
"""Bits of a path's kind: no interaction; odd number of reflections; not a mirror image."""
LARGEST = 8
"""From this bit on, which component of the turn's quaternion is the largest."""
_OTHERS = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))
_UNITS = 32767 * math.sqrt(2)
"""Components that are not the largest are at most sqrt(1/2)."""
COLUMNS = (3, 9, 3, 3, 1, 1)
"""Numbers of a path in a table: image, turn, departure, arrival, source, line of sight."""


def _direction_to_octahedron(direction: np.ndarray) -> np.ndarray:
    """Unit vectors [..., 3] as int16 [..., 2] (octahedral map, off by at most 6.5e-5 rad)."""
    plane = direction / np.maximum(np.abs(direction).sum(-1, keepdims=True), 1e-12)
    sign = np.where(plane[..., :2] >= 0, 1.0, -1.0)
    folded = (1 - np.abs(plane[..., 1::-1])) * sign
    return np.round(np.where(plane[..., 2:] < 0, folded, plane[..., :2]) * 32767).astype(np.int16)


def _octahedron_to_direction(code: torch.Tensor) -> torch.Tensor:
    plane = code.to(torch.float32) / 32767
    height = 1 - plane.abs().sum(-1, keepdim=True)
    sign = torch.where(plane >= 0, 1.0, -1.0)
    folded = (1 - plane.flip(-1).abs()) * sign
    vector = torch.cat([torch.where(height < 0, folded, plane), height], -1)
    return torch.nn.functional.normalize(vector, dim=-1)


def _rotation_to_quaternion(rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Proper rotations [..., 3, 3] as quaternions (x, y, z, w) without their largest component.

    Returns:
        The other three, int16 [..., 3], and which one is left out, uint8 [...].
    """
    from scipy.spatial.transform import Rotation

    quaternion = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat()
    largest = np.abs(quaternion).argmax(-1)
    quaternion *= np.sign(np.take_along_axis(quaternion, largest[:, None], -1))
    others = np.take_along_axis(quaternion, np.array(_OTHERS)[largest], -1)
    shape = rotation.shape[:-2]
    return np.round(others * _UNITS).astype(np.int16).reshape(*shape, 3), largest.astype(np.uint8).reshape(shape)


def _quaternion_to_rotation(code: torch.Tensor, largest: torch.Tensor, rotation: torch.Tensor) -> None:
    """Writes what `_rotation_to_quaternion` made of K rotations into `rotation` [K, 3, 3]."""
    others = code.to(torch.float32) / _UNITS
    quaternion = torch.zeros(len(code), 4, device=code.device)
    quaternion.scatter_(-1, torch.tensor(_OTHERS, device=code.device)[largest], others)
    quaternion.scatter_(-1, largest[:, None], (1 - others.square().sum(-1, keepdim=True)).clamp_min(0).sqrt())
    x, y, z, w = quaternion.T.contiguous()
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            rotation[:, i, j] = value


def pack_paths(paths: TracedPaths) -> dict[str, np.ndarray]:
    """The paths of N links of one AP in 19 to 21 bytes each, unused places left out.

    Returns:
        `count` uint8 [N], and for each used path, link after link: `gain_cdb` int16 (hundredths of a decibel),
        `phase` int16 (2 pi / 65536), `length_m` float32, `departure` int16 [2], `turn` int16 [3], `kind` uint8;
        and of the scattered ones alone `source_m` float16.
    """
    used = np.abs(paths.gain) > 1e-15
    gain, turn = paths.gain[used], paths.turn[used]
    source_m = paths.source_m[used].astype(np.float16)
    mirrored = np.linalg.det(turn) < 0
    turn, largest = _rotation_to_quaternion(np.where(mirrored, -1.0, 1.0)[:, None, None] * turn)
    kind = LINE_OF_SIGHT * paths.line_of_sight[used] + MIRRORED * mirrored + SCATTERED * (source_m > 0)
    return {
        "count": used.sum(-1).astype(np.uint8),
        "gain_cdb": np.round(2000 * np.log10(np.abs(gain))).astype(np.int16),
        "phase": np.round(np.angle(gain) * 32768 / np.pi).astype(np.int32).astype(np.int16),
        "length_m": paths.length_m[used].astype(np.float32),
        "departure": _direction_to_octahedron(paths.departure[used]),
        "turn": turn,
        "source_m": source_m[source_m > 0],
        "kind": (kind + LARGEST * largest).astype(np.uint8),
    }


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Paths at their grid points, of any shape [...].

    Attributes:
        image_m: the UE's mirror images relative to the AP, float32 [..., 3].
        turn: product of the path's reflections, float32 [..., 3, 3].
        departure, arrival: directions of propagation at the AP and at the UE, float32 [..., 3].
        source_m: distance from the last scatterer to the UE, 0 for a specular path, float32 [...].
        line_of_sight: float32 [...], 1 or 0.
    """

    image_m: torch.Tensor
    turn: torch.Tensor
    departure: torch.Tensor
    arrival: torch.Tensor
    source_m: torch.Tensor
    line_of_sight: torch.Tensor

    def image_at(self, moved_m: torch.Tensor) -> torch.Tensor:
        """Images when the UE is at `moved_m` [..., 3] from the grid point, float32 [..., 3]."""
        source = self.source_m[..., None]
        # |r k + d| - r without cancellation.
        ahead = (self.arrival * moved_m).sum(-1, keepdim=True)
        square = moved_m.square().sum(-1, keepdim=True)
        longer = (2 * source * ahead + square) / (
            (source.square() + 2 * source * ahead + square).sqrt() + source + 1e-9
        )
        x, y, z = moved_m[..., None].unbind(-2)
        turned = (self.turn[..., 0] * x).addcmul_(self.turn[..., 1], y).addcmul_(self.turn[..., 2], z)
        return self.image_m + torch.where(source > 0, self.departure * longer, turned)


def paths_of(tensors: dict[str, torch.Tensor], own: slice, scattered: int) -> dict[str, torch.Tensor]:
    """Of what `pack_paths` has packed the paths of a slice, for `unpack_paths`; so many before it are `scattered`."""
    by_path = ("gain_cdb", "phase", "length_m", "departure", "turn", "kind")
    paths = {name: tensors[name][own] for name in by_path}
    end = scattered + int(((paths["kind"] & SCATTERED) > 0).sum())
    return {**paths, "source_m": tensors["source_m"][scattered:end]}


def unpack_paths(tensors: dict[str, torch.Tensor], device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
    """What `pack_paths` has packed: a path is a row, so that all that is known of it is found at once.

    Returns:
        A table of `COLUMNS` numbers for each path, float32 [K + 1, ...], for `columns_of`; and gains without the
        carrier's phase, complex64 [K + 1]. The last row is an unused path, so that every index is valid.
    """
    kind = tensors["kind"].to(device)
    table = torch.zeros(len(kind) + 1, sum(COLUMNS), device=device)
    table[-1, 2] = 1.0
    paths = columns_of(table[:-1])
    departure = _octahedron_to_direction(tensors["departure"].to(device))
    paths.departure.copy_(departure)
    torch.mul(departure, tensors["length_m"].to(device)[:, None], out=paths.image_m)
    _quaternion_to_rotation(tensors["turn"].to(device), (kind // LARGEST).long(), paths.turn)
    paths.turn.mul_(1.0 - 2.0 * ((kind & MIRRORED) > 0)[:, None, None])
    paths.arrival.copy_((paths.turn * departure[..., None]).sum(-2))
    paths.source_m[(kind & SCATTERED) > 0] = tensors["source_m"].to(device, torch.float32)
    paths.line_of_sight.copy_((kind & LINE_OF_SIGHT) > 0)
    gain = torch.zeros(len(table), dtype=torch.complex64, device=device)
    gain_db = tensors["gain_cdb"].to(device, torch.float32) / 100
    torch.polar(10 ** (gain_db / 20), tensors["phase"].to(device, torch.float32) * (math.pi / 32768), out=gain[:-1])
    return table, gain


def columns_of(table: torch.Tensor) -> Paths:
    """The paths that rows [..., columns] of a table are."""
    image, turn, departure, arrival, source, line_of_sight = table.split(COLUMNS, -1)
    return Paths(
        image_m=image,
        turn=turn.unflatten(-1, (3, 3)),
        departure=departure,
        arrival=arrival,
        source_m=source[..., 0],
        line_of_sight=line_of_sight[..., 0],
    )
