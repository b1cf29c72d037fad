"""Observations: one flat vector of numbers from 0 to 1, and a layout that says what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import gymnasium
import numpy as np
import torch

from twin_envs.base.errors import check_keys
from twin_envs.base.settings import lasting


@dataclass(frozen=True, kw_only=True)
class Field:
    """A number of an observation, or `count` of them: 0 stands for `low`, 1 for `high` in `unit`; beyond, clipped.

    `item` says that the numbers are about things that are alike, such as "ap": number k about the k-th of them, or all
    about the one that `of` names by its number.
    """

    name: str
    unit: str
    low: float
    high: float
    count: int = 1
    item: str | None = None
    of: int | None = None


@dataclass(frozen=True)
class ObservationLayout:
    """What the numbers of an observation are.

    Args:
        fields: in the order of the observation.
        meaning: what the fields are whose names do not say it all.
    """

    fields: tuple[Field, ...]
    meaning: str = ""

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return sum(field.count for field in self.fields)

    @property
    def names(self) -> list[str]:
        """The name of each number: its field's, which goes on such as `[3]` or begins such as `ap_3_` if of several."""
        return [_name(field, place) for field in self.fields for place in range(field.count)]

    @property
    def items(self) -> list[str | None]:
        """What each number is about, such as `ap_3`; None for what is about none of several things that are alike."""
        return [_item(field, place) for field in self.fields for place in range(field.count)]

    @property
    def space(self) -> gymnasium.spaces.Box:
        """The observation space: float32, one dimension, from 0 to 1."""
        return gymnasium.spaces.Box(0.0, 1.0, (self.size,), np.float32)

    def index(self, name: str) -> int:
        """Place of a field, or its first number's, or of one number of `names`. Raises as `slice` does."""
        return self._place(name)[1]

    def slice(self, name: str) -> slice:
        """Slice in an observation of a field, or of one number of `names`. `ConfigurationError` if there is no such."""
        _, start, count = self._place(name)
        return slice(start, start + count)

    def value(self, observation: np.ndarray, name: str) -> np.ndarray:
        """What `slice` takes of observations [..., D], in the field's unit: [...], or [..., count] if that is not 1."""
        field, start, count = self._place(name)
        value = field.low + observation[..., start : start + count] * (field.high - field.low)
        return value[..., 0] if count == 1 else value

    def pack(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        """Observations, float32 [N, D] from 0 to 1, from the values [N] or [N, count] of all fields in their units."""
        numbers = [values[f.name].reshape(-1, f.count) for f in self.fields]
        low, width = _scale(self.fields, numbers[0].device)
        return torch.cat(numbers, -1).float().sub_(low).div_(width).clamp_(0.0, 1.0)

    def table(self) -> str:
        """The layout as a Markdown table."""
        rows = []
        for field in self.fields:
            index = self.index(field.name)
            places = f"{index}" if field.count == 1 else f"{index} to {index + field.count - 1}"
            rows.append(f"| {places} | {field.name} | {field.unit} | {field.low:g} to {field.high:g} |")
        return "\n".join(["| index | field | unit | range |", "|---|---|---|---|", *rows])

    def _place(self, name: str) -> tuple[Field, int, int]:
        if name not in self._places:
            check_keys("the observation", [name], [field.name for field in self.fields])
        return self._places[name]

    @cached_property
    def _places(self) -> dict[str, tuple[Field, int, int]]:
        """Field, first number and how many numbers by name: of whole fields, and of each of their numbers."""
        places: dict[str, tuple[Field, int, int]] = {}
        start = 0
        for field in self.fields:
            places |= {_name(field, place): (field, start + place, 1) for place in range(field.count)}
            places[field.name] = (field, start, field.count)
            start += field.count
        return places


def _name(field: Field, place: int) -> str:
    if field.item is not None and field.of is None:
        return f"{_item(field, place)}_{field.name}"
    return field.name if field.count == 1 else f"{field.name}[{place}]"


def _item(field: Field, place: int) -> str | None:
    if field.item is None:
        return None
    return f"{field.item}_{place if field.of is None else field.of}"


@lru_cache(maxsize=64)
@lasting()
def _scale(fields: tuple[Field, ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Lower ends and widths of the ranges of all numbers of `fields`, float32 [D] each."""
    low, high = (torch.tensor([getattr(f, end) for f in fields for _ in range(f.count)]) for end in ("low", "high"))
    return low.float().to(device), (high - low).float().to(device)


def make_fields(*rows: tuple[str, str, float, float]) -> tuple[Field, ...]:
    """Fields from name, unit, low and high of each."""
    return tuple(Field(name=name, unit=unit, low=low, high=high) for name, unit, low, high in rows)
