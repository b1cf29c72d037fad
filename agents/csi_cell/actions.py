"""What the actions of the CSI environments decide, as choices of the same four things."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from twin_envs.agents.core.policies import Array
from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.csi.nr.pilots import PILOT_SPACINGS, pilot_spacing
from twin_envs.envs.core.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.csi_protocol import CsiProtocol, CsiProtocolFlat
from twin_envs.envs.csi_cell.pilot_density import PilotDensity
from twin_envs.envs.csi_cell.report_scheduling import ReportScheduling
from twin_envs.envs.csi_cell.task import CsiTask
from twin_envs.envs.faces.vector import TaskVectorEnv


@dataclass(frozen=True, kw_only=True)
class Mode:
    """How a UE reports and is sent data, but for the report period.

    Args:
        spacing: index into `PILOT_SPACINGS`.
        additional: additional DM-RS positions.
        codeword: index into the codec's codeword lengths.
    """

    spacing: int
    additional: int
    codeword: int


class CsiActions:
    """The actions of a batch of environments.

    Args:
        envs: of a decision about CSI; ReportScheduling has only the configured mode.

    Attributes:
        periods_slots: periods among which the agent can choose.
        modes: modes among which it can choose.
        configured: the mode that holds where the agent does not decide.
        codeword_lengths: what a mode's codeword is an index into [bits].

    Raises:
        ConfigurationError: other environments.
    """

    def __init__(self, envs: TaskVectorEnv) -> None:
        task = envs.task
        if not isinstance(task, CsiTask | ReportScheduling):
            raise ConfigurationError(f"envs must be about CSI, got {type(task).__name__}")
        config = task.core.config
        self.codeword_lengths = tuple(task.core.acquisition.codec.codeword_lengths)
        self.configured = Mode(
            spacing=PILOT_SPACINGS.index(pilot_spacing(config.pilot_density)),
            additional=config.dmrs_additional,
            codeword=self.codeword_lengths.index(config.codeword_bits),
        )
        self._flat, self._protocol = isinstance(task, CsiProtocolFlat), isinstance(task, CsiProtocol)
        self._pilots = isinstance(task, PilotDensity)
        self.periods_slots = (task.period_slots,) if isinstance(task, PilotDensity) else REPORT_PERIODS_SLOTS
        codewords = range(len(self.codeword_lengths)) if self._protocol else [self.configured.codeword]
        self.modes = [self.configured]
        if self._protocol or self._pilots:
            self.modes = [
                Mode(spacing=s, additional=a, codeword=c)
                for s, a, c in itertools.product(range(len(PILOT_SPACINGS)), range(len(DMRS_SYMBOLS)), codewords)
            ]
        self._table = np.array([[mode.spacing, mode.additional, mode.codeword] for mode in self.modes])
        self._shape = (len(REPORT_PERIODS_SLOTS), len(PILOT_SPACINGS), len(DMRS_SYMBOLS), len(self.codeword_lengths))

    def encode(self, period: Array, spacing: Array, additional: Array, codeword: Array) -> Array:
        """Actions for indices [N] of the four; what the environments do not leave to the agent is ignored."""
        if self._flat:
            return np.ravel_multi_index((period, spacing, additional, codeword), self._shape)
        if self._protocol:
            return np.stack([period, spacing, additional, codeword], -1)
        return spacing * len(DMRS_SYMBOLS) + additional if self._pilots else period

    def encode_mode(self, period: Array, mode: Array) -> Array:
        """Actions for indices [N] of period and mode."""
        return self.encode(period, *self._table[mode].T)
