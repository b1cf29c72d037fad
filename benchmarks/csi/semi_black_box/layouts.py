"""Made-up places: blocks of houses with streets between them, and floor plans, each with access points on its walls."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.building.semantics import buildings, clearance_m, walking_area

SIDE_M = 40
"""Of the square that a place fills; houses and walls have corners at whole metres."""
KINDS = ("streets", "rooms")
_STREET_M, _HOUSE_M, _HOUSE_HEIGHT_M = (8, 14), (8, 17), (6.0, 18.0)
_STREET_AP_M, _ROOM_AP_M = (5.0, 7.0), (2.5, 3.2)
_ROOM_M, _DOOR_M, _WALL_M, _WALL_HEIGHT_M = 8, 4, 0.5, 4.0
_CUPBOARD_HEIGHT_M = 2.0
_AHEAD_M = 7
"""What an access point has before it at least."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place.

    Attributes:
        kind: one of `KINDS`.
        boxes: float64 [N, 5]: x and y of the lower left and of the upper right corner, height [m].
        access_points: float64 [A, 4]: x, y, z [m], yaw [rad].
    """

    kind: str
    boxes: np.ndarray
    access_points: np.ndarray


def draw_place(number: int, access_points: int) -> Place:
    """The place of a number, the same every time; even numbers have streets, odd ones rooms.

    A place where nobody comes near an access point is drawn anew.

    Raises:
        ConfigurationError: so many access points have no room.
    """
    kind = KINDS[number % len(KINDS)]
    for attempt in count():
        generator = np.random.default_rng([number, 1971, attempt] if attempt else [number, 1971])
        boxes = np.array(_streets(generator) if kind == "streets" else _rooms(generator), dtype=np.float64)
        hung = _hang(kind, boxes, access_points, generator)
        if _reached(boxes, hung):
            break
    return Place(kind=kind, boxes=boxes, access_points=hung)


def built(boxes: np.ndarray) -> np.ndarray:
    """Where boxes [N, 5] stand, bool [SIDE_M + 1, SIDE_M + 1], row along y, at whole metres."""
    axis = np.arange(SIDE_M + 1)
    x0, y0, x1, y1, _ = boxes.T[:, :, None]
    along_x, along_y = (axis >= x0) & (axis <= x1), (axis >= y0) & (axis <= y1)
    return np.asarray((along_y[:, :, None] & along_x[:, None, :]).any(0))


def _reached(boxes: np.ndarray, access_points: np.ndarray) -> bool:
    """Whether people get from the outside to the place before an access point."""
    around = np.pad(built(boxes), _AHEAD_M)
    walked = walking_area(clearance_m(buildings(around.astype(np.float32)), 1.0))
    x, y, _, yaw = access_points.T
    column, row = (np.rint(at + 2 * way).astype(int) + _AHEAD_M for at, way in ((x, np.cos(yaw)), (y, np.sin(yaw))))
    return bool(walked[row, column].any())


def _streets(generator: np.random.Generator) -> list[tuple[float, ...]]:
    """Houses round one street, a junction or a crossing."""
    width, height = generator.integers(*_STREET_M, 2)
    left, low = (int(generator.integers(6, SIDE_M - 6 - size)) for size in (width, height))
    beside = [(0, 0, left, SIDE_M), (left + width, 0, SIDE_M, SIDE_M)]
    crossed = generator.choice(3, p=(0.25, 0.35, 0.4))
    blocks = []
    for index, (x0, y0, x1, y1) in enumerate(beside):
        if index < crossed:
            blocks += [(x0, y0, x1, low), (x0, low + height, x1, y1)]
        else:
            blocks.append((x0, y0, x1, y1))
    if generator.random() < 0.5:  # the street runs from west to east
        blocks = [(y0, x0, y1, x1) for x0, y0, x1, y1 in blocks]
    houses = [house for block in blocks for house in _houses(block, generator)]
    return [(*house, generator.uniform(*_HOUSE_HEIGHT_M)) for house in houses]


def _houses(block: tuple[int, ...], generator: np.random.Generator) -> list[tuple[int, ...]]:
    """A block as houses, some with a gap between them, some farther from the street."""
    x0, y0, x1, y1 = block
    longest, largest = max(x1 - x0, y1 - y0), int(generator.integers(*_HOUSE_M))
    if longest <= largest:
        back = generator.choice((0, 0, 1, 2), 4) * (min(x1 - x0, y1 - y0) > 5)
        return [(x0 + back[0], y0 + back[1], x1 - back[2], y1 - back[3])]
    cut = int(generator.integers(longest // 3, longest - longest // 3 + 1))
    gap = int(generator.choice((0, 0, 4)) * (longest > 14))
    if x1 - x0 == longest:
        halves = [(x0, y0, x0 + cut, y1), (min(x0 + cut + gap, x1 - 2), y0, x1, y1)]
    else:
        halves = [(x0, y0, x1, y0 + cut), (x0, min(y0 + cut + gap, y1 - 2), x1, y1)]
    return [house for half in halves for house in _houses(half, generator)]


def _rooms(generator: np.random.Generator) -> list[tuple[float, ...]]:
    """Walls round rooms with openings, an entrance, and a few cupboards."""
    wide, deep = (int(size) for size in generator.integers(26, SIDE_M - 3, 2))
    x0, y0 = (SIDE_M - wide) // 2, (SIDE_M - deep) // 2
    x1, y1 = x0 + wide, y0 + deep
    walls = [(x0, y0, x0, y1), (x1, y0, x1, y1), (x0, y1, x1, y1), *_opened((x0, y0, x1, y0), generator)]
    rooms, largest_m2 = [(x0, y0, x1, y1)], generator.uniform(100, 400)
    while rooms:
        a0, b0, a1, b1 = rooms.pop()
        upright = a1 - a0 >= b1 - b0
        low, high = (a0, a1) if upright else (b0, b1)
        if (a1 - a0) * (b1 - b0) <= largest_m2 or high - low < 2 * _ROOM_M:
            if generator.random() < 0.4 and min(a1 - a0, b1 - b0) >= _ROOM_M:
                walls.append(_cupboard((a0, b0, a1, b1), generator))
            continue
        cut = int(generator.integers(low + _ROOM_M, high - _ROOM_M + 1))
        wall = (cut, b0, cut, b1) if upright else (a0, cut, a1, cut)
        walls += _opened(wall, generator)
        rooms += [(a0, b0, cut, b1), (cut, b0, a1, b1)] if upright else [(a0, b0, a1, cut), (a0, cut, a1, b1)]
    half = _WALL_M / 2
    return [
        (*box, _CUPBOARD_HEIGHT_M) if box[0] < box[2] and box[1] < box[3]
        else (box[0] - half, box[1] - half, box[2] + half, box[3] + half, _WALL_HEIGHT_M)
        for box in walls
    ]  # fmt: skip


def _opened(wall: tuple[int, ...], generator: np.random.Generator) -> list[tuple[int, ...]]:
    """A wall with an opening, as what is left of it."""
    x0, y0, x1, y1 = wall
    door = int(generator.integers(1, max(x1 - x0, y1 - y0) - _DOOR_M))
    if x0 == x1:
        return [(x0, y0, x0, y0 + door), (x0, y0 + door + _DOOR_M, x0, y1)]
    return [(x0, y0, x0 + door, y0), (x0 + door + _DOOR_M, y0, x1, y0)]


def _cupboard(room: tuple[int, ...], generator: np.random.Generator) -> tuple[int, ...]:
    x0, y0, x1, y1 = room
    wide, deep = generator.permutation((1, 3))
    x = int(generator.integers(x0 + 3, max(x1 - 2 - wide, x0 + 3) + 1))
    y = int(generator.integers(y0 + 3, max(y1 - 2 - deep, y0 + 3) + 1))
    return (x, y, x + int(wide), y + int(deep))


def _hang(kind: str, boxes: np.ndarray, number: int, generator: np.random.Generator) -> np.ndarray:
    """Access points a metre from walls, turned from them, with room before them, far from each other."""
    taken = built(boxes)
    candidates = []
    for step, yaw in (((1, 0), 0.0), ((0, 1), np.pi / 2), ((-1, 0), np.pi), ((0, -1), -np.pi / 2)):
        way = np.arange(-1, _AHEAD_M)[:, None] * np.array(step)
        for x in range(3, SIDE_M - 2):
            for y in range(3, SIDE_M - 2):
                at = np.array([x, y]) + way
                if at.min() < 0 or at.max() > SIDE_M:
                    continue
                column, row = at.T
                if taken[row[0], column[0]] and not taken[row[1:], column[1:]].any():
                    candidates.append((x, y, yaw))
    if kind == "rooms":
        inside = [(x, y) for x, y, _ in candidates]
        x0, y0, x1, y1 = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
        candidates = [c for c, (x, y) in zip(candidates, inside, strict=True) if x0 < x < x1 and y0 < y < y1]
    if len(candidates) < number:
        raise ConfigurationError(f"access_points must be from 1 to {len(candidates)} in this place, got {number}")
    free = np.array(candidates)
    chosen = [int(generator.integers(len(free)))]
    while len(chosen) < number:
        apart = np.linalg.norm(free[:, None, :2] - free[chosen, :2], axis=-1).min(1)
        chosen.append(int(generator.choice(np.flatnonzero(apart >= np.median(apart)))))
    low_m, high_m = _STREET_AP_M if kind == "streets" else _ROOM_AP_M
    height_m = generator.uniform(low_m, high_m, number)
    turned = generator.uniform(-0.4, 0.4, number)
    return np.column_stack([free[chosen, :2], height_m, free[chosen, 2] + turned])
