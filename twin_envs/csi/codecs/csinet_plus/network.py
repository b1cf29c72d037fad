"""CsiNet+: a convolutional autoencoder with larger kernels and five refinement blocks.

After Guo, Wen, Jin and Li, "Convolutional neural network-based multiple-rate compressive sensing for massive MIMO CSI
feedback: design, simulation, and analysis", IEEE Transactions on Wireless Communications, 2020. Its blocks are without
batch norm (see `autoencoder`).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from twin_envs.csi.codecs.autoencoder.convolution import RefineNet, convolution, leaky
from twin_envs.csi.codecs.autoencoder.network import Autoencoder

BLOCKS = 5
_KERNELS = (7, 5, 3)


class CsiNetPlus(Autoencoder):
    """The codec `csinet-plus`: two layers with kernels of 7 x 7 before the latents, five refinement blocks behind."""

    architecture = "csinet-plus-1"
    learning_rate = 5e-3

    def _lay_out(self) -> None:
        self.first, self.second = (convolution(2, 2, _KERNELS[0]) for _ in range(2))
        self._linear()
        self.blocks = nn.ModuleList(RefineNet(_KERNELS) for _ in range(BLOCKS))

    def _seen(self, image: torch.Tensor) -> torch.Tensor:
        return image + leaky(self.second(leaky(self.first(image))))

    def _refined(self, image: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            image = block(image)
        return image

    def _last(self) -> Iterable[nn.Module]:
        return [self.second, *(block.third for block in self.blocks if isinstance(block, RefineNet))]
