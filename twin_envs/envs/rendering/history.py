"""What a picture remembers of an episode: tracks, rates and decisions up to now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twin_envs.envs.core.snapshot import Snapshot

Array = np.ndarray[Any, Any]
_LONGEST = 1024
"""More windows than these are put together in pairs: on a picture they would be less than a pixel wide."""
_DECISIONS = 5


@dataclass(kw_only=True)
class History:
    """An episode from its start on; T windows, U UEs.

    Attributes:
        snapshot: the present one.
        time_s: end of each window, and 0 before the first [T + 1].
        rate: bits per resource element that each window delivered [T].
        overhead: share of the resources that each window spent [T].
        track_m: where the network believed the UEs to be at the times `time_s` [T + 1, U, 2].
        decisions: the last ones, (time of the decision [s], what was decided), the latest first.
    """

    snapshot: Snapshot
    time_s: Array = field(init=False)
    rate: Array = field(default_factory=lambda: np.zeros(0))
    overhead: Array = field(default_factory=lambda: np.zeros(0))
    track_m: Array = field(init=False)
    decisions: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.time_s, self.track_m = np.array([self.snapshot.time_s]), self.snapshot.ue_m[None]

    def add(self, snapshot: Snapshot) -> None:
        """A window has passed, and `snapshot` shows what came of the decision at its start."""
        self.decisions = [(self.snapshot.time_s, snapshot.decision), *self.decisions][:_DECISIONS]
        self.snapshot = snapshot
        self.time_s = np.append(self.time_s, snapshot.time_s)
        self.track_m = np.append(self.track_m, snapshot.ue_m[None], 0)
        self.rate = np.append(self.rate, snapshot.rate)
        self.overhead = np.append(self.overhead, snapshot.overhead)
        if len(self.rate) > _LONGEST:
            self._thin()

    def _thin(self) -> None:
        length_s = np.diff(self.time_s)
        pairs = np.arange(0, len(length_s), 2)
        total_s = np.add.reduceat(length_s, pairs)
        self.rate, self.overhead = (
            np.add.reduceat(values * length_s, pairs) / total_s for values in (self.rate, self.overhead)
        )
        ends = np.minimum(pairs + 2, len(length_s))
        self.time_s = np.append(self.time_s[0], self.time_s[ends])
        self.track_m = np.append(self.track_m[:1], self.track_m[ends], 0)
