"""What CSI costs: resource elements of pilots, feedback and data in an NR cell."""

from __future__ import annotations

import torch

from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, SYMBOLS_PER_SLOT
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS

CSI_RS_PORTS = (1, 2, 4, 8, 12, 16, 24, 32)
"""Ports of a CSI-RS resource (TS 38.211, table 7.4.1.5.3-1)."""
CSI_RS_DENSITIES = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Resource elements per port and resource block. NR has 1 and 1/2 (for CSI); the others are for study."""
UPLINK_BITS_PER_RE_RANGE = (2 * 30 / 1024, 6 * 948 / 1024)
"""From the most robust format of PUSCH, QPSK with code rate 30/1024 (TS 38.214, table 5.1.3.1-3), to 64QAM with code
rate 948/1024 (table 5.1.3.1-1): 0.06 to 5.55 bits."""


REPORT_BLOCKS = 4
"""Resource blocks over which a UE spreads its power when it reports."""
AP_NOISE_FIGURE_DB = 5.0
"""Of the receiver of an AP."""


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


def feedback_resource_elements(bits: torch.Tensor, uplink_bits_per_re: torch.Tensor) -> torch.Tensor:
    """Uplink resource elements that a report of `bits` takes at the UE's rate, rounded up.

    Args:
        bits: integers of any shape.
        uplink_bits_per_re: greater than 0, from `uplink_bits_per_re`; broadcasts against `bits`.

    Returns:
        int64, the broadcast shape.
    """
    return torch.ceil(bits / uplink_bits_per_re).long()


def uplink_opportunities(bits: torch.Tensor, carried_bits: int) -> torch.Tensor:
    """Opportunities of the uplink, each for `carried_bits` bits, that reports of `bits` take, of the same shape."""
    return (bits + carried_bits - 1) // carried_bits


def data_resource_elements(slots: torch.Tensor, blocks: int, dmrs_additional: torch.Tensor) -> torch.Tensor:
    """Resource elements for data of a UE in `slots` downlink slots, CSI-RS not yet taken off.

    A slot has 14 symbols of 12 subcarriers in each block. PDCCH takes the first (TS 38.211, 7.3.2). DM-RS takes one and
    as many more as there are additional positions (see `dmrs.DMRS_SYMBOLS`); a UE gets no data in its DM-RS symbols:
    the subcarriers that its own port leaves empty belong to the ports of the others.

    Args:
        slots: number of slots, int64 of any shape.
        blocks: resource blocks of the carrier, 1 to 275.
        dmrs_additional: additional DM-RS positions, int64 from 0 to 3; broadcasts against `slots`.

    Returns:
        int64, the broadcast shape.

    Raises:
        ConfigurationError: `blocks` is outside its range.
    """
    check_number("blocks", blocks, 1, 275, integer=True)
    return slots * (blocks * SUBCARRIERS_PER_BLOCK) * (SYMBOLS_PER_SLOT - CONTROL_SYMBOLS - 1 - dmrs_additional)


def uplink_bits_per_re(gain: torch.Tensor, *, power_dbm: float, noise_dbm: float, blocks: int) -> torch.Tensor:
    """Rate of a UE's report: log2(1 + SNR), within the rates of PUSCH.

    The UE spreads its whole power over the resource blocks of the report.

    Args:
        gain: power gain from the UE to the AP's combiner, linear, of any shape: for maximum ratio combining the sum of
            |h|^2 over antennas.
        power_dbm: transmit power of the UE (power class 3: 23 dBm, TS 38.101-1, 6.2.1).
        noise_dbm: noise power at the AP in one subcarrier: thermal noise and noise figure.
        blocks: resource blocks that the report occupies, 1 to 275.

    Returns:
        bits per resource element within `UPLINK_BITS_PER_RE_RANGE`, the shape of `gain`.

    Raises:
        ConfigurationError: a number is outside its range.
    """
    check_number("power_dbm", power_dbm, -50.0, 40.0)
    check_number("noise_dbm", noise_dbm, -180.0, 0.0)
    check_number("blocks", blocks, 1, 275, integer=True)
    snr = gain * (10.0 ** ((power_dbm - noise_dbm) / 10.0) / (blocks * SUBCARRIERS_PER_BLOCK))
    return torch.log2(1.0 + snr).clamp(*UPLINK_BITS_PER_RE_RANGE)
