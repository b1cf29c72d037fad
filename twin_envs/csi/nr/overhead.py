"""What CSI costs in the downlink: resource elements of pilots and data in an NR cell."""

from __future__ import annotations

import torch

from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS

CSI_RS_PORTS = (1, 2, 4, 8, 12, 16, 24, 32)
"""Ports of a CSI-RS resource (TS 38.211, table 7.4.1.5.3-1)."""
NR_DENSITIES = (1.0, 0.5)
"""Resource elements per port and resource block that NR has for CSI (TS 38.211, table 7.4.1.5.3-1)."""
CSI_RS_DENSITIES = (*NR_DENSITIES, 0.25, 0.125, 0.0625)
"""Those and sparser ones, for study."""


def csi_rs_resource_elements(ports: int, density: float, blocks: int) -> int:
    """Resource elements that one CSI-RS transmission occupies (TS 38.211, 7.4.1.5.3).

    Code division within a CDM group shares resource elements but spreads every port over as many, so the count is
    ports x density x blocks. With a density of 1/n the CSI-RS is in every n-th block, counted from the first.

    Args:
        ports: one of `CSI_RS_PORTS`.
        density: one of `CSI_RS_DENSITIES`.
        blocks: resource blocks that the CSI-RS spans, 1 to 275.

    Raises:
        ConfigurationError: an argument is outside its range.
    """
    check_choice("ports", ports, CSI_RS_PORTS)
    check_choice("density", float(density), CSI_RS_DENSITIES)
    check_number("blocks", blocks, 1, 275, integer=True)
    return ports * -(-blocks // round(1 / density))


def data_resource_elements(
    slots: torch.Tensor, symbols: torch.Tensor, blocks: int, dmrs_additional: torch.Tensor
) -> torch.Tensor:
    """Resource elements for data of a UE in `slots` slots with `symbols` downlink symbols, CSI-RS not yet taken off.

    A block has 12 subcarriers. In each slot PDCCH takes the first symbol (TS 38.211, 7.3.2). DM-RS takes one and as
    many more as there are additional positions (see `dmrs.DMRS_SYMBOLS`), in a special slot as in a whole one; a UE
    gets no data in its DM-RS symbols: the subcarriers that its own port leaves empty belong to the ports of the others.

    Args:
        slots, symbols: as `TddPattern.downlink` counts them, int64 of any shape.
        blocks: resource blocks of the carrier, 1 to 275.
        dmrs_additional: additional DM-RS positions, int64 from 0 to 3; broadcasts against `slots`.

    Returns:
        int64, the broadcast shape.

    Raises:
        ConfigurationError: `blocks` is outside its range.
    """
    check_number("blocks", blocks, 1, 275, integer=True)
    return (symbols - slots * (CONTROL_SYMBOLS + 1 + dmrs_additional)) * (blocks * SUBCARRIERS_PER_BLOCK)
