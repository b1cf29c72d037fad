"""The atlas of one world: traced paths at grid points, and from them the channel at any position.

A position has three grid points round it, each with a share (`Triangles`), and a path of each moves with the UE as its
mirror image does (`packing`). Where the paths of several points are one (`tracks`), it counts once, as seen from the
nearest of them, and its gain is the mean of theirs; where a point lacks the path, its power fades with that point's
share. So every path changes smoothly along a route, comes and goes smoothly, and at a grid point what was traced there
is what there is. A link's gain is the mean of the points' gains.

A position has no more paths than a grid point has. Of a path's power only what it exceeds the strongest of those left
out counts, so that a path that leaves has faded; what is left out is given to the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import SiteError
from twin_envs.base.rows import Rows
from twin_envs.base.units import SPEED_OF_LIGHT, phasor, squared_magnitude
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import columns_of, paths_of, unpack_paths
from twin_envs.world.atlas.triangles import Triangles

_CHUNK = 1024
"""Links computed at once: what they need stays in a processor's cache."""
_LEAST = 1e-30


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
    """The K paths of an AP in a world at its grid points, link after link.

    Attributes:
        link: int64 [K], the grid point.
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


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """What all K paths of an atlas have met, AP after AP and link after link.

    Attributes:
        ap: int64 [K].
        departure: directions of propagation at the AP, float32 [K, 3].
        reflections: how often a path is reflected, as far as its mirror image tells, 0, 1 or 2, float32 [K]: an odd
            number counts as once, an even number as twice; 0 of paths that are no mirror images.
        scattered: which are none, but scattered or diffracted, bool [K].
    """

    ap: torch.Tensor
    departure: torch.Tensor
    reflections: torch.Tensor
    scattered: torch.Tensor


class Atlas(Constant):
    """The traced paths of one world, on a device.

    Args:
        geometry: what all worlds of the site share.
        tensors: as `pack_paths` makes them, for all APs one after the other: `count` [A, C] and the paths; `track`, as
            `track_paths` makes it; and `antenna_m`, antenna positions relative to each AP, float32 [A, antennas, 3],
            antenna = row * columns + column.

    Attributes:
        count, start: how many paths each link has, and which is its first, int64 [A * C], link = AP * C + grid point.
        places: the largest number of paths of a link.
        gain: power gain of every link at its grid point, float32 [A, C].
        line_of_sight: which links have line of sight, bool [A, C].

    Raises:
        SiteError: the tensors do not belong together.
    """

    def __init__(
        self, geometry: Geometry, tensors: dict[str, torch.Tensor], device: torch.device | str = "cpu"
    ) -> None:
        self.geometry = geometry.to(device)
        self.device = torch.device(device)
        aps, cells = len(geometry.ap_position_m), len(geometry.point_m)
        count, size = tensors["count"].to(device).long(), len(tensors["kind"])
        if count.shape != (aps, cells) or int(count.sum()) != size or len(tensors["track"]) != size:
            raise SiteError(f"the atlas holds {tuple(count.shape)} links, the site has {(aps, cells)}")
        self.antenna_m = tensors["antenna_m"].to(device)
        self.count = count.flatten()
        self.start = torch.cumsum(self.count, 0) - self.count
        self.places = max(int(self.count.max()), 1)
        ends = torch.cumsum(count.sum(-1), 0).tolist()
        self._slices = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self._triangles = Triangles(self.geometry.cell_of, geometry.origin_m, geometry.grid_m)
        self._fill(tensors)

    def _fill(self, tensors: dict[str, torch.Tensor]) -> None:
        """Make all tables, AP by AP.

        A path is a row of `_table`, so that all that is known of it is found at once. The last row is an unused path,
        so that every index is valid. `_same` has of each track the path at each corner of its triangle, the unused one
        where there is none, and `_blended` for each corner gain and presence there, so that those of all tracks of a
        triangle are one piece of memory. The last `_most` tracks, as many as meet in any triangle, are unused, too.
        """
        unused, most, tracks, scattered = len(tensors["kind"]), 1, 0, 0
        table, gain, met, first, same = (Rows() for _ in range(5))
        blended = [Rows() for _ in range(3)]
        power, sight = [], []
        for ap, own in enumerate(self._slices):
            packed = paths_of(tensors, own, scattered)
            columns, amplitude = unpack_paths(packed, self.device)  # the last of each is the unused path
            amplitude = torch.view_as_real(amplitude)
            table.append(columns[:-1])
            gain.append(amplitude[:-1])
            power.append(self.per_link(amplitude[:-1].square().sum(-1), ap))
            sight.append(self.per_link(columns_of(columns[:-1]).line_of_sight, ap) > 0)
            own_met, own_same = self._meet(tensors["track"][own], ap)
            met.append(own_met)
            first.append(torch.cumsum(own_met, 0) - own_met + tracks)
            same.append(torch.where(own_same < len(amplitude) - 1, own_same + own.start, unused).int())
            of_path = torch.cat([amplitude, (amplitude != 0).any(-1, keepdim=True)], -1)
            for corner, rows in enumerate(blended):
                rows.append(of_path.index_select(0, own_same[:, corner].to(self.device)))
            most, tracks, scattered = (
                max(most, int(own_met.max())),
                tracks + len(own_same),
                scattered + len(packed["source_m"]),
            )
        table.append(columns[-1:])
        gain.append(amplitude[-1:])
        same.append(torch.full((most, 3), unused, dtype=torch.int32))
        for rows in blended:
            rows.append(torch.zeros(most, 3))
        self.gain, self.line_of_sight = torch.stack(power), torch.stack(sight)
        self._table, self._gain, self._same, self._met, self._first = (
            rows.tensor(self.device) for rows in (table, gain, same, met, first)
        )
        self._blended = [rows.tensor(self.device).view(-1) for rows in blended]
        self._most = most

    def _meet(self, track: torch.Tensor, ap: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Which tracks of an AP's paths meet between the grid points of each triangle.

        Returns:
            How many there are, int64 [triangles]; and of each track the path at each corner, by its number among the
            AP's, how many these are where there is none, int64 [tracks, 3].
        """
        corner, paths, cells = self._triangles.corner.cpu().numpy(), len(track), len(self.geometry.point_m)
        link = np.maximum(corner, 0) + ap * cells
        count = np.where(corner >= 0, self.count.cpu().numpy()[link], 0).ravel()
        start = self.start.cpu().numpy()[link.ravel()] - self._slices[ap].start
        # A key for each path of each corner: triangle, track, corner, path, from the highest bits on.
        path_bits, track_bits = paths.bit_length(), int(track.max()).bit_length() if paths else 0
        at_corner = path_bits + 2
        triangle, place = np.divmod(np.arange(len(count)), 3)
        key = np.repeat((triangle << at_corner + track_bits) + (place << path_bits), count)
        path = np.arange(len(key)) + np.repeat(start - np.cumsum(count) + count, count)
        key += (np.arange(paths) + (track.cpu().numpy().astype(np.int64) << at_corner))[path]
        key.sort()
        meeting = key >> at_corner
        begins = np.diff(meeting, prepend=-1) != 0
        met = np.bincount(meeting[begins] >> track_bits, minlength=len(count) // 3)
        same = np.full((int(begins.sum()), 3), paths)
        place = (key >> path_bits) & 3
        same.ravel()[3 * (np.cumsum(begins) - 1) + place] = key & ((1 << path_bits) - 1)
        return torch.from_numpy(met), torch.from_numpy(same)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables of paths, in memory or in files."""
        tables = (self._table, self._gain, self._same, self._met, self._first, *self._blended)
        return sum(table.nbytes for table in tables)

    def packed_paths(self, ap: int) -> PackedPaths:
        """All paths of an AP at the grid points."""
        own = self._slices[ap]
        count = self.count.view(len(self._slices), -1)[ap]
        paths = columns_of(self._table[own])
        return PackedPaths(
            link=torch.repeat_interleave(torch.arange(len(count), device=self.device), count),
            power=self._gain[own].square().sum(-1),
            length_m=paths.image_m.norm(dim=-1),
            departure=paths.departure,
            arrival=paths.arrival,
            line_of_sight=paths.line_of_sight > 0,
        )

    @property
    def path_power(self) -> torch.Tensor:
        """Power gain of every path at its grid point, float32 [K]; those of link i begin with `start[i]`."""
        return self._gain[:-1].square().sum(-1)

    def interactions(self) -> Interactions:
        """What all paths have met."""
        paths = columns_of(self._table[:-1])
        scattered, direct = paths.source_m > 0, paths.line_of_sight > 0
        reflections = torch.where(torch.linalg.det(paths.turn) < 0, 1.0, 2.0)
        size = torch.tensor([own.stop - own.start for own in self._slices], device=self.device)
        return Interactions(
            ap=torch.repeat_interleave(torch.arange(len(size), device=self.device), size),
            departure=paths.departure,
            reflections=torch.where(scattered | direct, 0.0, reflections),
            scattered=scattered,
        )

    def changed(self, power: torch.Tensor, yaw_rad: torch.Tensor) -> Atlas:
        """The same paths, with other powers, from access points that are turned about the vertical.

        Args:
            power: by what the power of each path is multiplied [K], in the order of `path_power`.
            yaw_rad: by how much the array of each AP is turned, counter-clockwise [A].
        """
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._gain = self._gain * torch.nn.functional.pad(power.sqrt(), (0, 1), value=1.0)[:, None]
        of_path = torch.cat([other._gain, (other._gain != 0).any(-1, keepdim=True)], -1)
        other._blended = [of_path.index_select(0, same).view(-1) for same in self._same.unbind(-1)]
        strength = other.path_power
        other.gain = torch.stack([other.per_link(strength[own], ap) for ap, own in enumerate(self._slices)])
        cos, sin = yaw_rad.cos()[:, None], yaw_rad.sin()[:, None]
        x, y, z = self.antenna_m.unbind(-1)
        other.antenna_m = torch.stack([cos * x - sin * y, sin * x + cos * y, z], -1)
        return other

    def per_link(self, values: torch.Tensor, ap: int) -> torch.Tensor:
        """Sum of `values`, one for each of an AP's `packed_paths`, over the paths of each of its links [C]."""
        # Not by differences of a running sum: on a GPU that need not be monotone, and a sum of zeros would not be zero.
        return torch.segment_reduce(
            values.double(), "sum", lengths=self.count.view(len(self._slices), -1)[ap], initial=0.0
        ).float()

    def between(self, values: torch.Tensor, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Mean by share over the grid points round a position of what each link has there, continuous along a route.

        Args:
            values: of each link at its grid point, float32 [A, C]; for `gain`, the sum of the power of `paths`.
            position_m: [N, 3].
            ap: int64 [N].

        Returns:
            float32 [N]; zero off the grid.
        """
        triangle, share, _ = self._round(position_m)
        return (share * values[ap[:, None], self._triangles.corner[triangle].clamp_min(0)]).sum(-1)

    def _round(self, position_m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Triangle int64 [N], shares of its corners float32 [N, 3], none off the grid, and nearest grid point [N]."""
        triangle, share = self._triangles.at(position_m)
        cell = self.geometry.cell(position_m)
        return triangle, share * (cell >= 0)[:, None], cell

    def paths(self, position_m: torch.Tensor, ap: torch.Tensor) -> LocalPaths:
        """Paths from access points `ap` [N] to UEs at `position_m` [N, 3]; none where the UE is off the grid."""
        geometry, unused = self.geometry, len(self._table) - 1
        triangle, share, cell = self._round(position_m)
        group = ap * len(self._triangles.corner) + triangle
        first, met = self._first[group], self._met[group]
        one, two, three = (gains.unfold(0, 3 * self._most, 3).index_select(0, first) for gains in self._blended)
        blended = one.mul_(share[:, :1]).addcmul_(two, share[:, 1:2]).addcmul_(three, share[:, 2:])
        mean, weight = blended.view(len(group), self._most, 3).split([2, 1], -1)
        power = mean.square().sum(-1).div_(weight[..., 0].clamp_min(_LEAST))
        power.mul_(torch.arange(self._most, device=self.device) < met[:, None])
        strongest, order = power.topk(min(self.places + 1, self._most), -1)
        kept = strongest[:, : self.places] - strongest[:, self.places :].sum(-1, keepdim=True)
        order = order[:, : self.places]
        corner = self._triangles.corner[triangle].clamp_min(0)
        total = (share * self.gain[ap[:, None], corner]).sum(-1, keepdim=True)
        kept = kept * (total / kept.sum(-1, keepdim=True).clamp_min(_LEAST))
        mean = mean.gather(1, order[..., None].expand(-1, -1, 2))
        amplitude = (kept / mean.square().sum(-1).clamp_min(_LEAST)).sqrt()
        # Each as the nearest of its points sees it.
        same = self._same.index_select(0, (first[:, None] + order).flatten()).view(*order.shape, 3)
        place = torch.where(same < unused, share[:, None], -1.0).argmax(-1, keepdim=True)
        path = same.gather(-1, place)
        paths = columns_of(self._table.index_select(0, path.flatten()).unflatten(0, order.shape))
        moved = position_m[:, None] - geometry.point_m[corner.gather(1, place[..., 0])]
        return LocalPaths(
            gain=torch.view_as_complex(mean * amplitude[..., None]),
            image_m=paths.image_at(moved),
            arrival=paths.arrival,
            line_of_sight=self.line_of_sight[ap, cell.clamp_min(0)] & (cell >= 0),
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
        triangle, _ = self._triangles.at(position_m)
        met = self._met.view(aps, -1)[:, triangle].mT  # most links are blocked, and nothing to compute
        ue, ap = ((met > 0) & (self.geometry.cell(position_m) >= 0)[:, None]).nonzero(as_tuple=True)
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
