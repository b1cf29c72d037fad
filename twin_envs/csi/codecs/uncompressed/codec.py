"""Reports without compression: what the cell gets is the UE's estimate. A bound, and nothing that could be deployed.

A report holds the estimate in single precision, 64 bits for each block and antenna, and is charged the nominal codeword
that was asked for. So it bounds what codecs can earn with codewords of that length: what they lose against it they lose
by compression, and what it loses against perfect CSI is lost by pilots, noise and age. Perfect CSI is no codec: it
would have to go round the estimate.
"""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import computing, lasting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.fields import check_lengths
from twin_envs.csi.codecs.protocol import LevelThenCodeword, SideInformation, TellsNothing
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay
from twin_envs.world.store.site import Site, kept_by_site

NOMINAL_LENGTHS = (64, 128, 256, 512)
"""Codewords that a report may be charged as [bits], those of CsiNet."""
_BYTE = 8


class Uncompressed(LevelThenCodeword, TellsNothing, Constant):
    """The bound `uncompressed`.

    Args:
        grid: sizes of a channel.

    Attributes:
        bound: reports hold more bits than they are charged.
    """

    bound = True
    codeword_lengths = NOMINAL_LENGTHS

    def __init__(self, grid: AngleDelayGrid) -> None:
        self.grid = grid

    def sent_bits(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Number of bits that the reports `bits` really hold, int64 [N]."""
        return torch.full_like(side.codeword_bits, bits.shape[1])

    def encode(self, h_hat: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """The estimates, bit by bit, uint8 [N, 64 blocks antennas], whatever the codeword.

        Raises:
            ConfigurationError: a codeword length that this codec does not have.
        """
        with computing(len(h_hat)):
            check_lengths(side.codeword_bits, self.codeword_lengths)
            byte = torch.view_as_real(h_hat).flatten(1).contiguous().view(torch.uint8)
            shifts = torch.arange(_BYTE, dtype=torch.uint8, device=byte.device)
            return ((byte[..., None] >> shifts) & 1).flatten(1)

    def decode(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """The estimates, complex64 [N, blocks, antennas]."""
        with computing(len(bits)):
            weights = 2 ** torch.arange(_BYTE, dtype=torch.uint8, device=bits.device)
            byte = (bits.unflatten(1, (-1, _BYTE)) * weights).sum(-1, dtype=torch.uint8)
            real = byte.view(torch.float32).unflatten(1, (self.grid.blocks, self.grid.antennas, 2))
            return torch.view_as_complex(real.contiguous())

    def report(self, x_hat: torch.Tensor, side: SideInformation, block: torch.Tensor | None = None) -> torch.Tensor:
        """What `decode` makes of what `encode` sends (see `Codec.report`)."""
        with computing(len(x_hat)):
            h = from_angle_delay(x_hat, self.grid)
            return h if block is None else h[:, block]


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> Uncompressed:
    """The bound for a site; it computes where its channels are."""
    return Uncompressed(angle_delay_grid(site))
