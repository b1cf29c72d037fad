"""What a report takes of the uplink, against counts made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.uplink import (
    BLOCK_DATA_ELEMENTS,
    BLOCK_ELEMENTS,
    UPLINK_BITS_PER_RE_RANGE,
    csi_computation_slots,
    grant,
    noise_per_subcarrier_dbm,
    uplink_bits_per_re,
    with_crc,
)

LEVELS = {"power_dbm": 23.0, "noise_dbm": -124.0}


def test_a_block_has_168_elements_of_which_144_carry_the_report() -> None:
    assert (BLOCK_ELEMENTS, BLOCK_DATA_ELEMENTS) == (12 * 14, 12 * 12)


def test_crc_bits_are_those_of_the_standard() -> None:
    bits = torch.tensor([1, 11, 12, 19, 20, 519, 1012, 1013])
    assert (with_crc(bits) - bits).tolist() == [0, 0, 6, 6, 11, 11, 11, 22]


def test_noise_is_thermal_noise_and_noise_figure() -> None:
    assert noise_per_subcarrier_dbm(30e3) == pytest.approx(
        10 * math.log10(1.380649e-23 * 290 * 30e3 * 1e3) + 5, abs=0.01
    )


def test_rate_is_shannons_between_the_slowest_and_the_fastest_format() -> None:
    gain = torch.logspace(-17, -6, 50)
    rate = uplink_bits_per_re(gain, blocks=4, **LEVELS)
    low, high = UPLINK_BITS_PER_RE_RANGE
    for g, r in zip(gain.tolist(), rate.tolist(), strict=True):
        snr = g * 10 ** (23.0 / 10) / 48 / 10 ** (-124.0 / 10)  # 200 mW over 48 subcarriers against the noise of one
        assert r == pytest.approx(min(max(math.log2(1 + snr), low), high), rel=1e-4)
    assert rate[0] == pytest.approx(0.0586, abs=1e-4)
    assert rate[-1] == pytest.approx(5.5547, abs=1e-4)


@pytest.mark.parametrize("bits", [64, 519, 2000])
def test_a_report_takes_the_fewest_blocks_that_carry_it(bits: int) -> None:
    gain = torch.logspace(-17, -9, 60)
    got = grant(torch.full((60,), bits), gain, carrier_blocks=51, **LEVELS)
    for g, blocks, slots in zip(gain.tolist(), got.blocks.tolist(), got.slots.tolist(), strict=True):

        def carried(number: int, g: float = g) -> float:
            snr = g * 10 ** (23.0 / 10) / (12 * number) / 10 ** (-124.0 / 10)
            return 144 * number * min(max(math.log2(1 + snr), 2 * 30 / 1024), 6 * 948 / 1024)

        sent = bits + (22 if bits >= 1013 else 11)
        if slots == 1:
            assert carried(blocks) >= sent * (1 - 1e-5)
            assert blocks == 1 or carried(blocks - 1) < sent * (1 + 1e-5)
        else:
            assert blocks == 51
            assert carried(51) * (slots - 1) < sent <= carried(51) * slots * (1 + 1e-5)
    assert (got.block_slots.diff() <= 0).all()  # who is heard better never takes more
    assert (got.slots[0] > 1) == (bits > 64)
    assert got.blocks[-1] == -(-(bits + (22 if bits >= 1013 else 11)) // (144 * UPLINK_BITS_PER_RE_RANGE[1]))


def test_a_ue_that_is_not_heard_sends_in_the_most_robust_format() -> None:
    got = grant(torch.tensor([64]), torch.zeros(1), carrier_blocks=51, **LEVELS)
    assert got.block_slots.item() == math.ceil(75 / (144 * 2 * 30 / 1024))


@pytest.mark.parametrize(
    ("options", "field"),
    [({"power_dbm": 200.0}, "power_dbm"), ({"noise_dbm": 5.0}, "noise_dbm"), ({"carrier_blocks": 0}, "carrier_blocks")],
)
def test_an_uplink_that_does_not_exist_is_refused(options: dict, field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        grant(torch.tensor([64]), torch.ones(1), **{"carrier_blocks": 51, **LEVELS, **options})


@pytest.mark.parametrize(("spacing_khz", "symbols"), [(15, 37), (30, 69), (60, 140), (120, 140)])
def test_a_ue_has_whole_slots_to_compute_its_report(spacing_khz: int, symbols: int) -> None:
    """Symbols by hand from TS 38.214, table 5.4-2."""
    slots = csi_computation_slots(spacing_khz * 1e3)
    assert 14 * (slots - 1) < symbols <= 14 * slots


def test_a_spacing_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="subcarrier_spacing_hz must be one of"):
        csi_computation_slots(45e3)
