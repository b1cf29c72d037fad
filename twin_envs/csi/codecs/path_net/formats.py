"""What the reports of a length can say: how many paths, how finely each is placed, in which steps gains are told."""

from __future__ import annotations

from dataclasses import dataclass

import torch

STEPS = (1, 2, 4)
"""How finely a path may be placed: in quarters of the steps of the codec `path`, in halves, or in whole ones."""
LARGEST_FALL = 12
"""So many steps at most is a path weaker than the one before."""
DB_PER_PHASE_BIT = 12
"""A phase has a bit less, but at least one, for so many decibels below the strongest path."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a report can say.

    Args:
        paths: most of them.
        quarters_db, halves_db: paths that are at most so much weaker than the strongest are placed in quarters, and in
            halves; the others coarsely. Below 0 are none.
        fall_db: a step of how much weaker each path is than the one before.
        phase_bits: of a path as strong as the strongest.
    """

    paths: int
    quarters_db: int
    halves_db: int
    fall_db: int
    phase_bits: int

    def steps(self, below_db: torch.Tensor) -> torch.Tensor:
        """Which of `STEPS` paths are placed in that are so much weaker than the strongest, int64 of the same shape."""
        return (below_db > self.quarters_db).long() + (below_db > self.halves_db).long()

    def phases(self, down: torch.Tensor) -> torch.Tensor:
        """How many phases paths are told in that are so many steps weaker than the strongest, int64."""
        return 2 ** (self.phase_bits - down * self.fall_db // DB_PER_PHASE_BIT).clamp_min(1)


FORMATS = (
    Format(paths=2, quarters_db=-1, halves_db=0, fall_db=3, phase_bits=4),
    Format(paths=3, quarters_db=-1, halves_db=6, fall_db=3, phase_bits=4),
    Format(paths=4, quarters_db=0, halves_db=6, fall_db=3, phase_bits=4),
    Format(paths=6, quarters_db=6, halves_db=12, fall_db=2, phase_bits=5),
    Format(paths=7, quarters_db=9, halves_db=18, fall_db=2, phase_bits=5),
    Format(paths=11, quarters_db=9, halves_db=18, fall_db=2, phase_bits=5),
    Format(paths=15, quarters_db=12, halves_db=21, fall_db=2, phase_bits=5),
)
"""From the shortest reports to the longest."""
