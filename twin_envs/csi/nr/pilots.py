"""CSI-RS: what a UE receives of the pilots, block by block and port by port."""

from __future__ import annotations

from typing import NamedTuple

import torch

from twin_envs.base.errors import check_choice
from twin_envs.base.streams import Streams
from twin_envs.csi.nr.overhead import CSI_RS_PORTS, NR_DENSITIES

PILOT_SPACINGS = (1, 2, 4, 8, 16)
"""Resource blocks from one sounded block to the next, the inverse of the CSI-RS density in RE per port and block.

TS 38.211, table 7.4.1.5.3-1, has densities 1 and 1/2 for 32 ports; the others go beyond it. A comb of every n-th block
tells delays apart within 1 / n of the delay that a comb of all blocks does, and what is later folds into that."""


class CsiRs(NamedTuple):
    """A CSI-RS that one UE measures.

    Attributes:
        ports: its ports, each sent through a beam of its own.
        spacing: resource blocks from one pilot to the next, one of `PILOT_SPACINGS`.
    """

    ports: int
    spacing: int

    def __str__(self) -> str:
        """Ports and density: `32 x 1/2`."""
        return f"{self.ports} x {'1' if self.spacing == 1 else f'1/{self.spacing}'}"


_SPARSE_PORTS = (1, 2, 12, 16, 24, 32)
"""Ports for which TS 38.211, table 7.4.1.5.3-1, has the density 1/2."""


def csi_rs_choices(antennas: int, beyond_nr: bool) -> tuple[CsiRs, ...]:
    """The CSI-RS that a cell may trigger for a UE: one port for each antenna, for every other and for every fourth.

    With all ports first, from dense to sparse. TS 38.211, table 7.4.1.5.3-1, has densities 1 and 1/2, the latter not
    for 4 and 8 ports; `beyond_nr` adds sparser ones with all ports.

    Args:
        antennas: of the AP, one of `CSI_RS_PORTS`.
        beyond_nr: whether densities down to 1/16 may be chosen.
    """
    spacings = PILOT_SPACINGS if beyond_nr else PILOT_SPACINGS[: len(NR_DENSITIES)]
    every = [CsiRs(antennas, spacing) for spacing in spacings]
    fewer = [antennas // share for share in (2, 4) if antennas % share == 0 and antennas // share in CSI_RS_PORTS]
    nr = PILOT_SPACINGS[: len(NR_DENSITIES)]
    return (*every, *(CsiRs(ports, s) for ports in fewer for s in (nr if ports in _SPARSE_PORTS else nr[:1])))


def strongest_beams(power: torch.Tensor, ports: torch.Tensor) -> torch.Tensor:
    """Through which beams CSI-RS with `ports` int64 [N] are sent: the strongest by `power` [N, beams]; bool [N, beams].

    Of equally strong ones the first are taken.
    """
    rank = power.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return rank < ports[:, None]


def pilot_elements(ports: torch.Tensor, spacing: torch.Tensor, blocks: int) -> torch.Tensor:
    """Resource elements of CSI-RS, int64 [N]: `overhead.csi_rs_resource_elements` for `ports` and `spacing` [N]."""
    return ports * torch.div(blocks + spacing - 1, spacing, rounding_mode="floor")


def pilot_spacing(density: float) -> int:
    """Blocks from one sounded block to the next for a CSI-RS density of 1, 1/2, 1/4, 1/8 or 1/16.

    Raises:
        ConfigurationError: another density.
    """
    spacings = {1.0 / spacing: spacing for spacing in PILOT_SPACINGS}
    check_choice("density", float(density), spacings)
    return spacings[float(density)]


def sounded(spacing: torch.Tensor, blocks: int) -> torch.Tensor:
    """Which blocks carry pilots: an even comb from block 0, bool [N, blocks], for int64 `spacing` [N]."""
    return torch.arange(blocks, device=spacing.device) % spacing[:, None] == 0


def sound(
    h: torch.Tensor, noise_to_pilot: torch.Tensor, spacing: torch.Tensor, streams: Streams, rows: torch.Tensor
) -> torch.Tensor:
    """CSI-RS samples: the channel in noise at the sounded blocks, one sample for each port and block.

    The ports share resource elements by code division (TS 38.211, 7.4.1.5.3): in a CDM group of size L each of L ports
    sends 1/L of the power in each of L elements, so that after despreading a port has the energy of one resource
    element at full transmit power, against the noise of one.

    Args:
        h: complex64 [N, blocks, antennas], amplitude gain from each antenna port.
        noise_to_pilot: float32 [N], noise power per resource element at the UE over the transmit power per resource
            element of the whole access point, linear. It is the variance of the error of a sample.
        spacing: int64 [N], one of `PILOT_SPACINGS` for each UE.
        streams: random numbers.
        rows: int64 [N], the stream of each UE; no stream twice.

    Returns:
        complex64 [N, blocks, antennas], zero at blocks without pilots.
    """
    noise = streams.complex_normal(rows, *h.shape[1:]).mul_(noise_to_pilot.sqrt()[:, None, None])
    return noise.add_(h).mul_(sounded(spacing, h.shape[1])[..., None])
