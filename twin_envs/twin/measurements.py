"""What a network has measured of its channels, and what is refused as measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import SPEED_OF_LIGHT
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, LONGEST_COHERENCE_S, SensedState
from twin_envs.world.atlas.geometry import Geometry

LEAST_PLACES, LEAST_LINKS = 8, 8
"""From fewer places or links nothing is learnt."""
LEAST_EXTENT_M = 5.0
"""Places that all lie closer together are one place."""
LOWEST_GAIN_DB = -250.0
MOST_OVER_FREE_SPACE_DB = 20.0
"""Over free space by so much: an element of 8 dBi, reflections that add up, and the sounder's noise."""
_FASTEST_M_S, _LEAST_SURE_M = 1000.0, 1000.0
_RANGES = {
    "los_probability": (0.0, 1.0),
    "delay_spread_s": (-1e-6, 1e-3),
    "departure_azimuth_rad": (-7.0, 7.0),
    "departure_spread_rad": (-1.0, 10.0),
    "arrival_azimuth_rad": (-7.0, 7.0),
    "arrival_spread_rad": (-1.0, 10.0),
    "k_factor_db": (-100.0, 100.0),
    "doppler_spread_hz": (-100.0, 1e6),
    "coherence_time_s": (0.0, LONGEST_COHERENCE_S),
    "coherence_bandwidth_hz": (0.0, 1e9),
}
"""Of the fields other than the gain: what can be, and the sounder's noise, which makes small spreads negative."""
_OUTSIDE_M = 10.0
"""A sounder does not know its own place exactly: so far outside the area, or within walls, it may believe to be."""


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What was measured at P places of the links to A access points; M links were heard.

    Attributes:
        sensed: of each link, where the sounder believes to have been, and how it moved.
        ap: of each link, int64 [M].
        place: of each link, int64 [M]; an index of `place_m`.
        values: float32 [M, fields], in the order of `KNOWLEDGE_FIELDS`.
        std: of the sounder's errors, float32 [fields].
        place_m: where the sounder believes to have been, float32 [P, 2], also where it heard nothing.
        resource_elements: of the pilots that this took.
    """

    sensed: SensedState
    ap: torch.Tensor
    place: torch.Tensor
    values: torch.Tensor
    std: torch.Tensor
    place_m: torch.Tensor
    resource_elements: int

    def heard(self, aps: int) -> torch.Tensor:
        """Which of the `aps` access points were heard at which place, bool [P, A]."""
        heard = torch.zeros(len(self.place_m), aps, dtype=torch.bool, device=self.ap.device)
        heard[self.place, self.ap] = True
        return heard

    def at(self, places: torch.Tensor) -> Measurements:
        """Those at some of the `places`, bool [P]; the resource elements are their share."""
        links = places[self.place]
        number = places.cumsum(0) - 1
        return Measurements(
            sensed=self.sensed.of(links),
            ap=self.ap[links],
            place=number[self.place[links]],
            values=self.values[links],
            std=self.std,
            place_m=self.place_m[places],
            resource_elements=self.resource_elements * int(places.sum()) // max(len(places), 1),
        )

    def links(self, keep: torch.Tensor) -> Measurements:
        """Those of some links, bool [M], at all the places; they have taken as many resource elements."""
        return Measurements(
            sensed=self.sensed.of(keep),
            ap=self.ap[keep],
            place=self.place[keep],
            values=self.values[keep],
            std=self.std,
            place_m=self.place_m,
            resource_elements=self.resource_elements,
        )


def together(first: Measurements, second: Measurements) -> Measurements:
    """What was measured at the places of both, those of the `first` before those of the `second`."""
    sensed = {name: torch.cat([value, vars(second.sensed)[name]]) for name, value in vars(first.sensed).items()}
    return Measurements(
        sensed=SensedState(**sensed),
        ap=torch.cat([first.ap, second.ap]),
        place=torch.cat([first.place, second.place + len(first.place_m)]),
        values=torch.cat([first.values, second.values]),
        std=torch.maximum(first.std, second.std),
        place_m=torch.cat([first.place_m, second.place_m]),
        resource_elements=first.resource_elements + second.resource_elements,
    )


def check_measurements(measured: Measurements, geometry: Geometry) -> None:
    """Refuse measurements from which nothing can be learnt, or that no channel can have.

    Args:
        measured: the measurements.
        geometry: of the site where they were made.

    Raises:
        ConfigurationError: there are too few, all at one place, or they cannot be (see `check_possible`); the message
            names field, value and range.
    """
    if len(measured.place_m) < LEAST_PLACES:
        raise ConfigurationError(
            f"measurements must be made at {LEAST_PLACES} places or more, got {len(measured.place_m)}: "
            "raise commissioning_places"
        )
    check_possible(measured, geometry)
    extent_m = float((measured.place_m.amax(0) - measured.place_m.amin(0)).max())
    if extent_m < LEAST_EXTENT_M:
        raise ConfigurationError(
            f"position_m of measurements must span {LEAST_EXTENT_M:g} m or more, got {len(measured.place_m)} places "
            f"within {extent_m:.2f} m"
        )
    if len(measured.ap) < LEAST_LINKS:
        raise ConfigurationError(
            f"measurements must hold {LEAST_LINKS} links or more, got {len(measured.ap)} at {len(measured.place_m)} "
            "places: raise commissioning_places or transmit_power_dbm"
        )


def check_possible(measured: Measurements, geometry: Geometry) -> None:
    """Refuse measurements that cannot be, however many there are.

    Args:
        measured: the measurements.
        geometry: of the site where they were made.

    Raises:
        ConfigurationError: tensors do not belong together, a place is outside the area or deep inside walls, or a
            value is not a number or beyond what physics allows; the message names field, value and range.
    """
    _check_shapes(measured)
    sensed = measured.sensed
    _check_positions(torch.cat([measured.place_m, sensed.position_m]), geometry)
    _check_range("ap", measured.ap, 0, len(geometry.ap_position_m) - 1)
    _check_range("place", measured.place, 0, len(measured.place_m) - 1)
    _check_range("std", measured.std, 0.0, 1e9)
    _check_range("velocity_m_s", sensed.velocity_m_s, -_FASTEST_M_S, _FASTEST_M_S)
    _check_range("velocity_std_m_s", sensed.velocity_std_m_s, 0.0, _FASTEST_M_S)
    _check_range("position_std_m", sensed.position_std_m, 0.0, _LEAST_SURE_M)
    names = list(KNOWLEDGE_FIELDS)
    for name, (low, high) in _RANGES.items():
        _check_range(name, measured.values[:, names.index(name)], low, high)
    gain_db = measured.values[:, names.index("gain_db")]
    away_m = distance_m(geometry, sensed.position_m, measured.ap)
    most_db = free_space_db(geometry.carrier_hz, away_m) + MOST_OVER_FREE_SPACE_DB
    beyond = ~((gain_db <= most_db) & (gain_db >= LOWEST_GAIN_DB))  # what is not a number is not within
    if beyond.any():
        first = int(beyond.nonzero()[0, 0])
        raise ConfigurationError(
            f"gain_db of a measurement must be {LOWEST_GAIN_DB:g} to {float(most_db[first]):.1f} dB, "
            f"{MOST_OVER_FREE_SPACE_DB:g} dB over free space at {float(away_m[first]):.1f} m, "
            f"got {float(gain_db[first]):.1f}"
        )


def _check_shapes(measured: Measurements) -> None:
    links, fields, sensed = len(measured.ap), len(KNOWLEDGE_FIELDS), measured.sensed
    for name, value, shape in (
        ("ap", measured.ap, (links,)),
        ("place", measured.place, (links,)),
        ("values", measured.values, (links, fields)),
        ("std", measured.std, (fields,)),
        ("place_m", measured.place_m, (len(measured.place_m), 2)),
        ("position_m", sensed.position_m, (links, 2)),
        ("velocity_m_s", sensed.velocity_m_s, (links, 2)),
        ("position_std_m", sensed.position_std_m, (links,)),
        ("velocity_std_m_s", sensed.velocity_std_m_s, (links,)),
    ):
        if value.shape != shape:
            raise ConfigurationError(
                f"{name} of {links} measured links must have the shape {shape}, got {tuple(value.shape)}"
            )


def _check_range(field: str, values: torch.Tensor, low: float, high: float) -> None:
    if wrong := values[~((values >= low) & (values <= high))].tolist():  # what is not a number is not within
        raise ConfigurationError(f"{field} of a measurement must be {low:g} to {high:g}, got {wrong[0]:g}")


def _check_positions(position_m: torch.Tensor, geometry: Geometry) -> None:
    if wrong := position_m[~position_m.isfinite().all(-1)].tolist():
        raise ConfigurationError(f"position_m of a measurement must be finite numbers, got {wrong[0]}")
    place_m = position_m.unique(dim=0)
    low = torch.tensor(geometry.origin_m, device=place_m.device)
    ny, nx = geometry.cell_of.shape
    high = low + geometry.grid_m * torch.tensor([nx - 1, ny - 1], device=place_m.device)
    outside = ((place_m < low - _OUTSIDE_M) | (place_m > high + _OUTSIDE_M)).any(-1)
    if wrong := place_m[outside].tolist():
        raise ConfigurationError(
            f"position_m of a measurement must lie in the area, {low.tolist()} to {high.tolist()} m, got {wrong[0]}"
        )
    _check_walls(place_m[((place_m >= low) & (place_m <= high)).all(-1)], geometry)


def _check_walls(place_m: torch.Tensor, geometry: Geometry) -> None:
    """Refuse places in the area that are farther within walls than a sounder can be mistaken."""
    lost = place_m[geometry.cell(place_m) < 0]
    if not len(lost):
        return
    free_m = torch.cat([torch.cdist(part, geometry.point_m[:, :2]).amin(-1) for part in lost.split(256)])
    away_m, first = free_m.max(0)
    if away_m > _OUTSIDE_M + geometry.grid_m:
        raise ConfigurationError(
            f"position_m of a measurement must be within {_OUTSIDE_M + geometry.grid_m:g} m of where UEs can be, got "
            f"{lost[first].tolist()}, {float(away_m):.1f} m inside walls"
        )


def distance_m(geometry: Geometry, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
    """From access points `ap` int64 [N] to UEs at `position_m` [N, 2], at least 1 m: float32 [N]."""
    away = geometry.ground.place(position_m) - geometry.ap_position_m[ap]
    return away.norm(dim=-1).clamp_min(1.0)


def free_space_db(carrier_hz: float, away_m: torch.Tensor) -> torch.Tensor:
    """Path gain between isotropic antennas in free space (Friis), `away_m` [N] apart."""
    return 20 * torch.log10(SPEED_OF_LIGHT / carrier_hz / (4 * math.pi * away_m))
