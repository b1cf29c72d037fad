"""What the network knows of a cell that acquires CSI: everything that observations and policies may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.state import tensor
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.csi.codecs.site_codec import SiteCodec
from twin_envs.csi.nr.overhead import data_resource_elements
from twin_envs.csi.nr.subbands import PRECODER_SUBBAND_BLOCKS
from twin_envs.csi.nr.uplink import Grant, csi_computation_slots, grant, noise_per_subcarrier_dbm
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.envs.core.network_view import NetworkState, NetworkView
from twin_envs.envs.csi_cell.acquisition import Acquisition
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge
from twin_envs.twin.protocol import ChannelTwin, require

AGE_EDGES_SLOTS = (10, 20, 40, 80, 160)
"""Ages of CSI [slots] that part the ranges for each of which link adaptation has an offset of its own."""
FIRST_OFFSETS_DB = (0.0, 1.0, 1.5, 2.0, 2.0, 2.0)
"""With which link adaptation begins, by age of the CSI: a cell does not begin to learn when an episode does. Less than
loops learn of CSI that is old, for some UEs' CSI does not age; with twice as much, a cell whose reports are 160 slots
apart carries 4 % less (12 training episodes at `munich`)."""


@dataclass(kw_only=True)
class CsiCellState(NetworkState):
    """What changes in B cells with U UEs, F subbands and A antennas.

    Attributes:
        ap: serving AP, int64 [B].
        h_hat: the CSI that the cell has (whitened, see `Reality`), complex64 [B, F, U, A].
        w: the precoder as of the last report, complex64 [B, F, A, U], of unit power in all; where the cell predicts,
            it follows the channels between reports.
        expected_sinr: SINR by the CSI that the cell has, linear, float32 [B, U, F]: what link adaptation starts from.
        scheduled: which UEs share the slots, bool [B, U].
        average_rate: bits of a resource element that each UE was granted on average, recent slots most, float32 [B, U].
        expected_error: power that each UE is expected to catch because its CSI is compressed, in units of the transmit
            power, float32 [B, U]. The codec's error in the twin, taken as white, meets the beams of all UEs.
        report_slots: when the channel was measured that each UE reported last, int64 [B, U].
        due_slots: when each UE will want to report next, int64 [B, U].
        blocks: resource blocks that each UE's last report took of the uplink, each for a slot, int64 [B, U].
        credit: resource blocks of the uplink that CSI reports have left, float32 [B].
        period_slots: the period last chosen for each UE, int64 [B, U].
        ports: of the CSI-RS of each UE's next report, int64 [B, U].
        spacing: resource blocks from one pilot of that CSI-RS to the next, int64 [B, U].
        codeword_bits: length of its codeword, int64 [B, U].
        dmrs_additional: additional DM-RS positions of each UE's data, int64 [B, U].
        similarity: squared cosine similarity of each UE's last report and the one before, float32 [B, U].
        reports_apart_slots: time between these two, int64 [B, U]; 0 before the second report.
        offset_db: the outer loop's offset by age of the CSI, float32 [B, U, K], K ranges parted by `AGE_EDGES_SLOTS`.
        covered, knowledge, knowledge_std: what the twin said when each UE reported last, see `Knowledge`.
    """

    ap: torch.Tensor = tensor("env", dtype=torch.int64)
    h_hat: torch.Tensor = tensor("env", "subband", "ue", "antenna", dtype=torch.complex64)
    w: torch.Tensor = tensor("env", "subband", "antenna", "ue", dtype=torch.complex64)
    expected_sinr: torch.Tensor = tensor("env", "ue", "subband")
    scheduled: torch.Tensor = tensor("env", "ue", dtype=torch.bool)
    average_rate: torch.Tensor = tensor("env", "ue")
    expected_error: torch.Tensor = tensor("env", "ue")
    report_slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    due_slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    blocks: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    credit: torch.Tensor = tensor("env")
    period_slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    ports: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    spacing: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    codeword_bits: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    dmrs_additional: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    similarity: torch.Tensor = tensor("env", "ue", initial=1)
    reports_apart_slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    offset_db: torch.Tensor = tensor("env", "ue", len(AGE_EDGES_SLOTS) + 1)
    covered: torch.Tensor = tensor("env", "ue")
    knowledge: torch.Tensor = tensor("env", "ue", len(KNOWLEDGE_FIELDS))
    knowledge_std: torch.Tensor = tensor("env", "ue", len(KNOWLEDGE_FIELDS))


class CsiCellView(NetworkView):
    """The network's view of B cells.

    Args:
        twin: the channel twin.
        acquisition: how CSI is acquired.
        site_codec: the codec, with what the twin says of its errors.
        grid: sizes of a channel.
        shared: see `NetworkView`.

    Attributes:
        state: what changes.
        codec: what compresses reports.
        prediction: what the predictor keeps of the reports.
        block_hz: baseband frequency of each resource block that CSI covers [blocks].
        subband: the resource block by which each subband is represented, int64 [F].
        subband_hz: its baseband frequency [F].
        csi_rs_period_slots: of the CSI-RS of the cell; 0 where each report has its own.
        blocks_per_uplink_slot, blocks_per_slot: resource blocks for CSI reports that an uplink slot, and on average any
            slot, adds.
        computation_slots: least age of the CSI in a report that arrives: what a UE needs to make it.
        delay_slots: age of the CSI in a report that arrives, on average.
        data_elements_per_slot: resource elements of the downlink but for PDCCH, on average over the slots.
    """

    config: CellConfig
    state: CsiCellState
    actions: CsiActions

    def __init__(
        self, *, twin: ChannelTwin, acquisition: Acquisition, site_codec: SiteCodec, grid: AngleDelayGrid, **shared: Any
    ) -> None:
        device, config, recipe = shared["device"], shared["config"], shared["recipe"]
        block = torch.arange(grid.blocks, device=device, dtype=torch.float32)
        self.block_hz = (block - (grid.blocks - 1) / 2) * recipe.block_spacing_hz
        self.subband = torch.arange(PRECODER_SUBBAND_BLOCKS // 2, grid.blocks, PRECODER_SUBBAND_BLOCKS, device=device)
        self.subband_hz = self.block_hz[self.subband]
        sizes = {"ue": config.num_ue, "subband": len(self.subband), "antenna": grid.antennas}
        super().__init__(**shared, state=CsiCellState.create(shared["num_envs"], device, **sizes))
        self.twin, self.acquisition, self.grid, self._site_codec = twin, acquisition, grid, site_codec
        setting = Setting(
            grid=grid,
            subband_hz=self.subband_hz,
            wavelength_m=shared["recipe"].wavelength_m,
            slot_s=shared["slot_s"],
            twin=twin,
            device=device,
        )
        self._predictor = predictors.get(config.prediction)(setting)
        if self._predictor.asks is not None:
            require(twin, self._predictor.asks, f"prediction {config.prediction!r}")
        self.prediction = self._predictor.create(shared["num_envs"], config.num_ue)
        self._uplink_noise_dbm = noise_per_subcarrier_dbm(recipe.subcarrier_spacing_hz)
        self.csi_rs_period_slots = config.csi_rs_period_slots if config.csi_rs == "periodic" else 0
        self.blocks_per_uplink_slot = config.csi_uplink_share * recipe.carrier_blocks
        self.blocks_per_slot = self.blocks_per_uplink_slot * self.tdd.uplink_slot_share
        self.computation_slots = csi_computation_slots(recipe.subcarrier_spacing_hz)
        self.delay_slots = self.computation_slots + max(self.csi_rs_period_slots - 1, 0) // 2
        pattern = torch.tensor(self.tdd.slots, device=device)
        slots, symbols = self.tdd.downlink(torch.zeros_like(pattern), pattern)
        elements = data_resource_elements(slots, symbols, recipe.carrier_blocks, torch.full_like(pattern, -1))
        self.data_elements_per_slot = float(elements) / self.tdd.slots

    @property
    def codec(self) -> Codec:
        """What compresses reports."""
        return self.acquisition.codec

    def codec_nmse(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Normalised error in the twin of codewords of `codeword_bits` int64 [N], linear, float32 [N]."""
        return self._site_codec.nmse(codeword_bits)

    def knowledge(self, rows: torch.Tensor, ue: torch.Tensor) -> Knowledge:
        """What the twin said when UEs `ue` in environments `rows` reported last; `rows` and `ue` broadcast."""
        state, mine = self.state, (rows, ue)
        return Knowledge(covered=state.covered[mine], values=state.knowledge[mine], std=state.knowledge_std[mine])

    def learn(self, rows: torch.Tensor, ue: torch.Tensor, knowledge: Knowledge) -> None:
        """Keep the knowledge [N] of UE `ue` [N] in environments `rows` [N]."""
        state, mine = self.state, (rows, ue)
        state.covered[mine], state.knowledge[mine], state.knowledge_std[mine] = (
            knowledge.covered,
            knowledge.values,
            knowledge.std,
        )

    def whereabouts(self, rows: torch.Tensor, ue: torch.Tensor) -> dict[str, torch.Tensor]:
        """AP, sensed position and last report of UE `ue` [N], by the names that `Acquisition` has for them."""
        sensed = self.sensed(rows, ue)
        return {
            "ap": self.state.ap[rows],
            "sensed_m": self.geometry.ground.place(sensed.position_m),
            "sensed_std_m": sensed.position_std_m,
            "last": self.state.h_hat[rows, :, ue],
        }

    def reported(self, rows: torch.Tensor, ue: torch.Tensor, h: torch.Tensor, nmse: torch.Tensor) -> None:
        """Let the predictor learn from the report of UE `ue` [N] in environments `rows` [N].

        Args:
            rows, ue: whose; `state.report_slots` says when the channel was measured.
            h: what was decoded, complex64 [N, F, antennas].
            nmse: normalised error that is expected of the codec [N].
        """
        sensed = self.sensed(rows, ue)
        report = Report(
            h=h,
            measured_slots=self.state.report_slots[rows, ue],
            nmse=nmse,
            sensed=sensed,
            position_m=self.geometry.ground.place(sensed.position_m),
            ap=self.state.ap[rows],
        )
        self._predictor.learn(self.prediction, rows, ue, report)

    def predicted(self, rows: torch.Tensor, slots: torch.Tensor) -> Predicted:
        """The channels that the cell expects at `slots` [N] in environments `rows` [N], which may repeat."""
        reported = Predicted(self.state.h_hat[rows], self.state.expected_error[rows])
        return self._predictor.predict(self.prediction, rows, slots, reported)

    def expected_errors(self, rows: torch.Tensor, ue: torch.Tensor, ages_slots: torch.Tensor) -> torch.Tensor:
        """The error that is expected of the CSI of UE `ue` [N] when it is `ages_slots` old, [A] or [N, A].

        Returns:
            float32 [N, A], in units of `Predicted.error`.
        """
        slots = self.state.report_slots[rows, ue, None] + ages_slots
        cell, each = (index.repeat_interleave(slots.shape[1]) for index in (rows, ue))
        error = self.predicted(cell, slots.flatten()).error
        return error.gather(1, each[:, None]).view(slots.shape)

    @property
    def predicts(self) -> bool:
        """Whether the channels that the cell expects change between reports."""
        return self._predictor.predicts

    def grant(self, gain: torch.Tensor, codeword_bits: torch.Tensor) -> Grant:
        """What reports with `codeword_bits` take of the uplink from UEs whose path gain to an antenna is `gain`.

        Both have the same shape.
        """
        return grant(
            self.codec.bits(codeword_bits),
            gain * self.grid.antennas,
            power_dbm=self.config.ue_power_dbm,
            noise_dbm=self._uplink_noise_dbm,
            carrier_blocks=self.carrier_blocks,
        )

    def occasion(self, slots: torch.Tensor) -> torch.Tensor:
        """When the channel was measured that a report in uplink slot `slots` is about, int64 of the same shape."""
        latest = slots - self.computation_slots
        if self.csi_rs_period_slots:
            measured = torch.div(latest, self.csi_rs_period_slots, rounding_mode="floor") * self.csi_rs_period_slots
        else:
            measured = self.tdd.last_downlink(latest)
        return measured.clamp_min(0)


def csi_view(network: NetworkView) -> CsiCellView:
    """The view, if it is one of cells that acquire CSI. Raises `ConfigurationError` for another."""
    if not isinstance(network, CsiCellView):
        raise ConfigurationError(f"the environments must be about CSI, got {type(network).__name__}")
    return network
