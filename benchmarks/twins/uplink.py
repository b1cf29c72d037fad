"""What the weights of a federated twin take of the uplink, beside CSI reports.

Privileged: sends reports of real channels (see `READS_REALITY`).
"""

from __future__ import annotations

import torch

from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.etype2.codebook import from_site
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.nr.uplink import (
    BLOCK_DATA_ELEMENTS,
    grant,
    noise_per_subcarrier_dbm,
    uplink_bits_per_re,
    with_crc,
)
from twin_envs.world.store.site import Site

UE_POWER_DBM = 23.0
"""Power class 3 (TS 38.101-1, 6.2.1)."""
PERIOD_SLOTS = 20
"""Between two reports of a UE."""
_CHANNELS = 256


def left_over(site: Site, seed: int) -> dict[str, float]:
    """What is left of the uplink of CSI reports by enhanced Type II.

    Resources are granted for the most that a report may hold, in whole resource blocks; what it does not hold can carry
    something else.

    Returns:
        `granted_bits` and `sent_bits` of a report; `left_bits`, mean over UEs of what its resource blocks could carry
        beside it; `reports_per_s` of a UE; `airtime_s` and `energy_j` for each megabit that a UE sends beside reports
        in blocks of its own.
    """
    device = site.device
    codec, sampler = from_site(site, device), ChannelSampler(site, site.reality("reality"), True)
    h = sampler(_CHANNELS, torch.Generator(device).manual_seed(seed))
    side = SideInformation(
        codeword_bits=torch.full((len(h),), max(codec.codeword_lengths), dtype=torch.int64, device=device)
    )
    granted, sent = codec.bits(side.codeword_bits), codec.sent_bits(codec.encode(h, side), side)
    spacing_hz = site.recipe.subcarrier_spacing_hz
    gain = squared_magnitude(h).sum(-1).mean(-1)
    radio = {"power_dbm": UE_POWER_DBM, "noise_dbm": noise_per_subcarrier_dbm(spacing_hz)}
    blocks = grant(granted, gain, carrier_blocks=site.recipe.carrier_blocks, **radio).block_slots
    carried = uplink_bits_per_re(gain, blocks=blocks, **radio) * blocks * BLOCK_DATA_ELEMENTS
    left = (carried - with_crc(sent)).clamp_min(0)
    slot_s = 1e-3 * 15e3 / spacing_hz
    million = torch.full_like(granted, 1_000_000)
    slots = grant(million, gain, carrier_blocks=site.recipe.carrier_blocks, **radio).slots
    airtime_s = float(slots.float().mean()) * slot_s
    return {
        "granted_bits": float(granted.float().mean()),
        "sent_bits": float(sent.float().mean()),
        "left_bits": float(left.mean()),
        "reports_per_s": 1 / (PERIOD_SLOTS * slot_s),
        "airtime_s": airtime_s,
        "energy_j": airtime_s * 10 ** ((UE_POWER_DBM - 30) / 10),
    }


def cost(bits: float, left: dict[str, float]) -> dict[str, float]:
    """What a UE's `bits` of weights take: how long they last on what reports leave, how many reports by Type II are as
    long, and the energy in blocks of their own."""
    return {
        "bits": bits,
        "seconds_beside_reports": bits / (left["left_bits"] * left["reports_per_s"]),
        "reports_worth": bits / left["sent_bits"],
        "energy_j": bits / 1e6 * left["energy_j"],
    }
