"""State that belongs to B environments: dataclasses of tensors, which are cleared, copied and compared by their fields.

@dataclass(kw_only=True)
class Battery(TensorState):
    charge_j: torch.Tensor = tensor("env", "ue", initial=10.0)

battery = Battery.create(num_envs=8, device="cpu", ue=4)
battery.clear(torch.tensor([3]))  # environment 3 begins anew
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import torch

ENV = "env"
"""Name of the axis along which the environments are."""


def tensor(*axes: str | int, dtype: torch.dtype = torch.float32, initial: float = 0) -> Any:
    """A field of a `TensorState`.

    Args:
        axes: the tensor's dimensions: names of sizes that `create` is given, or sizes. One of them is `"env"`.
        dtype: type of the numbers.
        initial: the value of every number when an episode begins.
    """
    return dataclasses.field(metadata={"axes": axes, "dtype": dtype, "initial": initial})


@dataclass(kw_only=True)
class TensorState:
    """The base of dataclasses whose fields are all declared by `tensor`."""

    @classmethod
    def create(cls, num_envs: int, device: torch.device | str = "cpu", **sizes: int) -> Self:
        """The state of `num_envs` environments, all at their initial values.

        Args:
            num_envs: B.
            device: where the tensors lie.
            sizes: of the axes that the fields name, `"env"` left out.
        """
        sizes[ENV] = num_envs
        tensors = {}
        for field in dataclasses.fields(cls):
            about = field.metadata
            shape = [axis if isinstance(axis, int) else sizes[axis] for axis in about["axes"]]
            tensors[field.name] = torch.full(shape, about["initial"], dtype=about["dtype"], device=device)
        return cls(**tensors)

    def rows(self) -> dict[str, torch.Tensor]:
        """Every tensor by its name, as a view whose first dimension is that of the environments."""
        fields = dataclasses.fields(self)
        return {f.name: getattr(self, f.name).movedim(f.metadata["axes"].index(ENV), 0) for f in fields}

    def clear(self, rows: torch.Tensor) -> None:
        """Give environments `rows` int64 [N] their initial values again."""
        initial = {field.name: field.metadata["initial"] for field in dataclasses.fields(self)}
        for name, values in self.rows().items():
            values[rows] = initial[name]

    def imitate(self, rows: torch.Tensor, other: Self, others: torch.Tensor) -> None:
        """Let environments `rows` [N] be as environments `others` [N] of `other` are."""
        theirs = other.rows()
        for name, values in self.rows().items():
            values[rows] = theirs[name][others]
