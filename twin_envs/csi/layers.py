"""Layers of small networks, made without the global generator."""

from __future__ import annotations

import torch
from torch import nn


class Layer(nn.Module):
    """A linear layer: zero in the beginning, or as `nn.Linear`, which would move the global generator."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(outputs, inputs)), nn.Parameter(torch.zeros(outputs))
        if generator is not None:
            bound = inputs**-0.5
            nn.init.uniform_(self.weight, -bound, bound, generator=generator)
            nn.init.uniform_(self.bias, -bound, bound, generator=generator)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The last axis goes through the layer."""
        return nn.functional.linear(values, self.weight, self.bias)
