"""Which UEs of a cell share a slot: greedy selection by proportional fairness, and what DM-RS and PDCCH allow."""

from __future__ import annotations

import torch

from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import squared_magnitude

DMRS_TYPES = (1, 2)
"""Configuration types of DM-RS (TS 38.211, 7.4.1.1.2): two groups of ports on every second subcarrier, or three on two
neighbours in six."""
RELEASES = (15, 18)
"""Releases of NR that brought DM-RS ports: the first, and the one with the enhanced types."""
AGGREGATION_LEVELS = (1, 2, 4, 8, 16)
"""Control channel elements that one PDCCH may take (TS 38.211, table 7.3.2.1-1)."""
DCI_BITS = 60 + 24
"""Bits of a PDCCH that schedules data: a DCI format 1_1 of 60 bits (TS 38.212, 7.3.1.2.2: by the fields that are
configured) with its CRC (7.3.2)."""
DCI_LOSS_DB = 3.0
"""How far PDCCH stays behind Shannon's bound: an assumption, for a short polar code of QPSK and an estimated channel,
at one loss in a hundred."""
_REGS_PER_CCE, _DATA_PER_REG = 6, 9  # TS 38.211, 7.3.2.2, and 7.4.1.3.2: DM-RS takes 3 of a REG's 12 resource elements
_LOADING_RANGE = (1e-5, 1e2)
"""Range of a UE's loading. Its upper end keeps single precision: a UE in so much noise is nulled by nobody anyway."""
_SMALLEST_SHARE = 1e-3
"""Of the largest average rate: a UE that has nothing yet counts as if it had so much."""


def dmrs_ports(dmrs_type: int, symbols: int, release: int = 15) -> int:
    """Orthogonal DM-RS ports of the downlink, and so the UEs of one layer that may share a slot.

    TS 38.211, tables 7.4.1.1.2-1 and -2, and -5: two code division groups of type 1, three of type 2, each with two
    ports in one symbol, four in two. The enhanced types of Release 18 have codes twice as long in frequency.

    Args:
        dmrs_type: one of `DMRS_TYPES`.
        symbols: front-loaded DM-RS symbols next to each other, 1 or 2.
        release: one of `RELEASES`.

    Raises:
        ConfigurationError: an argument is outside its range.
    """
    check_choice("dmrs_type", dmrs_type, DMRS_TYPES)
    check_choice("symbols", symbols, (1, 2))
    check_choice("release", release, RELEASES)
    groups, codes = 1 + dmrs_type, 2 * symbols
    return groups * codes * (2 if release >= 18 else 1)


def control_elements(blocks: int, symbols: int = 1) -> int:
    """Control channel elements (CCEs) of a control resource set that is as wide as the carrier.

    It is configured in groups of six resource blocks (TS 38.331, ControlResourceSet); a CCE is six resource element
    groups, each one block wide and one symbol long (TS 38.211, 7.3.2.2). So 51 blocks have 8 CCEs in a symbol.

    Args:
        blocks: resource blocks of the carrier, 6 to 275.
        symbols: of the control resource set, 1 to 3.

    Raises:
        ConfigurationError: an argument is outside its range.
    """
    check_number("blocks", blocks, 6, 275, integer=True)
    check_number("symbols", symbols, 1, 3, integer=True)
    return blocks // _REGS_PER_CCE * symbols


def aggregation_level(sinr: torch.Tensor) -> torch.Tensor:
    """CCEs that a UE's PDCCH needs: the least level whose resource elements carry `DCI_BITS` at this SINR.

    A CCE has 54 resource elements besides DM-RS. They carry log2(1 + SINR / loss) bits each, the loss `DCI_LOSS_DB`:
    level 1 from 5.9 dB on, 2 from 1.5 dB, 4 from -2.1 dB, 8 from -5.4 dB. A UE that 16 do not suffice has 16. That
    UEs may be in each other's way in the search spaces that they watch (TS 38.213, 10.1) is not counted.

    Args:
        sinr: of PDCCH, which no other UE of the cell disturbs, linear, real of any shape.

    Returns:
        one of `AGGREGATION_LEVELS`, int64, the shape of `sinr`.
    """
    needed = torch.tensor(
        [2.0 ** (DCI_BITS / (level * _REGS_PER_CCE * _DATA_PER_REG)) - 1.0 for level in AGGREGATION_LEVELS[:-1]],
        device=sinr.device,
    ) * 10.0 ** (DCI_LOSS_DB / 10.0)
    return 2 ** (sinr[..., None] < needed).sum(-1)


def select_all(h_hat: torch.Tensor) -> torch.Tensor:
    """Every UE that the cell has CSI of, bool [..., U], for h_hat complex [..., F, U, A]."""
    return (h_hat != 0).any(-1).any(-2)


def select_proportional_fair(
    h_hat: torch.Tensor,
    noise: torch.Tensor,
    average: torch.Tensor,
    *,
    power: float,
    most: int,
    elements: torch.Tensor | None = None,
    budget: int = 0,
) -> torch.Tensor:
    """The UEs that share the next slots, all over the band: whoever adds most to the cell's worth joins next.

    The worth of a set is the sum of its UEs' expected rates, each over the UE's average rate: proportional fairness
    (Kelly, Maulloo and Tan, J. Oper. Res. Soc. 49(3), 1998). Greedy selection for zero forcing: Dimic and
    Sidiropoulos, IEEE Trans. Signal Process. 53(10), 2005. The best of the sets on the way is taken, so the result is
    never worth less than all UEs where these are allowed.

    In a set of K UEs, one gets the SINR (power / K) (1 / [(G G^H + a)^(-1)]_uu - a_u), with the rows of G in units of
    each UE's noise and a = `most` / power: what is left of its channel where the others' are nulled, as far as noise
    lets it be worth it. The inverse grows by one UE in one sweep (Goodnight, Am. Stat. 33(3), 1979), so the selection
    costs O(most U^2). A few subbands may stand for all: half of them cost half the time.

    Args:
        h_hat: the CSI that the cell has, amplitude gains, complex64 [B, F, U, A]. A row of zeros is a UE without CSI.
        noise: power of noise and of what a UE is expected to catch because its CSI is not exact, float32 [B, U], more
            than 0.
        average: what each UE got on average, in any unit, float32 [B, U], from `average_rate`. All equal: the sum rate.
        power: transmit power of the cell in a resource element, in the unit of `noise`.
        most: UEs that may share a slot, 1 or more: `dmrs_ports`.
        elements: CCEs that each UE's PDCCH takes, int64 [B, U], from `aggregation_level`; None: PDCCH sets no limit.
        budget: CCEs that there are, from `control_elements`.

    Returns:
        mask of the scheduled, bool [B, U]. `regularised_zero_forcing(h_hat * mask[:, None, :, None], ...)` is their
        precoder, with columns of zeros for the others.

    Raises:
        ConfigurationError: `most` is outside its range.
    """
    check_number("most", most, 1, 10_000, integer=True)
    most = min(most, h_hat.shape[-2])
    has_csi, snr, loading, swept = _normalise(h_hat, noise, power, most)
    weight = _weights(average)
    itself = torch.eye(h_hat.shape[-2], dtype=torch.bool, device=h_hat.device)
    chosen = best = torch.zeros_like(has_csi)
    best_worth = torch.zeros_like(weight[:, 0])
    unspent = torch.full((len(weight), 1), budget, device=h_hat.device)
    for size in range(1, most + 1):
        may_join = has_csi & ~chosen
        if elements is not None:
            may_join &= elements <= unspent
        if not may_join.any():
            break
        worth = _worth_with(swept, loading, snr / size, weight, chosen if size > 1 else None)
        worth, joins = torch.where(may_join, worth, -1.0).max(-1)
        added = itself[joins] & may_join
        chosen = chosen | added
        if elements is not None:
            unspent = unspent - (elements * added).sum(-1, keepdim=True)
        better = worth > best_worth
        best = torch.where(better[:, None], chosen, best)
        best_worth = torch.where(better, worth, best_worth)
        if size < most:
            _sweep(swept, joins)
    return best


def _normalise(
    h_hat: torch.Tensor, noise: torch.Tensor, power: float, most: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the selection works on: every UE's channel in units of its own strength.

    Returns:
        whether the cell has CSI of a UE, bool [B, U]; its SNR alone, [B, F, U]; the loading a_u that its SNR asks for
        where `most` share the power, [B, F, U]; and G G^H + a, its diagonal 1 + a, complex64 [B, F, U, U].
    """
    gram = h_hat @ h_hat.conj_physical().mT
    gain = gram.diagonal(dim1=-2, dim2=-1).real.clone()
    has_csi = (gain > 0).any(1)
    gain.clamp_min_(torch.finfo(gain.dtype).tiny)
    snr = power * gain / noise[:, None]
    loading = (most / snr).clamp(*_LOADING_RANGE)
    scale = gain.rsqrt()
    gram.mul_(scale[..., :, None] * scale[..., None, :])
    gram.diagonal(dim1=-2, dim2=-1).add_(loading)
    return has_csi, snr, loading, gram


def _weights(average: torch.Tensor) -> torch.Tensor:
    """What a rate is worth to each UE: one over its average rate, in units of the largest of the cell [B, U]."""
    largest = average.amax(-1, keepdim=True).clamp_min(torch.finfo(average.dtype).tiny)
    return (average / largest).clamp_min(_SMALLEST_SHARE).reciprocal()


def _worth_with(
    swept: torch.Tensor, loading: torch.Tensor, snr: torch.Tensor, weight: torch.Tensor, chosen: torch.Tensor | None
) -> torch.Tensor:
    """The worth of the set with each UE that may join it, float32 [B, U]; what it says of UEs of the set means nothing.

    Args:
        swept: G G^H + a, swept at the UEs of the set, complex64 [B, F, U, U].
        loading: a, float32 [B, F, U].
        snr: of each UE alone, with the power that it gets in the larger set, float32 [B, F, U].
        weight: what a rate is worth, float32 [B, U].
        chosen: the set, bool [B, U]; None where it is empty.
    """
    diagonal = swept.diagonal(dim1=-2, dim2=-1).real.contiguous()  # of the set: -[inverse]_uu; else what is left
    worth = _rate(diagonal, loading, snr).mul_(weight)  # of the UE that joins
    if chosen is not None:  # row: a UE of the set; column: the one that joins
        left = (squared_magnitude(swept) / diagonal[..., None, :]).sub_(diagonal[..., None]).reciprocal_()
        of_set = _rate(left, loading[..., None], snr[..., None]).mul_(weight[..., None])
        worth += torch.where(chosen[..., None], of_set, 0.0).sum(1)  # of others it may be infinite
    return worth


def _rate(left: torch.Tensor, loading: torch.Tensor, snr: torch.Tensor) -> torch.Tensor:
    """Of UEs of whose channel `left` less `loading` is left: mean over subbands, float32 [B, ...]."""
    sinr = (left - loading).mul_(snr).clamp_min_(0.0)
    return sinr.add_(1.0).log2_().mean(1)


def _sweep(matrix: torch.Tensor, pivot: torch.Tensor) -> None:
    """Sweep Hermitian matrices [B, F, U, U] at `pivot` int64 [B], in place.

    With S the indices that were swept, a matrix M becomes -[M_SS]^-1 in S x S, [M_SS]^-1 M_SV in S x V, and
    M_VV - M_VS [M_SS]^-1 M_SV in V x V. As one update of rank one: M - x x^H / p - 2 e e^T, x = M e - e, p = e^T M e.
    """
    index = pivot[:, None, None, None].expand(*matrix.shape[:3], 1)
    column = matrix.gather(-1, index)
    value = column.gather(-2, index[:, :, :1]).real
    column.scatter_add_(-2, index[:, :, :1], torch.full_like(column[:, :, :1], -1.0))
    matrix.sub_(column * (column.conj_physical().mT / value))
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    diagonal.scatter_add_(-1, index[..., :1, 0], torch.full_like(diagonal[..., :1], -2.0))


def average_rate(average: torch.Tensor, rate: torch.Tensor, slots: torch.Tensor, window_slots: float) -> torch.Tensor:
    """What each UE got on average, after `slots` more slots at `rate`: slots count less the longer ago they were.

    Args:
        average: before, of any unit and shape.
        rate: in these slots, 0 for a UE that was not scheduled, of the shape of `average`.
        slots: how many, broadcasts against `average`.
        window_slots: after which a slot counts 1/e, more than 0.
    """
    return rate + (average - rate) * torch.exp(-slots / window_slots)
