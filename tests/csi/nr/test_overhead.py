"""Resource-element accounting against counts made by hand from TS 38.211."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.overhead import (
    CSI_RS_DENSITIES,
    CSI_RS_PORTS,
    csi_rs_resource_elements,
    data_resource_elements,
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


def test_a_dm_rs_symbol_takes_7_percent_of_the_slot() -> None:
    slots = torch.tensor([0, 1, 320])
    by_position = data_resource_elements(slots[:, None], 14 * slots[:, None], 51, torch.arange(4))
    assert by_position[1].tolist() == [51 * 12 * symbols for symbols in (12, 11, 10, 9)]  # one of control, one of DM-RS
    assert (by_position == slots[:, None] * by_position[1]).all()
    assert by_position[1].diff() / (51 * 12 * 14) == pytest.approx([-0.0714] * 3, abs=0.0001)


def test_five_slots_of_dddsu_counted_by_hand() -> None:
    """Three slots of 14 symbols and one of 10, in each one symbol of PDCCH and two of DM-RS."""
    elements = data_resource_elements(torch.tensor([4]), torch.tensor([52]), 51, torch.tensor([1]))
    assert elements.item() == (3 * 11 + 7) * 51 * 12


def test_a_carrier_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^blocks must be"):
        data_resource_elements(torch.tensor([1]), torch.tensor([14]), 0, torch.tensor([0]))
