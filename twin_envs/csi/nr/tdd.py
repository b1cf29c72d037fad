"""Which symbols of which slots go down and up in a TDD carrier."""

from __future__ import annotations

import re

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import SYMBOLS_PER_SLOT

SPECIAL_SLOT_SYMBOLS = (10, 2, 2)
"""Downlink, guard and uplink symbols of a special slot. A guard of two symbols, 71 us at 30 kHz, covers cells of 10 km;
its uplink symbols carry sounding signals and no reports."""
_PATTERN = re.compile(r"D*S?U*")
_MOST_SLOTS = 20


class TddPattern(Constant):
    """A pattern of slots that repeats (TS 38.213, 11.1, tdd-UL-DL-ConfigurationCommon).

    Args:
        pattern: a letter for each slot: `D` downlink, then at most one `S` special (`SPECIAL_SLOT_SYMBOLS`), then `U`
            uplink, as TS 38.213 orders them; 1 to 20 slots with both directions in them.
        device: where the tables lie.

    Attributes:
        slots: length of the pattern.
        uplink_slots: positions of the uplink slots in it, int64 [K].

    Raises:
        ConfigurationError: another pattern.
    """

    def __init__(self, pattern: str, device: torch.device | str = "cpu") -> None:
        check_pattern(pattern)
        self.slots = len(pattern)
        symbols = [{"D": SYMBOLS_PER_SLOT, "S": SPECIAL_SLOT_SYMBOLS[0], "U": 0}[letter] for letter in pattern]
        down, up = [s > 0 for s in symbols], [letter == "U" for letter in pattern]
        self.uplink_slots = torch.tensor([slot for slot, is_up in enumerate(up) if is_up], device=device)
        self._downlink_slots = torch.tensor([slot for slot, is_down in enumerate(down) if is_down], device=device)
        # How many there are in the first n slots of the pattern, n from 0 to its length.
        counts = torch.tensor([down, symbols, up], dtype=torch.int64, device=device)
        self._before = torch.nn.functional.pad(counts.cumsum(-1), (1, 0))

    @property
    def uplink_slot_share(self) -> float:
        """Share of all slots that are uplink slots."""
        return float(self._before[2, -1]) / self.slots

    def downlink(self, start: torch.Tensor, until: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Slots with downlink, and downlink symbols in them, in the slots `start` to `until` - 1, int64 each.

        Args:
            start, until: int64 of any shape, not negative; `until` is not before `start`.
        """
        slots, symbols, _ = self._first(until) - self._first(start)
        return slots, symbols

    def uplink(self, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Uplink slots among the slots `start` to `until` - 1, int64 of the same shape."""
        return (self._first(until) - self._first(start))[2]

    def next_uplink(self, slot: torch.Tensor, further: torch.Tensor | int = 0) -> torch.Tensor:
        """The first uplink slot from `slot` on, int64 of any shape; or the one `further` uplink slots after that."""
        number = self._first(slot)[2] + further  # uplink slots before it since time 0
        count = len(self.uplink_slots)
        return number // count * self.slots + self.uplink_slots[number % count]

    def last_downlink(self, slot: torch.Tensor) -> torch.Tensor:
        """The last slot with downlink up to and with `slot`, int64 of any shape; before time 0 if there is none."""
        number = self._first(slot + 1)[0] - 1
        count = len(self._downlink_slots)
        return torch.div(number, count, rounding_mode="floor") * self.slots + self._downlink_slots[number % count]

    def _first(self, slots: torch.Tensor) -> torch.Tensor:
        """Slots with downlink, downlink symbols and uplink slots among the first `slots`, int64 [3, ...]."""
        whole, rest = torch.div(slots, self.slots, rounding_mode="floor"), torch.remainder(slots, self.slots)
        return whole * self._before[:, -1].view(3, *[1] * slots.dim()) + self._before[:, rest]


def check_pattern(pattern: str) -> None:
    """Raise `ConfigurationError` if `pattern` is none of `TddPattern`'s."""
    valid = isinstance(pattern, str) and _PATTERN.fullmatch(pattern) and "D" in pattern and "U" in pattern
    if not valid or len(pattern) > _MOST_SLOTS:
        raise ConfigurationError(
            f"tdd_pattern must be 'D's, at most one 'S', then 'U's, {_MOST_SLOTS} slots or fewer with both 'D' and 'U' "
            f"in them, such as 'DDDSU', got {pattern!r}"
        )
