"""What actions about the CSI of a cell mean: choices of the same four things, decoded and encoded."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch

from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.pilots import CsiRs, csi_rs_choices, pilot_spacing
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS

if TYPE_CHECKING:
    from twin_envs.envs.csi_cell.view import CsiCellView

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is decided about the next report of the UE that has just reported, in N environments.

    Attributes:
        period_slots: when it reports next, int64 [N].
        ports: of its CSI-RS, int64 [N].
        spacing: resource blocks from one CSI-RS pilot to the next, int64 [N].
        codeword_bits: length of its codeword, int64 [N].
        dmrs_additional: additional DM-RS positions of its data until it is decided about again, int64 [N].
    """

    period_slots: torch.Tensor
    ports: torch.Tensor
    spacing: torch.Tensor
    codeword_bits: torch.Tensor
    dmrs_additional: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Mode:
    """How a UE reports and is sent data, but for the report period.

    Args:
        csi_rs: index into `CsiActions.csi_rs`.
        additional: additional DM-RS positions.
        codeword: index into the codec's codeword lengths.
    """

    csi_rs: int
    additional: int
    codeword: int


class CsiActions:
    """The actions of an environment about CSI: one choice from a list for each of four things, or some of them.

    Args:
        network: the cells; their configuration holds where the agent does not decide.
        periods_slots: periods among which the agent can choose; one alone is no choice.
        pilots: whether the agent chooses CSI-RS and DM-RS positions.
        fewer_ports: whether it may choose CSI-RS with fewer ports than antennas.
        codewords: whether it chooses the codeword's length.
        flat: whether all combinations are numbered one after the other, period first; otherwise each is an index.

    Attributes:
        space: the action space.
        periods_slots: periods among which the agent can choose.
        modes: modes among which it can choose.
        configured: the mode that holds where the agent does not decide.
        codeword_lengths: the codec's, what a mode's codeword is an index into [bits].
        csi_rs: CSI-RS that there are, those with all ports first, from dense to sparse.
        spacings: resource blocks from pilot to pilot of those with all ports.
    """

    def __init__(
        self,
        network: CsiCellView,
        *,
        periods_slots: Sequence[int] = REPORT_PERIODS_SLOTS,
        pilots: bool = False,
        fewer_ports: bool = False,
        codewords: bool = False,
        flat: bool = True,
    ) -> None:
        config, antennas = network.config, network.grid.antennas
        self.codeword_lengths, self.periods_slots = tuple(network.codec.codeword_lengths), tuple(periods_slots)
        choices = csi_rs_choices(antennas, config.beyond_nr)
        self.csi_rs = choices if fewer_ports else tuple(one for one in choices if one.ports == antennas)
        self.spacings = tuple(one.spacing for one in choices if one.ports == antennas)
        self.configured = Mode(
            csi_rs=self.csi_rs.index(CsiRs(antennas, pilot_spacing(config.pilot_density))),
            additional=config.dmrs_additional,
            codeword=self.codeword_lengths.index(config.codeword_bits or max(self.codeword_lengths)),
        )
        own = self.configured
        # By the order of an action's indices: what an index of each of the four is an index into.
        self._choices: dict[str, list[int]] = {
            "period": list(range(len(self.periods_slots))),
            "csi_rs": list(range(len(self.csi_rs))) if pilots else [own.csi_rs],
            "additional": list(range(len(DMRS_SYMBOLS))) if pilots else [own.additional],
            "codeword": list(range(len(self.codeword_lengths))) if codewords else [own.codeword],
        }
        self._sizes = tuple(len(choices) for choices in self._choices.values())
        self._flat = flat
        self.space: gymnasium.spaces.Space[Any] = (
            gymnasium.spaces.Discrete(int(np.prod(self._sizes)))
            if flat
            else gymnasium.spaces.MultiDiscrete(list(self._sizes))
        )
        names = list(self._choices)[1:]
        self.modes = [
            Mode(**dict(zip(names, choice, strict=True)))
            for choice in itertools.product(*(self._choices[name] for name in names))
        ]
        self._table = np.array([[mode.csi_rs, mode.additional, mode.codeword] for mode in self.modes])
        values = (self.periods_slots, self.csi_rs, range(len(DMRS_SYMBOLS)), self.codeword_lengths)
        self._values = [
            torch.tensor([of[choice] for choice in choices], device=network.device)
            for of, choices in zip(values, self._choices.values(), strict=True)
        ]

    def decode(self, actions: torch.Tensor) -> Decision:
        """What the actions [N] or [N, 4] decide."""
        if self._flat:
            indices, rest = [], actions
            for size in reversed(self._sizes):
                indices.append(rest % size)
                rest = rest // size
            indices.reverse()
        else:
            indices = list(actions.unbind(-1))
        period, csi_rs, additional, codeword = (of[index] for of, index in zip(self._values, indices, strict=True))
        ports, spacing = csi_rs.unbind(-1)
        return Decision(
            period_slots=period, ports=ports, spacing=spacing, dmrs_additional=additional, codeword_bits=codeword
        )

    def encode(self, *, period: Array, csi_rs: Array, additional: Array, codeword: Array) -> Array:
        """Actions for indices [N] of the four; what the environment does not leave to the agent is ignored."""
        chosen = {"period": period, "csi_rs": csi_rs, "additional": additional, "codeword": codeword}
        indices = [
            np.asarray(chosen[name]) if len(choices) > 1 else np.zeros_like(period)
            for name, choices in self._choices.items()
        ]
        return np.ravel_multi_index(tuple(indices), self._sizes) if self._flat else np.stack(indices, -1)

    def encode_mode(self, period: Array, mode: Array) -> Array:
        """Actions for indices [N] of period and mode."""
        csi_rs, additional, codeword = self._table[mode].T
        return self.encode(period=period, csi_rs=csi_rs, additional=additional, codeword=codeword)
