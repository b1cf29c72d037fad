"""CsiNet: a convolutional autoencoder of the angle-delay picture.

After Wen, Shih and Jin, "Deep learning for massive MIMO CSI feedback", IEEE Wireless Communications Letters, 2018. Its
blocks are residual, and they need no batch norm (see `autoencoder`).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from twin_envs.csi.codecs.autoencoder.convolution import RefineNet, convolution, leaky
from twin_envs.csi.codecs.autoencoder.network import Autoencoder


class CsiNet(Autoencoder):
    """The codec `csinet`: a layer before the latents, two refinement blocks behind them."""

    architecture = "csinet-1"
    learning_rate = 1e-2

    def _lay_out(self) -> None:
        self.features = convolution(2, 2, 3)
        self._linear()
        self.refine_first, self.refine_second = (RefineNet((3, 3, 3)) for _ in range(2))

    def _seen(self, image: torch.Tensor) -> torch.Tensor:
        return image + leaky(self.features(image))

    def _refined(self, image: torch.Tensor) -> torch.Tensor:
        refined: torch.Tensor = self.refine_second(self.refine_first(image))
        return refined

    def _last(self) -> Iterable[nn.Module]:
        return self.features, self.refine_first.third, self.refine_second.third
