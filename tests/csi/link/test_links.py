"""The NR link against sionna.sys itself, the MCS table of TS 38.214 and Shannon's bound."""

import pytest
import torch
from sionna.sys import InnerLoopLinkAdaptation, PHYAbstraction

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.link import OFFSET_RANGE_DB, Delivery, Link, NrLink, ShannonLink

SUBBANDS, REPEATS = 12, 50
PDSCH = 1


@pytest.fixture(scope="module")
def abstraction() -> PHYAbstraction:
    return PHYAbstraction(device="cpu")


@pytest.fixture(scope="module")
def link() -> NrLink:
    return NrLink()


def selective_sinr(rows: int, mean_db: torch.Tensor, seed: int = 0, spread_db: float = 3.0) -> torch.Tensor:
    noise = torch.randn(rows, SUBBANDS, generator=torch.Generator().manual_seed(seed))
    return 10 ** ((mean_db[:, None] + spread_db * noise) / 10)


def flat(sinr_db: torch.Tensor) -> torch.Tensor:
    return (10 ** (sinr_db / 10))[:, None].expand(-1, SUBBANDS)


def as_sionna(sinr: torch.Tensor) -> torch.Tensor:
    """[M, F] -> [symbols, subcarriers, users, streams]: every subband stands for `REPEATS` resource elements."""
    return sinr.T[None, :, :, None].expand(REPEATS, -1, -1, 1)


def ones(rows: int) -> torch.Tensor:
    return torch.ones(rows)


@pytest.mark.parametrize("mcs_table", [1, 2])
def test_blocks_are_lost_and_bits_delivered_as_in_sionna(abstraction: PHYAbstraction, mcs_table: int) -> None:
    link = NrLink(mcs_table=mcs_table, resource_elements=SUBBANDS * REPEATS, retransmissions=0)
    generator = torch.Generator().manual_seed(1)
    lowest = {1: 3, 2: 2}[mcs_table]  # of which sionna has a curve
    mcs = torch.randint(lowest, len(link.bits_per_re), (2000,), generator=generator)
    sinr = selective_sinr(2000, torch.rand(2000, generator=generator) * 40 - 10)
    decoded_bits, harq, _, tbler, _ = abstraction(
        mcs, sinr=as_sionna(sinr), mcs_table_index=mcs_table, mcs_category=PDSCH
    )
    delivery = link.deliver(mcs, sinr, torch.rand(2000, 1, generator=generator))
    # Rounding may put a SINR that lies on the border of two points of the grid on either side.
    same = (delivery.bler - tbler.clamp(max=1.0)).abs() < 1e-5
    assert same.float().mean() > 0.995
    both = (harq == 1) & (delivery.acknowledged == 1)
    assert both.float().mean() > 0.3
    torch.testing.assert_close(delivery.bits_per_re[both] * SUBBANDS * REPEATS, decoded_bits[both].float())


@pytest.mark.parametrize("bler_target", [0.01, 0.1, 0.3])
def test_the_inner_loop_is_sionnas(abstraction: PHYAbstraction, bler_target: float) -> None:
    link = NrLink(bler_target=bler_target, resource_elements=SUBBANDS * REPEATS)
    sinr = selective_sinr(500, torch.linspace(-8.0, 32.0, 500), seed=2)
    inner_loop = InnerLoopLinkAdaptation(abstraction, bler_target=bler_target, device="cpu")
    expected = inner_loop(sinr=as_sionna(sinr), mcs_table_index=2, mcs_category=PDSCH)
    mcs = link.choose_mcs(sinr, torch.zeros(500))
    assert mcs.dtype == torch.int64
    known = mcs >= 2  # sionna has no curves of the lower ones and takes MCS 2 there
    assert (mcs == expected)[known].float().mean() > 0.99
    assert (expected[~known] <= 2).all()
    assert 0 < (~known).sum() < 100
    assert len(mcs.unique()) > 20


def test_the_offset_is_taken_off_the_effective_sinr(link: NrLink) -> None:
    sinr_db = torch.linspace(-5.0, 28.0, 500) + 0.013  # off the borders of the grid
    offset_db = torch.full((500,), 3.7)
    shifted = link.choose_mcs(flat(sinr_db), offset_db)
    assert torch.equal(shifted, link.choose_mcs(flat(sinr_db - 3.7), torch.zeros(500)))
    assert (shifted < link.choose_mcs(flat(sinr_db), torch.zeros(500))).any()


def test_the_mcs_grows_with_the_sinr_from_the_lowest_to_the_highest(link: NrLink) -> None:
    mcs = link.choose_mcs(flat(torch.linspace(-40.0, 60.0, 2000)), torch.zeros(2000))
    assert (mcs.diff() >= 0).all()
    assert mcs[0] == 0
    assert mcs[-1] == 26  # sionna's curve of MCS 27 ends above the target


def test_the_target_is_met_where_the_cell_knows_the_sinr(link: NrLink) -> None:
    sinr = selective_sinr(4000, torch.linspace(3.0, 40.0, 4000), seed=3)
    mcs = link.choose_mcs(sinr, torch.zeros(4000))
    bler = link.deliver(mcs, sinr, ones(4000)[:, None]).bler
    assert (bler <= 0.1).float().mean() > 0.995
    above = torch.stack([link.deliver((mcs + n).clamp(max=27), sinr, ones(4000)[:, None]).bler for n in range(1, 26)])
    reachable = mcs < 27
    assert (above[:, reachable] > 0.1).all(0).float().mean() > 0.995


def test_stale_csi_costs_the_block(link: NrLink) -> None:
    expected_db = torch.linspace(8.0, 24.0, 100)
    mcs = link.choose_mcs(flat(expected_db), torch.zeros(100))
    for loss_db, delivered in ((3.0, 0.5), (7.0, 0.0)):  # two receptions are worth 3 dB
        delivery = link.deliver(mcs, flat(expected_db - loss_db), torch.full((100, 1), 0.5))
        assert (delivery.bler > 0.9).all()
        assert not delivery.acknowledged.any()
        assert torch.equal(delivery.bits_per_re, delivered * link.bits_per_re[mcs])


def test_a_selective_channel_is_worth_less_than_its_mean_and_more_than_its_worst_subband(link: NrLink) -> None:
    sinr = selective_sinr(1000, torch.linspace(3.0, 18.0, 1000), seed=4)
    zero = torch.zeros(1000)
    mcs = link.choose_mcs(sinr, zero)
    of_mean = link.choose_mcs(sinr.mean(-1, keepdim=True).expand_as(sinr), zero)
    of_worst = link.choose_mcs(sinr.amin(-1, keepdim=True).expand_as(sinr), zero)
    assert ((of_worst <= mcs) & (mcs <= of_mean)).all()
    assert (mcs < of_mean).float().mean() > 0.5
    assert (mcs > of_worst).float().mean() > 0.5


def test_rates_are_those_of_the_mcs_table(link: NrLink) -> None:
    nominal = {2: 0.6016, 4: 1.1758, 5: 1.4766, 10: 2.5703, 11: 2.7305, 19: 5.1152, 20: 5.3320, 26: 7.1602}
    for mcs, bits_per_re in nominal.items():  # TS 38.214, table 5.1.3.1-2; block sizes are quantised
        assert link.bits_per_re[mcs].item() == pytest.approx(bits_per_re, rel=0.02)


def test_no_mcs_beats_shannon(link: NrLink) -> None:
    sinr_db = torch.linspace(-10.0, 40.0, 501)
    capacity = ShannonLink().deliver(torch.zeros(501).long(), flat(sinr_db), ones(501)).bits_per_re
    for mcs in range(28):
        expected = link.bits_per_re[mcs] * (1 - link.deliver(torch.full((501,), mcs), flat(sinr_db), ones(501)).bler)
        assert (expected <= capacity).all()
    best = link.choose_mcs(flat(sinr_db), torch.zeros(501))
    achieved = link.deliver(best, flat(sinr_db), ones(501)).bits_per_re
    middle = (sinr_db > 3.0) & (sinr_db < 23.0)
    assert (achieved[middle] > 0.6 * capacity[middle]).all()


def test_the_uniform_number_decides_with_the_probability_of_the_bler(link: NrLink) -> None:
    mcs, sinr = torch.full((10_000,), 14), flat(torch.full((10_000,), 12.6))
    delivery = link.deliver(mcs, sinr, ((torch.arange(10_000) + 0.5) / 10_000)[:, None])
    bler = delivery.bler[0].item()
    assert 0.1 < bler < 0.9
    assert delivery.acknowledged.mean().item() == pytest.approx(1 - bler, abs=1e-3)
    once = NrLink(retransmissions=0).deliver(mcs, sinr, ((torch.arange(10_000) + 0.5) / 10_000)[:, None])
    assert once.bits_per_re.mean().item() == pytest.approx((1 - bler) * link.bits_per_re[14].item(), rel=1e-2)


def test_goodput_is_what_each_mcs_delivers_on_average() -> None:
    sinr = selective_sinr(40, torch.linspace(-5, 30, 40), seed=8)
    uniform = ((torch.arange(2000) + 0.5) / 2000).expand(40, -1)
    for retransmissions in (0, 1):
        link = NrLink(retransmissions=retransmissions)
        goodput = link.goodput(sinr)
        for mcs in range(len(link.bits_per_re)):
            sent = link.deliver(torch.full((40,), mcs), sinr, uniform)
            torch.testing.assert_close(goodput[:, mcs], sent.bits_per_re, rtol=0, atol=2e-3)
    assert (goodput.amax(-1) < ShannonLink().goodput(sinr)[:, 0]).all()
    best = goodput.argmax(-1)
    assert (best.diff() >= 0).float().mean() > 0.8  # a better channel carries a higher MCS
    assert best[-1] > 20


@pytest.mark.parametrize("bler_target", [0.02, 0.1, 0.3])
def test_the_outer_loop_holds_the_target_when_the_cell_is_too_hopeful(bler_target: float) -> None:
    link, generator = NrLink(bler_target=bler_target, step_up_db=1.0), torch.Generator().manual_seed(5)
    true_db = torch.linspace(8.0, 18.0, 64)
    expected = flat(true_db + 6.0)
    offset_db, lost = torch.zeros(64), []
    for step in range(800):
        uniform = torch.rand(64, 1, generator=generator)
        jitter_db = torch.randn(64, generator=generator)
        delivery = link.deliver(link.choose_mcs(expected, offset_db), flat(true_db + jitter_db), uniform)
        offset_db = link.outer_loop(offset_db, delivery.acknowledged, ones(64))
        if step >= 200:
            lost.append(1 - delivery.acknowledged)
    assert torch.stack(lost).mean().item() == pytest.approx(bler_target, abs=0.01)
    assert 4.0 < offset_db.mean() < 14.0


def test_outer_loop_steps_and_range(link: NrLink) -> None:
    offset_db = torch.tensor([0.0, 0.0, 0.0, 0.0, 19.9, -19.999])
    acknowledged = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    blocks = torch.tensor([1.0, 1.0, 0.0, 0.5, 1.0, 1.0])
    low, high = OFFSET_RANGE_DB
    torch.testing.assert_close(
        link.outer_loop(offset_db, acknowledged, blocks), torch.tensor([-0.2 / 9, 0.2, 0.0, 0.1, high, low])
    )


@pytest.mark.parametrize("bler_target", [0.001, 0.01, 0.1, 0.5])
def test_the_outer_loop_rests_at_the_target_and_wanders_as_much_at_any(bler_target: float) -> None:
    link = NrLink(bler_target=bler_target)
    down, up = link.outer_loop(torch.zeros(2), torch.tensor([1.0, 0.0]), ones(2)).tolist()
    assert bler_target * up + (1 - bler_target) * down == pytest.approx(0.0, abs=1e-6)
    assert (bler_target * up**2 + (1 - bler_target) * down**2) ** 0.5 == pytest.approx(0.2 / 3, rel=1e-4)


def test_the_fates_of_several_blocks_are_averaged(link: NrLink) -> None:
    mcs, sinr = torch.full((6,), 14), flat(torch.full((6,), 12.6))
    uniform = torch.rand(6, 7, generator=torch.Generator().manual_seed(9))
    together = link.deliver(mcs, sinr, uniform)
    singly = [link.deliver(mcs, sinr, uniform[:, k : k + 1]) for k in range(7)]
    torch.testing.assert_close(together.acknowledged, torch.stack([d.acknowledged for d in singly]).mean(0))
    sent = torch.stack([2.0 - d.acknowledged for d in singly])  # once, or twice
    bits = torch.stack([d.bits_per_re for d in singly]) * sent
    torch.testing.assert_close(together.bits_per_re, bits.sum(0) / sent.sum(0))


def test_a_lost_block_is_decoded_from_both_receptions_where_twice_the_sinr_would_have_sufficed() -> None:
    once, twice = NrLink(retransmissions=0), NrLink()
    sinr, mcs = selective_sinr(3000, torch.linspace(-10.0, 30.0, 3000), seed=10), torch.arange(3000) % 28
    uniform = torch.rand(3000, 1, generator=torch.Generator().manual_seed(11))
    first, both = once.deliver(mcs, sinr, uniform), twice.deliver(mcs, sinr, uniform)
    combined = once.deliver(mcs, 2 * sinr, uniform)
    assert torch.equal(first.acknowledged, both.acknowledged)
    assert torch.equal(first.bler, both.bler)
    at_first = first.acknowledged == 1
    torch.testing.assert_close(both.bits_per_re[at_first], twice.bits_per_re[mcs][at_first])
    torch.testing.assert_close(both.bits_per_re[~at_first], combined.bits_per_re[~at_first] / 2)
    assert 100 < (both.bits_per_re[~at_first] > 0).sum() < (~at_first).sum() - 100


def test_a_retransmission_never_costs_goodput_and_saves_what_is_just_lost() -> None:
    sinr = flat(torch.linspace(-12.0, 30.0, 421) + 0.03)
    once, twice = NrLink(retransmissions=0).goodput(sinr), NrLink().goodput(sinr)
    bler = 1 - once / NrLink().bits_per_re
    # With p of the first lost and q of both together: (1 - q) / (1 + p) >= 1 - p whenever q <= p^2.
    steep = NrLink(retransmissions=0).goodput(2 * sinr) >= NrLink().bits_per_re * (1 - bler**2)
    assert (twice >= once - 1e-6)[steep].all()
    assert steep.float().mean() > 0.99
    just_lost = (bler > 0.9) & (NrLink(retransmissions=0).goodput(2 * sinr) > 0.99 * NrLink().bits_per_re)
    assert just_lost.any(0)[:26].all()
    assert (twice > 0.49 * NrLink().bits_per_re)[just_lost].all()
    assert (twice.amax(-1) < ShannonLink().goodput(sinr)[:, 0]).all()


def share_of_genie(link: NrLink) -> float:
    """What the link delivers where the SINR is 4 dB below what the cell expects, give or take 2 dB, over what the best
    MCS of each moment would."""
    generator, offset_db = torch.Generator().manual_seed(13), torch.zeros(200)
    expected_db, delivered, possible = torch.linspace(3.0, 24.0, 200), 0.0, 0.0
    for _ in range(200):
        sinr = flat(expected_db - 4.0 + 2.0 * torch.randn(200, generator=generator))
        sent = link.deliver(
            link.choose_mcs(flat(expected_db), offset_db), sinr, torch.rand(200, 5, generator=generator)
        )
        offset_db = link.outer_loop(offset_db, sent.acknowledged, torch.tensor(10.0))
        delivered, possible = delivered + sent.bits_per_re.sum(), possible + link.goodput(sinr).amax(-1).sum()
    return float(delivered / possible)


def test_a_retransmission_brings_the_link_closer_to_a_genie_that_knows_the_best_mcs() -> None:
    once, twice = share_of_genie(NrLink(retransmissions=0)), share_of_genie(NrLink())
    assert 0.7 < once < twice - 0.02
    assert twice < 0.95


def test_a_ue_is_in_outage_where_no_mcs_meets_the_target() -> None:
    sinr = selective_sinr(800, torch.linspace(-15.0, 5.0, 800), seed=12)
    for bler_target in (0.01, 0.1):
        link = NrLink(bler_target=bler_target)
        bler = torch.stack([link.deliver(torch.full((800,), m), sinr, ones(800)[:, None]).bler for m in range(28)])
        assert torch.equal(link.in_outage(sinr), (bler > bler_target).all(0))
    assert 100 < link.in_outage(sinr).sum() < 700
    assert not ShannonLink().in_outage(sinr).any()


def test_a_ue_that_is_not_served_receives_nothing(link: NrLink) -> None:
    nothing = torch.zeros(3, SUBBANDS)
    delivery = link.deliver(link.choose_mcs(nothing, torch.zeros(3)), nothing, torch.full((3, 1), 0.999))
    assert (delivery.bits_per_re == 0).all()
    assert (delivery.bler == 1).all()


def test_shannons_link_delivers_the_capacity_and_loses_nothing() -> None:
    link, sinr = ShannonLink(), selective_sinr(50, torch.linspace(-20, 40, 50), seed=6)
    delivery = link.deliver(link.choose_mcs(sinr, torch.zeros(50)), sinr, torch.zeros(50, 1))
    expected = sum(torch.log2(1 + sinr[:, f]) for f in range(SUBBANDS)) / SUBBANDS
    torch.testing.assert_close(delivery.bits_per_re, expected)
    assert (delivery.acknowledged == 1).all()
    offset_db = torch.linspace(-3, 3, 50)
    assert torch.equal(link.outer_loop(offset_db, delivery.acknowledged, ones(50)), offset_db)


@pytest.mark.parametrize("make", [NrLink, ShannonLink])
def test_links_are_exchangeable_and_draw_no_random_numbers(make: type) -> None:
    before = torch.get_rng_state()
    link: Link = make()
    sinr = selective_sinr(24, torch.linspace(0, 30, 24)).view(2, 3, 4, SUBBANDS)
    mcs = link.choose_mcs(sinr, torch.zeros(2, 3, 4))
    delivery = link.deliver(mcs, sinr, torch.full((2, 3, 4, 5), 0.5))
    offset_db = link.outer_loop(torch.zeros(2, 3, 4), delivery.acknowledged, torch.ones(2, 3, 4))
    assert isinstance(delivery, Delivery)
    assert {mcs.shape, offset_db.shape, *(field.shape for field in delivery)} == {(2, 3, 4)}
    assert (mcs.dtype, delivery.acknowledged.dtype, delivery.bits_per_re.dtype) == (
        torch.int64,
        torch.float32,
        torch.float32,
    )
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"retransmissions": 2}, "retransmissions"),
        ({"bler_target": 0.0}, "bler_target"),
        ({"bler_target": 0.9}, "bler_target"),
        ({"mcs_table": 3}, "mcs_table"),
        ({"resource_elements": 10}, "resource_elements"),
        ({"step_up_db": -1.0}, "step_up_db"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        NrLink(**options)
