"""The atlas of one world: traced paths at grid points, and from them the channel at any position.

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

from twin_envs.base.constant import Constant
from twin_envs.base.errors import SiteError
from twin_envs.base.units import SPEED_OF_LIGHT, phasor, squared_magnitude
from twin_envs.world.atlas.traced_paths import TracedPaths

_CHUNK = 1024
"""Links computed at once: what they need stays in a processor's cache."""

LINE_OF_SIGHT, MIRRORED, SCATTERED = 1, 2, 4
"""Bits of a path's kind: no interaction; odd number of reflections; not a mirror image."""
_COLUMNS = (3, 9, 3, 3, 2, 1, 1)
"""Numbers of a path in an atlas: image, turn, departure, arrival, gain, source, line of sight."""


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


def _rotation_to_quaternion(rotation: np.ndarray) -> np.ndarray:
    """Proper rotations [..., 3, 3] as int16 quaternions [..., 4] (x, y, z, w)."""
    from scipy.spatial.transform import Rotation

    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat()
    return np.round(flat * 32767).astype(np.int16).reshape(*rotation.shape[:-2], 4)


def _quaternion_to_rotation(code: torch.Tensor) -> torch.Tensor:
    x, y, z, w = torch.nn.functional.normalize(code.to(torch.float32), dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def pack_paths(paths: TracedPaths) -> dict[str, np.ndarray]:
    """The paths of N links of one AP in 21 to 23 bytes each, unused places left out.

    Returns:
        `count` uint8 [N], and for each used path, link after link: `gain_cdb` int16 (hundredths of a decibel),
        `phase` int16 (2 pi / 65536), `length_m` float32, `departure` int16 [2], `turn` int16 [4], `kind` uint8;
        and of the scattered ones alone `source_m` float16.
    """
    used = np.abs(paths.gain) > 1e-15
    gain, turn = paths.gain[used], paths.turn[used]
    source_m = paths.source_m[used].astype(np.float16)
    mirrored = np.linalg.det(turn) < 0
    return {
        "count": used.sum(-1).astype(np.uint8),
        "gain_cdb": np.round(2000 * np.log10(np.abs(gain))).astype(np.int16),
        "phase": np.round(np.angle(gain) * 32768 / np.pi).astype(np.int32).astype(np.int16),
        "length_m": paths.length_m[used].astype(np.float32),
        "departure": _direction_to_octahedron(paths.departure[used]),
        "turn": _rotation_to_quaternion(np.where(mirrored, -1.0, 1.0)[:, None, None] * turn),
        "source_m": source_m[source_m > 0],
        "kind": (LINE_OF_SIGHT * paths.line_of_sight[used] + MIRRORED * mirrored + SCATTERED * (source_m > 0)).astype(
            np.uint8
        ),
    }


@dataclass(frozen=True, kw_only=True)
class Geometry(Constant):
    """What all worlds of a site share.

    Attributes:
        carrier_hz: centre of the carrier.
        ap_position_m: float32 [A, 3].
        cell_of: index of the grid point of each raster cell, int64 [ny, nx], -1 where there is none.
        point_m: grid points, float32 [C, 3].
        origin_m: centre of raster cell (0, 0), (x, y).
        grid_m: spacing.
    """

    carrier_hz: float
    ap_position_m: torch.Tensor
    cell_of: torch.Tensor
    point_m: torch.Tensor
    origin_m: tuple[float, float]
    grid_m: float

    def to(self, device: torch.device | str) -> Geometry:
        """The same on another device."""
        tensors = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return type(self)(**{**vars(self), **tensors})

    def cell(self, position_m: torch.Tensor) -> torch.Tensor:
        """Index of the nearest grid point [...] of positions [..., 2 or 3]; -1 off the grid."""
        ny, nx = self.cell_of.shape
        column = torch.round((position_m[..., 0] - self.origin_m[0]) / self.grid_m).long()
        row = torch.round((position_m[..., 1] - self.origin_m[1]) / self.grid_m).long()
        inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        return torch.where(inside, self.cell_of[row.clamp(0, ny - 1), column.clamp(0, nx - 1)], -1)


@dataclass(frozen=True, kw_only=True)
class LocalPaths:
    """The paths of N links at their UEs' exact positions; P places, unused ones with zero gain.

    Attributes:
        gain: complex64 [N, P], without the carrier's phase.
        image_m: the UE's mirror images relative to the AP, float32 [N, P, 3]; the AP sends towards them.
        arrival: directions of propagation at the UE, float32 [N, P, 3].
        line_of_sight: bool [N].
        ap: int64 [N].
    """

    gain: torch.Tensor
    image_m: torch.Tensor
    arrival: torch.Tensor
    line_of_sight: torch.Tensor
    ap: torch.Tensor

    @property
    def power(self) -> torch.Tensor:
        """Power gain of each path, float32 [N, P]."""
        return squared_magnitude(self.gain)

    @property
    def length_m(self) -> torch.Tensor:
        """Length of each path, float32 [N, P]."""
        return self.image_m.norm(dim=-1)

    @property
    def first_m(self) -> torch.Tensor:
        """Length of the shortest path, float32 [N]; 0 where there is no path."""
        first = torch.where(self.gain != 0, self.length_m, torch.inf).amin(-1)
        return torch.where(first.isfinite(), first, 0.0)


@dataclass(frozen=True, kw_only=True)
class PackedPaths:
    """The K paths of a world at its grid points, link after link.

    Attributes:
        link: int64 [K], AP * grid points + grid point.
        power: power gain, float32 [K].
        length_m: float32 [K].
        departure, arrival: directions of propagation at the AP and at the UE, float32 [K, 3].
        line_of_sight: bool [K].
    """

    link: torch.Tensor
    power: torch.Tensor
    length_m: torch.Tensor
    departure: torch.Tensor
    arrival: torch.Tensor
    line_of_sight: torch.Tensor


class Atlas(Constant):
    """The traced paths of one world, on a device.

    Args:
        geometry: what all worlds of the site share.
        tensors: as `pack_paths` makes them, for all APs one after the other: `count` [A, C] and the paths; and
            `antenna_m`, antenna positions relative to each AP, float32 [A, antennas, 3], antenna = row * columns +
            column.

    Raises:
        SiteError: the tensors do not belong together.
    """

    def __init__(
        self, geometry: Geometry, tensors: dict[str, torch.Tensor], device: torch.device | str = "cpu"
    ) -> None:
        self.geometry = geometry.to(device)
        self.device = torch.device(device)
        aps, cells = len(geometry.ap_position_m), len(geometry.point_m)
        count = tensors["count"].to(device).long()
        if count.shape != (aps, cells) or int(count.sum()) != len(tensors["kind"]):
            raise SiteError(f"the atlas holds {tuple(count.shape)} links, the site has {(aps, cells)}")
        self.antenna_m = tensors["antenna_m"].to(device)
        self.count = count.flatten()
        self.start = torch.cumsum(self.count, 0) - self.count
        self.places = max(int(self.count.max()), 1)
        gain_db = tensors["gain_cdb"].to(device, torch.float32) / 100
        phase = tensors["phase"].to(device, torch.float32) * (math.pi / 32768)
        kind = tensors["kind"].to(device)
        departure = _octahedron_to_direction(tensors["departure"].to(device))
        turn = _quaternion_to_rotation(tensors["turn"].to(device))
        turn = torch.where((kind & MIRRORED).bool()[:, None, None], -turn, turn)
        source_m = torch.zeros(len(kind), device=device)
        source_m[(kind & SCATTERED) > 0] = tensors["source_m"].to(device, torch.float32)
        columns = (
            departure * tensors["length_m"].to(device)[:, None],
            turn.flatten(1),
            departure,
            torch.einsum("pij,pi->pj", turn, departure),
            torch.view_as_real(torch.polar(10 ** (gain_db / 20), phase)),
            source_m[:, None],
            ((kind & LINE_OF_SIGHT) > 0).float()[:, None],
        )
        # A path is a row, so that all that is known of it is found at once. The last row is an unused path, so that
        # every index is valid.
        self._table = torch.nn.functional.pad(torch.cat(columns, -1), (0, 0, 0, 1))
        self._table[-1, 2] = 1.0
        paths = self.packed_paths()
        self.gain = self.per_link(paths.power).view(aps, cells)
        """Power gain of every link, float32 [A, C]."""
        self.line_of_sight = (self.per_link(paths.line_of_sight.float()) > 0).view(aps, cells)
        """Which links have line of sight, bool [A, C]."""

    def packed_paths(self) -> PackedPaths:
        """All paths of the world at its grid points."""
        link = torch.repeat_interleave(torch.arange(len(self.count), device=self.device), self.count)
        image, _, departure, arrival, gain, _, line_of_sight = self._table[:-1].split(_COLUMNS, -1)
        return PackedPaths(
            link=link,
            power=gain.square().sum(-1),
            length_m=image.norm(dim=-1),
            departure=departure,
            arrival=arrival,
            line_of_sight=line_of_sight[:, 0] > 0,
        )

    def per_link(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of `values`, one for each path in the order of `packed_paths`, over the paths of each link [A * C]."""
        # Not by differences of a running sum: on a GPU that need not be monotone, and a sum of zeros would not be zero.
        return torch.segment_reduce(values.double(), "sum", lengths=self.count, initial=0.0).float()

    def paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> LocalPaths:
        """Paths from access points `ap` [N] to UEs at `position_m` [N, 3]; none where the UE is off the grid."""
        geometry = self.geometry
        cell = geometry.cell(position_m)
        on_grid = cell >= 0
        cell = cell.clamp_min(0)
        link = ap * len(geometry.point_m) + cell
        place = torch.arange(self.places, device=self.device)
        used = (place < self.count[link][:, None]) & on_grid[:, None]
        index = torch.where(used, self.start[link][:, None] + place, len(self._table) - 1)
        found = self._table.index_select(0, index.flatten()).unflatten(0, index.shape)
        image, turn, departure, arrival, gain, source, line_of_sight = found.split(_COLUMNS, -1)
        moved = (position_m - geometry.point_m[cell])[:, None]
        # |r k + d| - r without cancellation.
        ahead = (arrival * moved).sum(-1, keepdim=True)
        square = moved.square().sum(-1, keepdim=True)
        longer = (2 * source * ahead + square) / (
            (source.square() + 2 * source * ahead + square).sqrt() + source + 1e-9
        )
        mirrored = (turn.unflatten(-1, (3, 3)) @ moved[..., None]).squeeze(-1)
        return LocalPaths(
            gain=torch.view_as_complex(gain),
            image_m=image + torch.where(source > 0, departure * longer, mirrored),
            arrival=arrival,
            line_of_sight=(line_of_sight > 0).any(1)[:, 0],
            ap=ap,
        )

    def channel(
        self, paths: LocalPaths, offset_hz: torch.Tensor, reference_m: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The channel of N links, exact in phase at every antenna.

        Args:
            paths: as `paths` gives them.
            offset_hz: baseband frequencies [F].
            reference_m: length [N] to which the UE is synchronised, taken off every delay (not off the carrier's
                phase); None keeps absolute delays.

        Returns:
            complex64 [N, F, antennas]: sum over paths of gain x exp(-2 pi i (carrier x (distance to the antenna)
            + offset x (distance to the array's centre - reference)) / c). The delay differs over the array by a
            hundredth of a sample, the carrier's phase by radians; so only the latter is taken antenna by antenna.
        """
        waves, steering = self.waves(paths, offset_hz, reference_m)
        return waves @ steering

    def links(self, position_m: torch.Tensor, offset_hz: torch.Tensor) -> torch.Tensor:
        """Channels from every AP to K UEs.

        Args:
            position_m: float32 [K, 3].
            offset_hz: baseband frequencies [F].

        Returns:
            complex64 [K, A, F, antennas]; zero where there is no path.
        """
        aps, antennas = self.antenna_m.shape[:2]
        cell = self.geometry.cell(position_m)
        count = self.count.view(aps, -1)[:, cell.clamp_min(0)].mT  # most links are blocked, and nothing to compute
        ue, ap = ((count > 0) & (cell >= 0)[:, None]).nonzero(as_tuple=True)
        h = torch.zeros(len(position_m), aps, len(offset_hz), antennas, dtype=torch.complex64, device=self.device)
        for some, its_ap in zip(ue.split(_CHUNK), ap.split(_CHUNK), strict=True):
            h[some, its_ap] = self.channel(self.paths(position_m[some], its_ap), offset_hz)
        return h

    def waves(
        self, paths: LocalPaths, offset_hz: torch.Tensor, reference_m: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors of `channel`: what each path brings at each frequency, complex64 [N, F, P], and its phase at each
        antenna, complex64 [N, P, antennas]."""
        antenna = self.antenna_m[paths.ap]  # [N, A, 3]
        length, image = paths.length_m, paths.image_m
        cycles = self.geometry.carrier_hz / SPEED_OF_LIGHT
        # The carrier's phase is reduced to a fraction of a cycle in double precision: there are 10,000 cycles.
        carrier_rad = torch.remainder(length.double() * cycles, 1.0).float().mul_(-2 * math.pi)[..., None]
        # |image - antenna| - |image| without cancellation.
        shift = torch.baddbmm(antenna.square().sum(-1)[:, None, :], image, antenna.transpose(1, 2), alpha=-2)
        both = torch.add(shift, length.square()[..., None]).clamp_min_(0).sqrt_().add_(length[..., None])
        steering = phasor(torch.addcdiv(carrier_rad, shift, both, value=-2 * math.pi * cycles))
        delay = length if reference_m is None else length - reference_m[:, None]
        rotation = phasor((-2 * math.pi / SPEED_OF_LIGHT) * delay[:, None, :] * offset_hz[:, None])
        return rotation * paths.gain[:, None, :], steering
