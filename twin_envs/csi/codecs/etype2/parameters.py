"""Parameter combinations of enhanced Type II (TS 38.214, 5.2.2.2.5), and what a report of each takes, bit by bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch

from twin_envs.csi.codecs.panel import Panel, bits_for

COMBINATIONS = {
    1: (2, Fraction(1, 4), Fraction(1, 4)),
    2: (2, Fraction(1, 4), Fraction(1, 2)),
    3: (4, Fraction(1, 4), Fraction(1, 4)),
    4: (4, Fraction(1, 4), Fraction(1, 2)),
    5: (4, Fraction(1, 4), Fraction(3, 4)),
    6: (4, Fraction(1, 2), Fraction(1, 2)),
    7: (6, Fraction(1, 4), Fraction(1, 2)),
    8: (6, Fraction(1, 4), Fraction(3, 4)),
}
"""`paramCombination-r16`: L, p_v of one layer, beta (table 5.2.2.2.5-1)."""
_OF_FOUR_PORTS = (1, 2)
_OF_32_PORTS_ONLY = (7, 8)
REFERENCE_BITS, AMPLITUDE_BITS, PHASE_BITS = 4, 3, 4
"""Of the amplitude of the weaker group of ports, and of each coefficient but the strongest."""
COEFFICIENT_BITS = AMPLITUDE_BITS + PHASE_BITS


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a UE reports with one parameter combination, one layer and R = 1.

    Attributes:
        combination: its number, 1 to 8.
        panel: the ports.
        beams: L.
        delays: M, columns of the frequency-domain basis: p_v N3, rounded up.
        most: K0, the most coefficients that may be reported: beta times the bits of the bitmap, rounded up.
    """

    combination: int
    panel: Panel
    beams: int
    delays: int
    most: int

    @property
    def coefficients(self) -> int:
        """Bits of the bitmap, 2 L M; L M where there is one group of ports."""
        return self.panel.groups * self.beams * self.delays

    @property
    def reference_bits(self) -> int:
        """Bits of the amplitude of the weaker group of ports, if there is one."""
        return REFERENCE_BITS if self.panel.groups > 1 else 0

    @property
    def header(self) -> tuple[int, ...]:
        """Bits of: the number of coefficients less one (of part 1 of the report), i1,1, i1,2 and i1,6."""
        o1, o2 = self.panel.oversampling
        return (
            bits_for(self.most),
            bits_for(o1 * o2),
            bits_for(math.comb(self.panel.group, self.beams)),
            bits_for(math.comb(self.panel.subbands - 1, self.delays - 1)),
        )

    @property
    def codeword_bits(self) -> int:
        """Bits of a report with as many coefficients as may be, for which the cell has to reserve resources."""
        return int(self.sent(torch.tensor(self.most)))

    def sent(self, reported: torch.Tensor) -> torch.Tensor:
        """Bits of reports with so many coefficients, int64 of the same shape (TS 38.212, 6.3.2.1.2).

        The header; the bitmap i1,7; the strongest coefficient's number i1,8; the weaker group's amplitude i2,3; and for
        each other coefficient its amplitude i2,4 and phase i2,5.
        """
        fixed = sum(self.header) + self.coefficients + self.reference_bits
        return fixed + strongest_bits(reported) + COEFFICIENT_BITS * (reported - 1)


def strongest_bits(reported: torch.Tensor) -> torch.Tensor:
    """Bits of i1,8 of one layer: log2 of the number of coefficients, rounded up; int64 of the same shape."""
    powers = 2 ** torch.arange(16, device=reported.device)
    return torch.searchsorted(powers, reported.contiguous())


def formats(panel: Panel) -> dict[int, Format]:
    """Formats by the bits that they reserve, ascending; of two that reserve as many the one of the higher number.

    Combinations 3 to 8 are not for 4 ports, and 7 and 8 are for 32 only. None has more beams than a group has ports.
    """
    made, ports = {}, panel.groups * panel.group
    for number, (beams, share, beta) in COMBINATIONS.items():
        if (ports == 4 and number not in _OF_FOUR_PORTS) or (ports != 32 and number in _OF_32_PORTS_ONLY):
            continue
        delays = math.ceil(share * panel.subbands)
        most = math.ceil(beta * panel.groups * beams * delays)
        form = Format(combination=number, panel=panel, beams=beams, delays=delays, most=most)
        made[form.codeword_bits] = form
    return dict(sorted(made.items()))
