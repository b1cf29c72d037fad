"""What a ray tracer tells of the links of one AP, before it is packed into an atlas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class TracedPaths:
    """The strongest paths of N links from one AP; unused places have zero gain.

    Attributes:
        gain: complex128 [N, P], without the carrier's phase.
        length_m: float64 [N, P].
        departure, arrival: unit vectors of propagation at the AP and at the UE, float64 [N, P, 3].
        turn: product of the path's reflections, nearest the AP first, float64 [N, P, 3, 3]; `turn @ arrival` is
            `departure`.
        source_m: distance from the last interaction that is not a mirror reflection to the UE, along the path,
            float64 [N, P]; zero where there is none: the path is specular.
        line_of_sight: bool [N, P].
    """

    gain: np.ndarray
    length_m: np.ndarray
    departure: np.ndarray
    arrival: np.ndarray
    turn: np.ndarray
    source_m: np.ndarray
    line_of_sight: np.ndarray


def empty_paths(count: int, places: int) -> dict[str, np.ndarray]:
    """`TracedPaths` fields of `count` links that nothing reaches."""
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (count, places, 3)).copy()
    return {
        "gain": np.zeros((count, places), dtype=np.complex128),
        "length_m": np.ones((count, places)),
        "departure": up,
        "arrival": up.copy(),
        "turn": np.broadcast_to(np.eye(3), (count, places, 3, 3)).copy(),
        "source_m": np.zeros((count, places)),
        "line_of_sight": np.zeros((count, places), dtype=bool),
    }
