"""What is kept of traced paths: the strongest, less what the way takes, as mirror images (see `TracedPaths`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.building.clutter import foliage_loss_db
from twin_envs.world.recipe import WorldRecipe


def continued(paths: TracedPaths, shift_m: np.ndarray) -> TracedPaths:
    """The paths of N links continued from where they were traced to `shift_m` [N, 3] beside: the same waves there.

    Mirror images move with the UE, mirrored as often; from a scatterer the wave goes on as a sphere. Gains stay.
    """
    moved = np.broadcast_to(shift_m[:, None], paths.departure.shape)
    specular = (paths.source_m == 0)[..., None]
    image_m = paths.length_m[..., None] * paths.departure + (paths.turn @ moved[..., None])[..., 0]
    scattered_m = paths.source_m[..., None] * paths.arrival + moved
    image_length_m, source_m = np.linalg.norm(image_m, axis=-1), np.linalg.norm(scattered_m, axis=-1)
    departure = np.where(specular, image_m / np.maximum(image_length_m, 1e-9)[..., None], paths.departure)
    mirrored_back = (paths.turn.swapaxes(-1, -2) @ departure[..., None])[..., 0]
    arrival = np.where(specular, mirrored_back, scattered_m / np.maximum(source_m, 1e-9)[..., None])
    return replace(
        paths,
        length_m=np.where(specular[..., 0], image_length_m, paths.length_m - paths.source_m + source_m),
        departure=departure,
        arrival=arrival,
        turn=np.where(specular[..., None], paths.turn, paths.turn @ _rotation(arrival, paths.arrival)),
        source_m=np.where(specular[..., 0], 0.0, source_m),
    )


def _rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The shortest rotations that take unit vectors `start` to `end`, not opposite, [..., 3]: [..., 3, 3]."""
    both = start + end
    outer = both[..., :, None] * both[..., None, :] / (1 + (start * end).sum(-1))[..., None, None]
    return np.eye(3) - outer + 2 * end[..., :, None] * start[..., None, :]


def _strongest(places: int, gain: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Of each link's paths [N, K, ...] the `places` strongest, strongest first."""
    order = np.argsort(-np.abs(gain), axis=1, kind="stable")[:, :places]
    return [np.take_along_axis(x, order.reshape(order.shape + (1,) * (x.ndim - 2)), axis=1) for x in (gain, *others)]


def _through_foliage(gain: np.ndarray, corners_m: np.ndarray, crowns: np.ndarray, carrier_hz: float) -> np.ndarray:
    """`gain` [N, K] less what the crowns on the way take."""
    used = np.abs(gain) > 0
    start, end = corners_m[used][:, :-1], corners_m[used][:, 1:]
    loss_db = foliage_loss_db(start.reshape(-1, 3), end.reshape(-1, 3), crowns, carrier_hz)
    loss_db = loss_db.reshape(start.shape[:2]).sum(-1)
    gain = gain.copy()
    gain[used] *= 10 ** (-loss_db / 20)
    return gain


def describe_paths(
    gain: np.ndarray,
    interactions: np.ndarray,
    vertices_m: np.ndarray,
    *,
    ap_m: np.ndarray,
    ue_m: np.ndarray,
    crowns: np.ndarray,
    carrier_hz: float,
    world: WorldRecipe,
    floor_db: float,
    absorption_db_m: float = 0.0,
    sends: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """What the way takes, choice of the strongest paths, and their mirror images: the fields of `TracedPaths`.

    Args:
        gain: complex [N, K].
        interactions: int [N, K, D], 0 where there is none, 1 where specular (Sionna RT's InteractionType).
        vertices_m: points of interaction [N, K, D, 3].
        ap_m: position of the AP [3].
        ue_m: positions of the UEs [N, 3].
        crowns: tree crowns [T, 4].
        carrier_hz: on which their loss depends.
        world: number of paths and dynamic range to keep.
        floor_db: links with a gain below are dropped.
        absorption_db_m: what the air takes from each metre of way.
        sends: amplitude of the AP's antenna over what was traced, by directions [..., 3]; None for the same.
    """
    count, total = len(gain), (np.abs(gain) ** 2).sum(-1)
    gain, interactions, vertices_m = _strongest(4 * world.max_paths, gain, interactions, vertices_m)
    depth = (interactions != 0).sum(-1)
    # All corners of each path: the AP, its interactions, then the UE as often as needed.
    target = np.broadcast_to(ue_m[:, None, None], vertices_m.shape)
    inner = np.where((interactions != 0)[..., None], vertices_m, target)
    source = np.broadcast_to(ap_m, (*gain.shape, 1, 3))
    corners = np.concatenate([source, inner, target[:, :, :1]], axis=2)
    before = (np.abs(gain) ** 2).sum(-1)
    if len(crowns):
        gain = _through_foliage(gain, corners, crowns, carrier_hz)
    if absorption_db_m:
        way_m = np.linalg.norm(np.diff(corners, axis=2), axis=-1).sum(-1)
        gain = gain * 10 ** (-absorption_db_m * way_m / 20)
    if sends:
        step_m = corners[:, :, 1] - corners[:, :, 0]
        gain = gain * sends(step_m / np.maximum(np.linalg.norm(step_m, axis=-1, keepdims=True), 1e-9))
    if len(crowns) or absorption_db_m or sends:
        total *= (np.abs(gain) ** 2).sum(-1) / np.maximum(before, 1e-30)
    gain, depth, corners, interactions = _strongest(world.max_paths, gain, depth, corners, interactions)
    power = np.abs(gain) ** 2
    kept = (power > power[:, :1] * 10 ** (-world.dynamic_range_db / 10)) & (total > 10 ** (floor_db / 10))[:, None]
    gain = np.where(kept, gain, 0.0)
    # What is dropped is many weak paths: their power is given to the kept ones, so a link's gain stays right.
    gain *= np.sqrt(total / np.maximum((np.abs(gain) ** 2).sum(-1), 1e-30))[:, None]
    places = gain.shape[1]
    out = empty_paths(count, world.max_paths)
    for name, values in {"gain": gain, **_mirror_images(corners, interactions, depth)}.items():
        out[name][:, :places] = values
    out["line_of_sight"] &= np.abs(out["gain"]) > 0
    return out


def _mirror_images(corners_m: np.ndarray, interactions: np.ndarray, depth: np.ndarray) -> dict[str, np.ndarray]:
    """Length, directions, product of reflections and last scatterer of paths with corners [N, P, D + 2, 3]."""
    steps = np.diff(corners_m, axis=2)
    lengths = np.linalg.norm(steps, axis=-1)
    direction = steps / np.maximum(lengths, 1e-9)[..., None]
    turn = np.broadcast_to(np.eye(3), (*depth.shape, 3, 3)).copy()
    arrival = direction[:, :, 0].copy()
    source_m = np.zeros(depth.shape)
    for bounce in range(interactions.shape[-1]):
        active = bounce < depth
        normal = direction[:, :, bounce + 1] - direction[:, :, bounce]
        normal /= np.maximum(np.linalg.norm(normal, axis=-1), 1e-9)[..., None]
        mirror = np.eye(3) - 2 * normal[..., :, None] * normal[..., None, :]
        turn = np.where(active[..., None, None], turn @ mirror, turn)
        arrival = np.where(active[..., None], direction[:, :, bounce + 1], arrival)
        scattered = active & (interactions[:, :, bounce] > 1)
        source_m = np.where(scattered, lengths[:, :, bounce + 1 :].sum(-1), source_m)
    return {
        "length_m": lengths.sum(-1),
        "departure": direction[:, :, 0],
        "arrival": arrival,
        "turn": turn,
        "source_m": source_m,
        "line_of_sight": depth == 0,
    }
