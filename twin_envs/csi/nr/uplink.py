"""What a report takes of the uplink: resource blocks of PUSCH by its bits and the UE's own rate."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, SYMBOLS_PER_SLOT, THERMAL_NOISE_DBM_HZ

PUSCH_DMRS_SYMBOLS = 2
"""DM-RS symbols of a slot of PUSCH: one, and one additional position (TS 38.211, table 6.4.1.1.3-3)."""
BLOCK_ELEMENTS = SUBCARRIERS_PER_BLOCK * SYMBOLS_PER_SLOT
"""Resource elements of a resource block in a slot: what a report is charged for each block."""
BLOCK_DATA_ELEMENTS = SUBCARRIERS_PER_BLOCK * (SYMBOLS_PER_SLOT - PUSCH_DMRS_SYMBOLS)
"""Those that carry the report."""
UPLINK_BITS_PER_RE_RANGE = (2 * 30 / 1024, 6 * 948 / 1024)
"""From the most robust format of PUSCH, QPSK with code rate 30/1024 (TS 38.214, table 5.1.3.1-3), to 64QAM with code
rate 948/1024 (table 5.1.3.1-1): 0.06 to 5.55 bits."""
AP_NOISE_FIGURE_DB = 5.0
"""Of the receiver of an AP."""
_COMPUTATION_SYMBOLS = {15e3: 37, 30e3: 69, 60e3: 140, 120e3: 140}
_CRC_BITS = 11
_SEGMENTED_BITS = 1013


class Grant(NamedTuple):
    """What reports take of the uplink.

    Attributes:
        blocks: resource blocks in each slot, int64.
        slots: uplink slots one after the other, int64.
    """

    blocks: torch.Tensor
    slots: torch.Tensor

    @property
    def block_slots(self) -> torch.Tensor:
        """Resource blocks in all, each for a slot."""
        return self.blocks * self.slots


def with_crc(bits: torch.Tensor) -> torch.Tensor:
    """Bits of control information and its CRC (TS 38.212, 6.3.2.2.1), int64 of the same shape.

    Up to 11 bits have none, up to 19 bits have 6, more have 11; from 1,013 bits on there are two code blocks, each with
    its own.
    """
    crc = torch.where(bits <= 11, 0, torch.where(bits <= 19, 6, _CRC_BITS))
    return bits + torch.where(bits >= _SEGMENTED_BITS, 2 * _CRC_BITS, crc)


def uplink_bits_per_re(
    gain: torch.Tensor, *, power_dbm: float, noise_dbm: float, blocks: int | torch.Tensor
) -> torch.Tensor:
    """Rate of a UE that spreads its whole power over `blocks` resource blocks: log2(1 + SNR), within PUSCH's rates.

    Args:
        gain: power gain from the UE to the AP's combiner, linear, of any shape: for maximum ratio combining the sum of
            |h|^2 over antennas.
        power_dbm: transmit power of the UE (power class 3: 23 dBm, TS 38.101-1, 6.2.1).
        noise_dbm: noise power at the AP in one subcarrier: thermal noise and noise figure.
        blocks: resource blocks, 1 or more; broadcasts against `gain`.

    Returns:
        bits per resource element within `UPLINK_BITS_PER_RE_RANGE`, the broadcast shape.

    Raises:
        ConfigurationError: `power_dbm` or `noise_dbm` is outside its range.
    """
    check_number("power_dbm", power_dbm, -50.0, 40.0)
    check_number("noise_dbm", noise_dbm, -180.0, 0.0)
    snr = gain * (10.0 ** ((power_dbm - noise_dbm) / 10.0)) / (blocks * SUBCARRIERS_PER_BLOCK)
    return torch.log2(1.0 + snr).clamp(*UPLINK_BITS_PER_RE_RANGE)


def noise_per_subcarrier_dbm(subcarrier_spacing_hz: float) -> float:
    """Noise power at an AP in one subcarrier [dBm]."""
    return THERMAL_NOISE_DBM_HZ + AP_NOISE_FIGURE_DB + 10 * math.log10(subcarrier_spacing_hz)


def csi_computation_slots(subcarrier_spacing_hz: float) -> int:
    """Slots that a UE has to make a report of a CSI-RS: Z' of TS 38.214, table 5.4-2, for other than wideband reports
    of few ports (Z'2), rounded up.

    Args:
        subcarrier_spacing_hz: of the carrier.

    Raises:
        ConfigurationError: the table does not have it.
    """
    check_choice("subcarrier_spacing_hz", float(subcarrier_spacing_hz), _COMPUTATION_SYMBOLS)
    return -(-_COMPUTATION_SYMBOLS[subcarrier_spacing_hz] // SYMBOLS_PER_SLOT)


def grant(bits: torch.Tensor, gain: torch.Tensor, *, power_dbm: float, noise_dbm: float, carrier_blocks: int) -> Grant:
    """The fewest resource blocks of one slot that carry reports, CRC and DM-RS counted.

    A UE that cannot send its report in one slot, even with all blocks, repeats it in as many slots as it needs.

    Args:
        bits: of the reports, int64 [...].
        gain: as for `uplink_bits_per_re`, [...]; 0 where the AP does not hear the UE.
        power_dbm, noise_dbm: as there.
        carrier_blocks: resource blocks of the carrier, 1 to 275.

    Raises:
        ConfigurationError: a number is outside its range.
    """
    check_number("carrier_blocks", carrier_blocks, 1, 275, integer=True)
    blocks = torch.arange(1, carrier_blocks + 1, device=bits.device)
    rate = uplink_bits_per_re(gain[..., None], power_dbm=power_dbm, noise_dbm=noise_dbm, blocks=blocks)
    carried = rate * blocks * BLOCK_DATA_ELEMENTS  # grows with the blocks
    sent = with_crc(bits)[..., None]
    number = (carried < sent).sum(-1) + 1
    slots = torch.ceil(sent[..., 0] / carried[..., -1]).long().clamp_min(1)
    return Grant(torch.where(slots > 1, carrier_blocks, number.clamp_max(carrier_blocks)), slots)
