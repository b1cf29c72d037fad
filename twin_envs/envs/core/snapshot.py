"""What a picture of one environment shows: the network's view of it, never reality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A connection between an AP and a UE, drawn as a line: `strength` from 0 (faint) to 1."""

    ap: int
    ue: int
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Beam:
    """A beam drawn as a sector at an AP: azimuth of its centre and width [rad], counter-clockwise from x; for a UE."""

    ap: int
    azimuth_rad: float
    width_rad: float
    strength: float = 1.0
    ue: int | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One environment at one time.

    Attributes:
        time_s: since the episode's start.
        ue_m: where the network believes the UEs to be, float [U, 2].
        ue_std_m: standard deviation of that in each axis, float [U].
        deciding: the UE that the next decision is about; None where it is about all of them.
        decided: the UE that the last decision was about; None before the first.
        decision: the last decision in a few words a person understands, such as "UE 3: reports again in 40 slots".
        serving: APs whose expected gain the map shows: the strongest of them at every place.
        links, beams: what connects whom.
        ue_rate: bits per resource element of each UE in the last window, float [U].
        rate: bits per resource element that were delivered in the last window, to whomever.
        overhead: share of the cell's resources that the last window spent on pilots, feedback and the like, 0 to 1.
        notes: further facts of each UE by name and unit, [U] each, such as "CSI age [ms]"; NaN where unknown.
            The first four are shown; names of at most nine characters fit.
    """

    time_s: float
    ue_m: np.ndarray
    ue_std_m: np.ndarray
    deciding: int | None
    decided: int | None
    decision: str
    serving: tuple[int, ...]
    links: tuple[Connection, ...] = ()
    beams: tuple[Beam, ...] = ()
    ue_rate: np.ndarray
    rate: float
    overhead: float
    notes: dict[str, np.ndarray]
