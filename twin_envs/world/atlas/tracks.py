"""Which paths of neighbouring grid points are the same. Offline: an atlas holds the answer.

A path that is there at two neighbouring points has the same mirrors, or the same last scatterer, so each point's image
moves to where the other's is. Paths that are the same from neighbour to neighbour are a track.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array
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
    """The track of each path, int32 [K], from what `pack_paths` has packed of all APs, `count` [A, C] included.

    At a grid point no two paths are of one track.
    """
    table, _ = unpack_paths(tensors, "cpu")
    count = tensors["count"].long().flatten()
    start = torch.cumsum(count, 0) - count
    link = torch.repeat_interleave(torch.arange(len(count)), count).numpy()
    unused = len(table)
    paths = columns_of(torch.nn.functional.pad(table, (0, 0, 0, 1)))
    place = torch.arange(max(int(count.max()), 1))
    tolerance_m = _LENGTH_WAVELENGTHS * SPEED_OF_LIGHT / geometry.carrier_hz
    corner = Triangles(geometry.cell_of, geometry.origin_m, geometry.grid_m).corner
    edge = torch.cat([corner[:, [0, 1]], corner[:, [1, 2]], corner[:, [0, 2]]])
    edge = torch.unique(edge[(edge >= 0).all(-1) & (edge[:, 0] != edge[:, 1])], dim=0)
    same = []
    for ap in range(len(geometry.ap_position_m)):
        ends = edge + ap * len(geometry.point_m)
        for some in ends[(count[ends] > 0).all(-1)].split(_CHUNK):
            step_m = geometry.point_m[some[:, 1] % len(geometry.point_m)]
            step_m = step_m - geometry.point_m[some[:, 0] % len(geometry.point_m)]
            index = torch.where(place < count[some][..., None], start[some][..., None] + place, unused)
            here, there = (columns_of(torch.nn.functional.pad(table, (0, 0, 0, 1))[i]) for i in index.unbind(1))
            from_here, from_there = here.image_at(step_m[:, None]), there.image_at(-step_m[:, None])
            apart_m = torch.maximum(
                torch.cdist(from_here, there.image_m), torch.cdist(here.image_m, from_there)
            )
            longer_m = torch.maximum(_differ(from_here, there.image_m), _differ(here.image_m, from_there))
            alike = (here.source_m > 0)[:, :, None] == (there.source_m > 0)[:, None]
            alike &= here.line_of_sight[:, :, None] == there.line_of_sight[:, None]
            alike &= (index[:, 0] < unused)[:, :, None] & (index[:, 1] < unused)[:, None]
            alike &= (apart_m < _APART_M) & (longer_m < tolerance_m)
            apart_m = torch.where(alike, apart_m, torch.inf)
            nearest_m, nearest = apart_m.min(2)
            mutual = nearest_m.isfinite() & (apart_m.argmin(1).gather(1, nearest) == place)
            same.append(torch.stack([index[:, 0][mutual], index[:, 1].gather(1, nearest)[mutual]]))
    return torch.from_numpy(_components(torch.cat(same, 1).numpy() if same else np.zeros((2, 0), int), link))


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
