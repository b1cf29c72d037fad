"""The NR link with its modulation and coding schemes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.units import linear_to_db
from twin_envs.csi.link.nr_tables import NrTables, load_nr_tables
from twin_envs.csi.link.protocol import Delivery
from twin_envs.csi.link.transport_block import transport_block

EFFECTIVE_SINR_RANGE = (1e-3, 1e3)
"""Range of the effective SINR, -30 to 30 dB, as in `sionna.sys.EESM`; transmitters are no better than that either."""
OFFSET_RANGE_DB = (-20.0, 20.0)
"""Range of the outer loop's offset, as in `sionna.sys.OuterLoopLinkAdaptation`."""


class _Curves(NamedTuple):
    bits_per_re: torch.Tensor  # [C]
    bler: torch.Tensor  # [C, G], of a transport block, at the effective SINRs of the tables


def _transport_block_curves(tables: NrTables, resource_elements: int) -> _Curves:
    blocks = [
        transport_block(resource_elements, order, rate)
        for order, rate in zip(tables.modulation_order.tolist(), tables.code_rate.tolist(), strict=True)
    ]
    bits, code_blocks, code_block_bits = torch.tensor(blocks).T
    code_block_bler = tables.bler[torch.arange(len(blocks)), tables.size_index(code_block_bits)]
    bler = 1.0 - (1.0 - code_block_bler) ** code_blocks[:, None]  # all code blocks must be decoded
    return _Curves((bits / resource_elements).float(), bler)


def _effective_sinr_db(sinr: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Exponential effective SINR of sinr [..., F, C] with beta [..., C]; a subband without signal counts too."""
    effective = torch.exp(sinr / -beta[..., None, :]).mean(-2).log_().mul_(-beta)
    return linear_to_db(effective.clamp_(*EFFECTIVE_SINR_RANGE))


class NrLink(Constant):
    """The NR downlink: one transport block per UE and slot over the whole band, sent once more if it is lost.

    The MCS tables (TS 38.214, 5.1.3.1), the transport block sizes (5.1.3.2), the exponential effective SINR mapping and
    the block error curves are those of `sionna.sys` (`PHYAbstraction`, `EESM`), from `nr_tables`; nothing is drawn from
    a random generator. Sionna simulated code blocks of up to 2000 bits and takes that curve for longer ones, which is
    pessimistic by a few tenths of a decibel. It has no curve for code rates below 1/5 (MCS 0 and 1 of table 2, 0 to 2
    of table 1); these come from `simulate_low_rates`.

    A lost block takes the resources of the UE's next block. The receiver adds both receptions (Chase, "Code combining",
    IEEE Trans. Commun. 33(5), 1985; HARQ of TS 38.321, 5.3.2), so the SINR of each subband doubles. A block that is
    lost at first is lost for good with the probability BLER(2 SINR) / BLER(SINR): what can be decoded from one
    reception can be from two. NR may send other bits of the code word the second time, which at high code rates is
    worth more.

    Args:
        bler_target: share of blocks that may be lost when they are sent first, 0.001 to 0.5.
        retransmissions: how often a lost block is sent again, 0 or 1.
        mcs_table: 1 (64QAM) or 2 (256QAM), the tables 5.1.3.1-1 and -2.
        resource_elements: data resource elements of one transport block, 100 to 46,200. The default is a slot of
            51 resource blocks with 11 symbols of data. It sets the number of code blocks, and so the steepness of the
            block error curve: all must be decoded.
        step_up_db: what a lost block adds to the outer loop's offset where one in ten may be lost, 0.01 to 10. Where
            fewer may be lost the step is larger, so that the offset wanders as much at any target: the root mean
            square of steps up and down is the same.
        device: where the tables lie.

    Raises:
        ConfigurationError: an argument is outside its range.
    """

    def __init__(
        self,
        *,
        bler_target: float = 0.1,
        retransmissions: int = 1,
        mcs_table: int = 2,
        resource_elements: int = 51 * 12 * 11,
        step_up_db: float = 0.2,
        device: torch.device | str = "cpu",
    ) -> None:
        check_number("bler_target", bler_target, 0.001, 0.5)
        check_choice("retransmissions", retransmissions, (0, 1))
        check_choice("mcs_table", mcs_table, (1, 2))
        check_number("resource_elements", resource_elements, 100, 46_200, integer=True)
        check_number("step_up_db", step_up_db, 0.01, 10.0)
        tables = load_nr_tables(mcs_table)
        curves = _transport_block_curves(tables, resource_elements)
        self._first_db, self._step_db = tables.first_db, tables.step_db
        self._beta = tables.beta.to(device)
        self._bler = curves.bler.to(device)
        self.bits_per_re = curves.bits_per_re.to(device)
        """Information bits per data resource element of each MCS, float32 [C]."""
        self._target, self._retransmissions = bler_target, retransmissions
        odds, step_db = bler_target / (1.0 - bler_target), step_up_db / 3.0  # 3 is what the next line has at a tenth
        self._step_up_db, self._step_down_db = step_db / math.sqrt(odds), step_db * math.sqrt(odds)

        points = self._bler.shape[1]
        above = (self._bler > bler_target) * torch.arange(1, points + 1, device=device)
        first_good = above.amax(-1)  # the point from which on the target is met; half a step off: `_point` rounds
        self._threshold_db = torch.where(
            first_good < points, self._first_db + (first_good - 0.5) * self._step_db, torch.inf
        )
        self._rank = torch.arange(len(self._beta), device=device)

    def choose_mcs(self, sinr_expected: torch.Tensor, offset_db: torch.Tensor) -> torch.Tensor:
        """Largest MCS whose BLER at the expected effective SINR less the offset is within the target.

        The inner loop of link adaptation, as in `sionna.sys.InnerLoopLinkAdaptation`.

        Args:
            sinr_expected: SINR by the CSI that the cell has, linear, float32 [..., F].
            offset_db: from `outer_loop`, float32 [...].

        Returns:
            MCS index, int64 [...]; the lowest where none meets the target.
        """
        margin_db = _effective_sinr_db(sinr_expected[..., None], self._beta) - offset_db[..., None]
        return torch.where(margin_db >= self._threshold_db, self._rank, 0).amax(-1)

    def deliver(self, mcs: torch.Tensor, sinr: torch.Tensor, uniform: torch.Tensor) -> Delivery:
        """Send K transport blocks to each UE, all at the same SINR, and what is lost of them once more.

        Args:
            mcs: int64 [...].
            sinr: SINR that the blocks meet, linear, float32 [..., F].
            uniform: in [0, 1), float32 [..., K]; a block is lost at first where it is below the BLER, and for good
                where it is also below the BLER of both receptions together.
        """
        granted, received = self.bits_per_re[mcs], torch.arange(1, 2 + self._retransmissions, device=sinr.device)
        sinr = sinr * received.view(-1, *[1] * sinr.dim())  # of the first reception, and of both together
        effective_db = _effective_sinr_db(sinr[..., None], self._beta[mcs][..., None]).squeeze(-1)
        bler = self._bler[mcs, self._point(effective_db)].cummin(0).values
        decoded = (uniform >= bler[..., None]).float().mean(-1)
        acknowledged, again = decoded[0], self._retransmissions
        return Delivery(granted * decoded[-1] / (1.0 + again - again * acknowledged), acknowledged, bler[0], granted)

    def goodput(self, sinr: torch.Tensor) -> torch.Tensor:
        """What each MCS would deliver at an SINR: bits of blocks that are decoded, over all that is sent.

        Args:
            sinr: linear, float32 [..., F].

        Returns:
            bits per data resource element, float32 [..., C].
        """
        bler = self._bler[self._rank, self._point(_effective_sinr_db(sinr[..., None], self._beta))]
        if self._retransmissions == 0:
            return self.bits_per_re * (1.0 - bler)
        combined = self._bler[self._rank, self._point(_effective_sinr_db(2.0 * sinr[..., None], self._beta))]
        return self.bits_per_re * (1.0 - torch.minimum(bler, combined)) / (1.0 + bler)

    def in_outage(self, sinr: torch.Tensor) -> torch.Tensor:
        """Where even the lowest MCS misses the BLER target: no link adaptation can meet it there.

        Args:
            sinr: SINR that is, linear, float32 [..., F].

        Returns:
            bool [...].
        """
        effective_db = _effective_sinr_db(sinr[..., None], self._beta[:1]).squeeze(-1)
        return self._bler[0, self._point(effective_db)] > self._target

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
