"""TDD patterns against slots written out one by one."""

from __future__ import annotations

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.tdd import TddPattern

SYMBOLS = {"D": 14, "S": 10, "U": 0}
PATTERNS = ("DDDSU", "DU", "DDDDDDDSUU", "DSUUU", "DDSU")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_slots_and_symbols_counted_slot_by_slot(pattern: str) -> None:
    tdd, slots = TddPattern(pattern), pattern * 4
    for start in range(len(pattern) + 1):
        for until in range(start, len(slots) + 1):
            window = slots[start:until]
            down, symbols = tdd.downlink(torch.tensor(start), torch.tensor(until))
            assert int(down) == sum(letter in "DS" for letter in window)
            assert int(symbols) == sum(SYMBOLS[letter] for letter in window)
            assert int(tdd.uplink(torch.tensor(start), torch.tensor(until))) == window.count("U")
    assert tdd.uplink_slot_share == pytest.approx(pattern.count("U") / len(pattern))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_next_uplink_and_the_last_downlink_slot_found_by_looking(pattern: str) -> None:
    tdd, slots = TddPattern(pattern), pattern * 6
    for slot in range(2 * len(pattern)):
        later = [s for s in range(slot, len(slots)) if slots[s] == "U"]
        at = torch.tensor([slot, slot])
        assert tdd.next_uplink(at, torch.tensor([0, 2])).tolist() == [later[0], later[2]]
        earlier = [s for s in range(slot + 1) if slots[s] != "U"]
        assert int(tdd.last_downlink(torch.tensor(slot))) == earlier[-1]
    assert int(tdd.last_downlink(torch.tensor(-1))) < 0


@pytest.mark.parametrize("pattern", ["", "D", "UU", "UD", "DSSU", "DDX", "D" * 20 + "U", 5, "dddsu"])
def test_a_pattern_that_is_none_is_refused(pattern: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^tdd_pattern must be 'D's"):
        TddPattern(pattern)  # type: ignore[arg-type]
