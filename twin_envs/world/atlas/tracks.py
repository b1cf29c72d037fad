"""Which paths of neighbouring grid points are the same. Offline: an atlas holds the answer.

A path that is there at two neighbouring points has the same mirrors, or the same last scatterer, so each point's image
moves to where the other's is. Paths that are the same from neighbour to neighbour are a track. As only paths at the
corners of a triangle are ever compared, a few numbers are enough to tell all tracks apart.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import columns_of, unpack_paths
from twin_envs.world.atlas.triangles import Triangles

_LENGTH_WAVELENGTHS = 0.05
"""Two images belong to one path if at both points their distances from the AP differ by less. What packing leaves of a
path's direction makes a hundredth of a wavelength at 28 GHz; different paths differ by many."""
_APART_M = 0.5
"""And if they are less than so far apart. The point where an edge diffracts moves along the edge with the UE."""
_CHUNK = 2048


def track_paths(geometry: Geometry, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """The track of each path, a whole number [K], from what `pack_paths` makes of all APs, `count` [A, C] included.

    Of an AP's paths at the corners of a triangle of grid points, those with the same number are of one track. No two at
    one grid point are.
    """
    count, cells = tensors["count"].numpy().astype(np.int64).ravel(), len(geometry.point_m)
    start = np.cumsum(count) - count
    link = np.repeat(np.arange(len(count)), count)
    corner = Triangles(geometry.cell_of, geometry.origin_m, geometry.grid_m).corner
    track = _components(_same_paths(geometry, tensors, corner), link)
    number = np.zeros(len(track), np.int64)
    for ap in range(len(geometry.ap_position_m)):
        own = slice(*np.searchsorted(link, [ap * cells, (ap + 1) * cells]))
        tracks, row = np.unique(track[own], return_inverse=True)
        comes, to = [], []
        for at in corner.numpy().T:
            of = at[at >= 0] + ap * cells
            path = np.repeat(start[of] - np.cumsum(count[of]) + count[of], count[of]) + np.arange(count[of].sum())
            comes.append(row[path - own.start])
            to.append(np.repeat(np.flatnonzero(at >= 0), count[of]))
        number[own] = _numbers(np.concatenate(comes), np.concatenate(to), len(tracks), len(corner))[row]
    return torch.from_numpy(number.astype(np.min_scalar_type(int(number.max(initial=0)))))


def _same_paths(geometry: Geometry, tensors: dict[str, torch.Tensor], corner: torch.Tensor) -> np.ndarray:
    """Pairs of paths [2, pairs] of neighbouring points, joined by an edge of a triangle, that are the same."""
    count = tensors["count"].long().flatten()
    start = torch.cumsum(count, 0) - count
    place = torch.arange(max(int(count.max()), 1))
    table, _ = unpack_paths(tensors, "cpu")
    unused = len(table) - 1
    tolerance_m = _LENGTH_WAVELENGTHS * SPEED_OF_LIGHT / geometry.carrier_hz
    edge = torch.cat([corner[:, [0, 1]], corner[:, [1, 2]], corner[:, [0, 2]]])
    edge = torch.unique(edge[(edge >= 0).all(-1) & (edge[:, 0] != edge[:, 1])], dim=0)
    same = [torch.zeros(2, 0, dtype=torch.int64)]
    for ap in range(len(geometry.ap_position_m)):
        reached = edge[(count[edge + ap * len(geometry.point_m)] > 0).all(-1)]
        for some in reached.split(_CHUNK):
            step_m = (geometry.point_m[some[:, 1]] - geometry.point_m[some[:, 0]])[:, None]
            link = (some + ap * len(geometry.point_m))[..., None]
            index = torch.where(place < count[link], start[link] + place, unused)
            here, there = (columns_of(table[i]) for i in index.unbind(1))
            from_here, from_there = here.image_at(step_m), there.image_at(-step_m)
            apart_m = torch.maximum(torch.cdist(from_here, there.image_m), torch.cdist(here.image_m, from_there))
            longer_m = torch.maximum(_differ(from_here, there.image_m), _differ(here.image_m, from_there))
            alike = (here.source_m > 0)[:, :, None] == (there.source_m > 0)[:, None]
            alike &= here.line_of_sight[:, :, None] == there.line_of_sight[:, None]
            alike &= (index[:, 0] < unused)[:, :, None] & (index[:, 1] < unused)[:, None]
            alike &= (apart_m < _APART_M) & (longer_m < tolerance_m)
            apart_m = torch.where(alike, apart_m, torch.inf)
            nearest_m, nearest = apart_m.min(2)
            mutual = nearest_m.isfinite() & (apart_m.argmin(1).gather(1, nearest) == place)
            same.append(torch.stack([index[:, 0][mutual], index[:, 1].gather(1, nearest)[mutual]]))
    return torch.cat(same, 1).numpy()


def _numbers(track: np.ndarray, triangle: np.ndarray, tracks: int, triangles: int) -> np.ndarray:
    """A number for each track [tracks], the smallest that no earlier one has that it meets in a triangle.

    Args:
        track, triangle: which tracks [pairs] come to which triangles [pairs].
        tracks, triangles: how many there are.
    """
    comes = csr_array((np.ones(len(track), np.int32), (track, triangle)), shape=(tracks, triangles))
    meets = csr_array(comes @ comes.T)
    number = np.full(tracks, -1)
    for one in np.argsort(-np.diff(meets.indptr), kind="stable"):
        taken = np.unique(number[meets.indices[meets.indptr[one] : meets.indptr[one + 1]]])
        taken = taken[taken >= 0]
        free = np.flatnonzero(taken != np.arange(len(taken)))
        number[one] = free[0] if len(free) else len(taken)
    return number


def _differ(one_m: torch.Tensor, other_m: torch.Tensor) -> torch.Tensor:
    """By how much each of images [N, P, 3] is farther away than each of the others [N, P, 3], [N, P, P]."""
    return (one_m.norm(dim=-1)[:, :, None] - other_m.norm(dim=-1)[:, None]).abs()


def _components(same: np.ndarray, link: np.ndarray) -> np.ndarray:
    """Tracks int32 [K] of paths of `link` [K] of which the pairs `same` [2, pairs] are the same.

    Where two of a link come into one by way of others, the first of each link, its strongest, makes one track, the
    second another, and so on.
    """
    size = len(link)
    graph = coo_array((np.ones(same.shape[1], bool), same), shape=(size, size))
    count, label = connected_components(graph, directed=False)
    key = link * np.int64(count) + label
    order = np.argsort(key, kind="stable")
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    rank = np.empty(size, np.int64)
    rank[order] = np.arange(size) - np.repeat(begins, np.diff(begins, append=size))
    return np.unique(label + np.int64(count) * rank, return_inverse=True)[1].astype(np.int32)
