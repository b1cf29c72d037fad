"""Convolutions of CsiNet and what came after it."""

from __future__ import annotations

import torch
from torch import nn

_SLOPE = 0.3


class RefineNet(nn.Module):
    """Residual block of the decoder: 2 -> 8 -> 16 -> 2 channels.

    Args:
        kernels: sizes of the three kernels, odd.
    """

    def __init__(self, kernels: tuple[int, int, int]) -> None:
        super().__init__()
        channels = ((2, 8), (8, 16), (16, 2))
        self.first, self.second, self.third = (
            convolution(*ends, size) for ends, size in zip(channels, kernels, strict=True)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """What becomes of images float32 [N, 2, taps, beams]."""
        added: torch.Tensor = self.third(leaky(self.second(leaky(self.first(image)))))
        return image + added


def convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    """A convolution that keeps the size of an image."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


def leaky(image: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU in place: fresh memory for each activation costs more than the arithmetic."""
    return nn.functional.leaky_relu_(image, _SLOPE)
