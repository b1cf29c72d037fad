"""What never changes after it was made."""

from __future__ import annotations

from typing import Any, Self


class Constant:
    """Base of what never changes after it was made: a copy of what holds it, deep or not, shares it."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
