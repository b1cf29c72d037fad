"""From SINR to delivered bits: the NR link with its modulation and coding schemes, and Shannon's bound."""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple, Protocol

import torch

from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import linear_to_db

EFFECTIVE_SINR_RANGE = (1e-3, 1e3)
"""Range of the effective SINR, -30 to 30 dB, as in `sionna.sys.EESM`; transmitters are no better than that either."""
OFFSET_RANGE_DB = (-20.0, 20.0)
"""Range of the outer loop's offset, as in `sionna.sys.OuterLoopLinkAdaptation`."""
_PDSCH = 1  # the category of the downlink in sionna's tables


class Delivery(NamedTuple):
    """What became of K transport blocks for each of M UEs.

    Fields:
        bits_per_re: delivered bits per data resource element, mean over the blocks, float32 [M].
        acknowledged: share of the blocks that were decoded, float32 [M].
        bler: the probability with which each would be lost, float32 [M].
    """

    bits_per_re: torch.Tensor
    acknowledged: torch.Tensor
    bler: torch.Tensor


class Link(Protocol):
    """What a cell asks of a link. M is any number of UEs, F of subbands; SINR is linear, float32 [M, F]."""

    def choose_mcs(self, sinr_expected: torch.Tensor, offset_db: torch.Tensor) -> torch.Tensor:
        """The MCS, int64 [M], for the SINR that the cell expects and the outer loop's offset [M]."""

    def deliver(self, mcs: torch.Tensor, sinr: torch.Tensor, uniform: torch.Tensor) -> Delivery:
        """Send K blocks with `mcs` [M] at the SINR that is; `uniform` [M, K] in [0, 1) decides which are lost."""

    def goodput(self, sinr: torch.Tensor) -> torch.Tensor:
        """Bits per resource element, float32 [M, C], expected of each of the link's C MCSs at the SINR that is."""

    def outer_loop(self, offset_db: torch.Tensor, acknowledged: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """The offset [M] after `blocks` blocks, broadcasts, of which the share `acknowledged` [M] was decoded."""


class _Tables(NamedTuple):
    beta: torch.Tensor  # [C], parameter of the effective SINR of each MCS
    bits_per_re: torch.Tensor  # [C]
    bler: torch.Tensor  # [C, G], of a transport block, at effective SINRs on a uniform grid
    first_db: float
    step_db: float


@functools.cache
def _sionna_tables(mcs_table: int, resource_elements: int) -> _Tables:
    from sionna.phy.nr.utils import MCSDecoderNR, TransportBlockNR  # here, because sionna takes seconds to import
    from sionna.sys import EESM, PHYAbstraction

    curves = resources.files("sionna.sys") / "bler_tables" / f"PDSCH_table{mcs_table}.json"
    abstraction = PHYAbstraction(load_bler_tables_from=str(curves), device="cpu")
    first_db, last_db, step_db = abstraction.snr_db_interp_min_max_delta
    sinr_db = torch.arange(first_db, last_db, step_db)
    mcs = torch.arange(abstraction.bler_table_interp.shape[2])

    modulation_order, code_rate = MCSDecoderNR(device="cpu")(mcs, mcs_table, _PDSCH)
    block_bits, code_block_bits, code_blocks = TransportBlockNR(device="cpu").transport_block_size(
        modulation_order, code_rate, modulation_order * resource_elements
    )
    shape = (len(mcs), len(sinr_db))
    code_block_bler = abstraction.get_bler(
        mcs[:, None].expand(shape),
        mcs_table,
        _PDSCH,
        code_block_bits[:, None].expand(shape),
        torch.pow(10.0, sinr_db / 10.0).expand(shape),
    ).clamp(max=1.0)  # infinite where sionna has no curve
    bler = 1.0 - (1.0 - code_block_bler) ** code_blocks[:, None]
    beta = EESM(device="cpu").beta_tensor[mcs_table - 1, : len(mcs)]
    return _Tables(beta, block_bits / resource_elements, bler, first_db, step_db)


def _effective_sinr_db(sinr: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Exponential effective SINR of sinr [..., F, C] with beta [..., C]; a subband without signal counts too."""
    effective = torch.exp(sinr / -beta[..., None, :]).mean(-2).log_().mul_(-beta)
    return linear_to_db(effective.clamp_(*EFFECTIVE_SINR_RANGE))


class NrLink:
    """The NR downlink: one transport block per UE and slot over the whole band, without retransmission.

    The MCS tables (TS 38.214, 5.1.3.1), the transport block sizes (5.1.3.2), the exponential effective SINR mapping
    and the block error curves are those of `sionna.sys` (`PHYAbstraction`, `EESM`), read once; nothing is drawn from
    a random generator. Sionna simulated code blocks of up to 2000 bits and takes that curve for longer ones, which is
    pessimistic by a few tenths of a decibel; it has no curve for code rates below 0.3 (MCS 0 and 1 of table 2, 0 to 2
    of table 1), so these are never chosen and a block sent with one is lost.

    Args:
        bler_target: share of blocks that may be lost, 0.001 to 0.5.
        mcs_table: 1 (64QAM) or 2 (256QAM), the tables 5.1.3.1-1 and -2.
        resource_elements: data resource elements of one transport block, 100 to 46,200. The default is a slot of
            51 resource blocks with 11 symbols of data. It sets the number of code blocks, and so the steepness of the
            block error curve: all must be decoded.
        step_up_db: what a lost block adds to the outer loop's offset, 0.01 to 10.
        device: where the tables lie.

    Raises:
        ConfigurationError: an argument is outside its range.
    """

    def __init__(
        self,
        *,
        bler_target: float = 0.1,
        mcs_table: int = 2,
        resource_elements: int = 51 * 12 * 11,
        step_up_db: float = 1.0,
        device: torch.device | str = "cpu",
    ) -> None:
        check_number("bler_target", bler_target, 0.001, 0.5)
        check_choice("mcs_table", mcs_table, (1, 2))
        check_number("resource_elements", resource_elements, 100, 46_200, integer=True)
        check_number("step_up_db", step_up_db, 0.01, 10.0)
        tables = _sionna_tables(mcs_table, resource_elements)
        self._first_db, self._step_db = tables.first_db, tables.step_db
        self._beta = tables.beta.to(device)
        self._bler = tables.bler.to(device)
        self.bits_per_re = tables.bits_per_re.to(device)
        """Information bits per data resource element of each MCS, float32 [C]."""
        self._step_up_db = step_up_db
        self._step_down_db = step_up_db * bler_target / (1.0 - bler_target)

        points = self._bler.shape[1]
        above = (self._bler > bler_target) * torch.arange(1, points + 1, device=device)
        first_good = above.amax(-1)  # the point from which on the target is met; half a step off: `_point` rounds
        self._threshold_db = torch.where(
            first_good < points, self._first_db + (first_good - 0.5) * self._step_db, torch.inf
        )
        self._rank = torch.arange(len(self._beta), device=device)
        self._lowest_mcs = (self._bler < 1.0).any(-1).long().argmax()

    def choose_mcs(self, sinr_expected: torch.Tensor, offset_db: torch.Tensor) -> torch.Tensor:
        """Largest MCS whose BLER at the expected effective SINR less the offset is within the target.

        The inner loop of link adaptation, as in `sionna.sys.InnerLoopLinkAdaptation`.

        Args:
            sinr_expected: SINR by the CSI that the cell has, linear, float32 [..., F].
            offset_db: from `outer_loop`, float32 [...].

        Returns:
            MCS index, int64 [...]; the lowest that has a block error curve where none meets the target.
        """
        margin_db = _effective_sinr_db(sinr_expected[..., None], self._beta) - offset_db[..., None]
        largest = torch.where(margin_db >= self._threshold_db, self._rank, -1).amax(-1)
        return torch.maximum(largest, self._lowest_mcs)

    def deliver(self, mcs: torch.Tensor, sinr: torch.Tensor, uniform: torch.Tensor) -> Delivery:
        """Send K transport blocks to each UE, all at the same SINR.

        Args:
            mcs: int64 [...].
            sinr: SINR that the blocks meet, linear, float32 [..., F].
            uniform: in [0, 1), float32 [..., K]; a block is lost where it is below the BLER.
        """
        bler = self._bler[mcs, self._point(_effective_sinr_db(sinr[..., None], self._beta[mcs][..., None]).squeeze(-1))]
        acknowledged = (uniform >= bler[..., None]).float().mean(-1)
        return Delivery(self.bits_per_re[mcs] * acknowledged, acknowledged, bler)

    def goodput(self, sinr: torch.Tensor) -> torch.Tensor:
        """What each MCS would deliver at an SINR: its bits times the share of blocks that are decoded.

        Args:
            sinr: linear, float32 [..., F].

        Returns:
            bits per data resource element, float32 [..., C].
        """
        bler = self._bler[self._rank, self._point(_effective_sinr_db(sinr[..., None], self._beta))]
        return self.bits_per_re * (1.0 - bler)

    def _point(self, sinr_db: torch.Tensor) -> torch.Tensor:
        """Index of the nearest effective SINR at which the block error curves are known."""
        point = ((sinr_db - self._first_db) / self._step_db).round()
        return point.clamp_(0, self._bler.shape[1] - 1).long()

    def outer_loop(self, offset_db: torch.Tensor, acknowledged: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """Step the offset: up for a lost block, down for a decoded one, in the ratio that holds the BLER target.

        Source: Sampath, Kumar and Holtzman, "On setting reverse link target SIR in a CDMA system", IEEE VTC 1997.

        Args:
            offset_db: float32 [...].
            acknowledged: share of the blocks that were decoded, from `deliver`, float32 [...].
            blocks: how many blocks there were, broadcasts; 0 where none was sent.

        Returns:
            float32 [...], within `OFFSET_RANGE_DB`.
        """
        step_db = self._step_up_db - (self._step_up_db + self._step_down_db) * acknowledged
        return (offset_db + blocks * step_db).clamp(*OFFSET_RANGE_DB)


class ShannonLink:
    """Shannon's bound: an ideal code without a rate to choose, so no block is lost and no offset is needed.

    Its only "MCS" has the index 0. A UE gets the mean over subbands of log2(1 + SINR), at the SINR that is.
    """

    def choose_mcs(self, sinr_expected: torch.Tensor, offset_db: torch.Tensor) -> torch.Tensor:
        """The index 0 for every UE, int64 [...]."""
        return torch.zeros_like(offset_db, dtype=torch.int64)

    def deliver(self, mcs: torch.Tensor, sinr: torch.Tensor, uniform: torch.Tensor) -> Delivery:
        """Mean of log2(1 + SINR) over the subbands of sinr [..., F]; always decoded."""
        bits_per_re = torch.log2(1.0 + sinr).mean(-1)
        return Delivery(bits_per_re, torch.ones_like(bits_per_re), torch.zeros_like(bits_per_re))

    def goodput(self, sinr: torch.Tensor) -> torch.Tensor:
        """Mean of log2(1 + SINR) over the subbands of sinr [..., F], float32 [..., 1]."""
        return torch.log2(1.0 + sinr).mean(-1, keepdim=True)

    def outer_loop(self, offset_db: torch.Tensor, acknowledged: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """The offset as it was."""
        return offset_db
