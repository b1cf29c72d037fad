"""Selection of the UEs that share a slot against a reference by brute force, and what NR's tables allow."""

import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.csi.scheduling import (
    AGGREGATION_LEVELS,
    aggregation_level,
    average_rate,
    control_elements,
    dmrs_ports,
    select_all,
    select_proportional_fair,
)

POWER = 2.0


def draw(*shape: int, seed: int = 0, spread_db: float = 20.0) -> torch.Tensor:
    """Channels [..., U, A] around two directions, so that UEs are in each other's way; path gains spread."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(*shape[:-2], 2, shape[-1], dtype=torch.complex64, generator=generator)
    own = torch.randn(*shape, dtype=torch.complex64, generator=generator)
    h = own + 1.5 * centre[..., torch.arange(shape[-2]) % 2, :]
    return h * (10 ** (torch.linspace(0.0, -spread_db, shape[-2]) / 20))[:, None]


def worth(h: np.ndarray, noise: np.ndarray, average: np.ndarray, members: list[int], most: int) -> float:
    """Of a set in one cell, h [F, U, A], from the definition and in double precision."""
    total = 0.0
    for f in range(len(h)):
        g = h[f, members].astype(np.complex128) / np.sqrt(noise[members])[:, None]
        snr = POWER * np.linalg.norm(g, axis=1) ** 2
        unit = g / np.linalg.norm(g, axis=1)[:, None]
        inverse = np.linalg.inv(unit @ unit.conj().T + np.diag(most / snr)).diagonal().real
        sinr = snr / len(members) * (1 / inverse - most / snr)
        total += (np.log2(1 + sinr) / average[members]).sum() / len(h)
    return total


def greedy(h: np.ndarray, noise: np.ndarray, average: np.ndarray, most: int) -> list[int]:
    """One UE after the other; the best set on the way."""
    members: list[int] = []
    sets = []
    while len(members) < most:
        others = [u for u in range(h.shape[1]) if u not in members]
        members = [*members, max(others, key=lambda u: worth(h, noise, average, [*members, u], most))]
        sets.append(members)
    return max(sets, key=lambda chosen: worth(h, noise, average, chosen, most))


@pytest.mark.parametrize("most", [7, 3])
def test_the_selection_is_the_greedy_one_of_the_definition(most: int) -> None:
    h = draw(30, 2, 7, 6)
    generator = torch.Generator().manual_seed(1)
    noise, average = 0.01 + torch.rand(30, 7, generator=generator), 0.2 + torch.rand(30, 7, generator=generator)
    mask = select_proportional_fair(h, noise, average, power=POWER, most=most)
    sizes = set()
    for cell in range(30):
        expected = greedy(h[cell].numpy(), noise[cell].numpy(), average[cell].numpy(), most)
        assert sorted(expected) == mask[cell].nonzero()[:, 0].tolist()
        sizes.add(len(expected))
    assert len(sizes) > 1 or most == 3


def test_the_selection_is_never_worth_less_than_all() -> None:
    h, noise, average = draw(50, 3, 6, 16, seed=2), torch.full((50, 6), 0.1), torch.ones(50, 6)
    mask = select_proportional_fair(h, noise, average, power=POWER, most=6)
    for cell in range(50):
        of = [h[cell].numpy(), noise[cell].numpy(), average[cell].numpy()]
        chosen = worth(*of, mask[cell].nonzero()[:, 0].tolist(), 6)
        assert chosen >= worth(*of, list(range(6)), 6) * (1 - 1e-5)


def test_ues_in_each_others_way_take_turns_and_the_cell_delivers_more() -> None:
    h, noise = draw(300, 2, 10, 10, seed=3), torch.full((300, 10), 0.05)
    mask = select_proportional_fair(h, noise, torch.ones(300, 10), power=POWER, most=12)
    assert 3 < mask.sum(-1).float().mean() < 9.5

    def rate(served: torch.Tensor) -> torch.Tensor:
        w = regularised_zero_forcing(h * served[:, None, :, None], noise, POWER)
        assert (w.abs().square().sum(-2).mean(1)[~served] == 0).all()
        return torch.log2(1 + signal_to_interference(h, w, noise)).sum(-1).mean()

    assert rate(mask) > 1.1 * rate(select_all(h))


def test_orthogonal_ues_with_a_good_channel_are_all_served_and_one_of_two_with_the_same() -> None:
    noise, average = torch.full((1, 4), 1e-4), torch.ones(1, 4)
    h = torch.eye(4, 8, dtype=torch.complex64)[None, None]
    assert select_proportional_fair(h, noise, average, power=1.0, most=4).all()
    h = h[:, :, [0, 1, 2, 2]]
    mask = select_proportional_fair(h, noise, average, power=1.0, most=4)
    assert mask[0, :2].all()
    assert mask[0, 2] ^ mask[0, 3]


def test_a_ue_without_csi_is_not_scheduled() -> None:
    h = draw(5, 2, 4, 8)
    h[1, :, 2] = 0.0
    h[3] = 0.0
    known = torch.ones(5, 4, dtype=torch.bool)
    known[1, 2] = known[3] = False
    assert torch.equal(select_all(h), known)
    for average in (torch.ones(5, 4), torch.zeros(5, 4)):
        mask = select_proportional_fair(h, torch.full((5, 4), 1e-3), average, power=1.0, most=4)
        assert not mask[~known].any()
        assert mask.any(-1).tolist() == [True, True, True, False, True]


def test_every_ue_is_served_in_time_and_weak_ones_get_more_than_by_the_sum_rate() -> None:
    h, noise = draw(20, 2, 8, 8, spread_db=40.0), torch.full((20, 8), 0.1)
    average, shares, rates = torch.zeros(20, 8), torch.zeros(20, 8), torch.zeros(20, 8)
    for _ in range(300):
        mask = select_proportional_fair(h, noise, average, power=POWER, most=6)
        w = regularised_zero_forcing(h * mask[:, None, :, None], noise, POWER)
        rate = torch.log2(1 + signal_to_interference(h, w, noise)).mean(1)
        average = average_rate(average, rate, torch.tensor(1.0), 20.0)
        shares, rates = shares + mask / 300, rates + rate / 300
    assert shares.min() > 0.05
    greedy_mask = select_proportional_fair(h, noise, torch.ones(20, 8), power=POWER, most=6)
    w = regularised_zero_forcing(h * greedy_mask[:, None, :, None], noise, POWER)
    by_sum = torch.log2(1 + signal_to_interference(h, w, noise)).mean(1)
    assert (rates + 1e-3).log().mean() > (by_sum + 1e-3).log().mean() + 0.5
    assert rates.sum() < by_sum.sum()


@pytest.mark.parametrize(("most", "budget"), [(10, 4), (2, 8), (10, 1), (10, 0)])
def test_the_set_keeps_within_ports_and_control_elements(most: int, budget: int) -> None:
    h, generator = draw(60, 2, 8, 16, seed=5), torch.Generator().manual_seed(6)
    elements = 2 ** torch.randint(0, 3, (60, 8), generator=generator)
    mask = select_proportional_fair(
        h, torch.full((60, 8), 1e-3), torch.ones(60, 8), power=POWER, most=most, elements=elements, budget=budget
    )
    assert (mask.sum(-1) <= most).all()
    assert ((mask * elements).sum(-1) <= budget).all()
    if budget:
        affordable = (elements <= budget).any(-1)
        assert torch.equal(mask.any(-1), affordable)
    ample = select_proportional_fair(
        h, torch.full((60, 8), 1e-3), torch.ones(60, 8), power=POWER, most=most, elements=elements, budget=10_000
    )
    free = select_proportional_fair(h, torch.full((60, 8), 1e-3), torch.ones(60, 8), power=POWER, most=most)
    assert torch.equal(ample, free)


def test_a_cell_is_scheduled_as_it_would_be_alone_and_units_do_not_matter() -> None:
    h, noise = draw(9, 2, 6, 8), torch.full((9, 6), 0.1)
    average = 0.5 + torch.rand(9, 6, generator=torch.Generator().manual_seed(0))
    mask = select_proportional_fair(h, noise, average, power=POWER, most=6)
    assert torch.equal(mask[4:5], select_proportional_fair(h[4:5], noise[4:5], average[4:5], power=POWER, most=6))
    scaled = select_proportional_fair(h * 1e-6, noise * 1e-12, average * 1e4, power=POWER, most=6)
    assert torch.equal(mask, scaled)


def test_the_average_forgets() -> None:
    average = torch.tensor([1.0, 0.0])
    stepwise = average
    for _ in range(8):
        stepwise = average_rate(stepwise, torch.tensor([0.0, 3.0]), torch.tensor(5.0), 40.0)
    at_once = average_rate(average, torch.tensor([0.0, 3.0]), torch.tensor(40.0), 40.0)
    torch.testing.assert_close(stepwise, at_once)
    torch.testing.assert_close(at_once, torch.tensor([math.exp(-1), 3 * (1 - math.exp(-1))]))


def test_ports_of_dm_rs() -> None:
    table = {(1, 1): 4, (1, 2): 8, (2, 1): 6, (2, 2): 12}  # TS 38.211, table 7.4.1.1.2-5, Release 15
    for (kind, symbols), ports in table.items():
        assert dmrs_ports(kind, symbols) == ports
        assert dmrs_ports(kind, symbols, release=18) == 2 * ports


def test_control_elements_of_a_carrier() -> None:
    assert [control_elements(blocks) for blocks in (24, 51, 106, 273)] == [4, 8, 17, 45]
    assert control_elements(51, symbols=3) == 24


def test_a_weak_ue_needs_more_control_elements() -> None:
    sinr = 10 ** (torch.linspace(-15.0, 20.0, 701) / 10)
    level = aggregation_level(sinr)
    assert (level.diff() <= 0).all()
    assert set(level.tolist()) == set(AGGREGATION_LEVELS)
    for value, used in zip(sinr.tolist(), level.tolist(), strict=True):
        carried = 54 * used * math.log2(1 + value / 10**0.3)
        half = 54 * used / 2 * math.log2(1 + value / 10**0.3)
        assert carried >= 84 - 1e-3 or used == 16
        assert half < 84 + 1e-3 or used == 1


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: dmrs_ports(3, 1), "dmrs_type"),
        (lambda: dmrs_ports(1, 3), "symbols"),
        (lambda: dmrs_ports(1, 1, 16), "release"),
        (lambda: control_elements(5), "blocks"),
        (lambda: control_elements(51, 4), "symbols"),
        (
            lambda: select_proportional_fair(draw(1, 1, 2, 2), torch.ones(1, 2), torch.ones(1, 2), power=1.0, most=0),
            "most",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(call, field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        call()
