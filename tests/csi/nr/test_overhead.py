"""Resource-element accounting against counts made by hand from TS 38.211."""

import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.overhead import (
    CSI_RS_DENSITIES,
    CSI_RS_PORTS,
    UPLINK_BITS_PER_RE_RANGE,
    csi_rs_resource_elements,
    data_resource_elements,
    feedback_resource_elements,
    uplink_bits_per_re,
    uplink_opportunities,
)


def test_32_ports_at_density_1_take_19_percent_of_a_slot() -> None:
    assert csi_rs_resource_elements(32, 1, 48) == 1536
    assert csi_rs_resource_elements(32, 1, 48) / (48 * 12 * 14) == pytest.approx(0.19, abs=0.001)


@pytest.mark.parametrize("ports", CSI_RS_PORTS)
@pytest.mark.parametrize("density", CSI_RS_DENSITIES)
@pytest.mark.parametrize("blocks", [4, 48, 51])
def test_csi_rs_counted_block_by_block(ports: int, density: float, blocks: int) -> None:
    count = sum(ports for block in range(blocks) if block % round(1 / density) == 0)
    assert csi_rs_resource_elements(ports, density, blocks) == count


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((3, 1, 48), "ports"), ((32, 0.3, 48), "density"), ((32, 1, 0), "blocks"), ((32, 1, 276), "blocks")],
)
def test_csi_rs_that_does_not_exist_is_refused(arguments: tuple[int, float, int], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        csi_rs_resource_elements(*arguments)


def test_feedback_is_rounded_up_to_whole_resource_elements() -> None:
    bits = torch.tensor([0, 1, 64, 65, 512])
    assert feedback_resource_elements(bits, torch.tensor(2.0)).tolist() == [0, 1, 32, 33, 256]
    rate = torch.tensor([0.0586, 0.5, 1.7, 5.5])[:, None]
    cost = feedback_resource_elements(bits, rate)
    assert cost.shape == (4, 5)
    assert cost.dtype == torch.int64
    assert ((cost * rate >= bits - 1e-3) & ((cost - 1) * rate < bits)).all()


def test_a_report_takes_whole_opportunities_of_the_uplink() -> None:
    bits = torch.tensor([1, 71, 142, 143, 263, 519, 1024])
    assert uplink_opportunities(bits, 71).tolist() == [1, 1, 2, 3, 4, 8, 15]
    assert uplink_opportunities(bits, 1024).tolist() == [1] * 7


def test_a_dm_rs_symbol_takes_7_percent_of_the_slot() -> None:
    slots = torch.tensor([0, 1, 320])
    by_position = data_resource_elements(slots[:, None], 51, torch.arange(4))
    assert by_position[1].tolist() == [51 * 12 * symbols for symbols in (12, 11, 10, 9)]  # one of control, one of DM-RS
    assert (by_position == slots[:, None] * by_position[1]).all()
    assert by_position[1].diff() / (51 * 12 * 14) == pytest.approx([-0.0714] * 3, abs=0.0001)


def test_a_carrier_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^blocks must be"):
        data_resource_elements(torch.tensor([1]), 0, torch.tensor([0]))


def test_uplink_rate_is_shannons_between_the_slowest_and_the_fastest_format() -> None:
    gain = torch.logspace(-17, -6, 50)
    rate = uplink_bits_per_re(gain, power_dbm=23.0, noise_dbm=-124.0, blocks=4)
    low, high = UPLINK_BITS_PER_RE_RANGE
    for g, r in zip(gain.tolist(), rate.tolist()):
        # 200 mW over 48 subcarriers against the noise of one
        snr = g * 10 ** (23.0 / 10) / 48 / 10 ** (-124.0 / 10)
        assert r == pytest.approx(min(max(math.log2(1 + snr), low), high), rel=1e-4)
    assert rate[0] == pytest.approx(0.0586, abs=1e-4)
    assert rate[-1] == pytest.approx(5.5547, abs=1e-4)


def test_a_ue_at_full_power_feeds_back_slower_over_more_blocks() -> None:
    gain = torch.tensor([1e-13, 1e-12])
    narrow, wide = (uplink_bits_per_re(gain, power_dbm=23.0, noise_dbm=-124.0, blocks=n) for n in (4, 16))
    assert (wide < narrow).all()
    assert (16 * wide > 4 * narrow).all()  # but more bits in all: capacity grows with bandwidth


@pytest.mark.parametrize(
    ("options", "field"),
    [({"power_dbm": 200.0}, "power_dbm"), ({"noise_dbm": 5.0}, "noise_dbm"), ({"blocks": 0}, "blocks")],
)
def test_an_uplink_that_does_not_exist_is_refused(options: dict, field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        uplink_bits_per_re(torch.ones(1), **{"power_dbm": 23.0, "noise_dbm": -124.0, "blocks": 4, **options})
