"""The core of decisions about CSI: all physics of a step, for B cells at once.

Privileged: this module lives in reality. What leaves it is `network`, the network's view, and what came of a decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import torch

from twin_envs.base.chunks import chunks
from twin_envs.base.errors import check_choice
from twin_envs.base.state import TensorState
from twin_envs.base.units import SYMBOLS_PER_SLOT, squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.site_codec import load_site_codec
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS
from twin_envs.csi.nr.overhead import (
    CSI_RS_PORTS,
    csi_rs_resource_elements,
    data_resource_elements,
    feedback_resource_elements,
)
from twin_envs.csi.nr.pilots import PILOT_SPACINGS, pilot_spacing
from twin_envs.csi.similarity import squared_cosine
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.site_check import check_array, check_served_at_once
from twin_envs.envs.core.step import Charge, Step
from twin_envs.envs.csi_cell.acquisition import Acquisition
from twin_envs.envs.csi_cell.actions import Decision
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.downlink import Downlink
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.twin_error import commissioned
from twin_envs.twin.registry import channel_twins

_NEVER = 1 << 40
REPORTS_AT_ONCE = 256
"""Reports that a CPU computes together."""


class _Draw(IntEnum):
    TRANSMIT = 0
    REPORT = 1


class CsiCell(Core):
    """B cells, each with an AP and U UEs, on one device.

    Args:
        config: the options.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.

    Attributes:
        network: the network's view.
        reality: true positions and channels.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    draws_per_slot = 4
    network: CsiCellView

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        super().__init__(config, num_envs, device)
        site, recipe = self.site, self.recipe
        check_array(config, recipe, CSI_RS_PORTS, "each a port of CSI-RS")
        check_served_at_once(config, recipe)
        grid, codec = angle_delay_grid(site), load_site_codec(config.codec, site, device, config.twin)
        check_choice("codeword_bits", config.codeword_bits, codec.codec.codeword_lengths)
        twin = commissioned(channel_twins.get(config.channel_twin)(site, config.twin, device), site, config.world)
        self.network = CsiCellView(
            twin=twin,
            acquisition=Acquisition(grid, codec.codec, twin, config.estimator),
            site_codec=codec,
            grid=grid,
            **self.about(),
        )
        self.reality = Reality(
            site.reality(config.world), self.motion, recipe, config.neighbour_load, config.frequency_tracking
        )
        gain = self.gain_on_routes(self.reality.atlas)
        self.populate((gain > self.noise) & (gain > 0.5 * gain.amax(0)))  # 0 dB, and within 3 dB of the best AP
        self.downlink = Downlink(self, self.network, self.reality)
        self._reports = REPORTS_AT_ONCE if device.type == "cpu" else num_envs
        pilots = [csi_rs_resource_elements(grid.antennas, 1 / s, grid.blocks) for s in PILOT_SPACINGS]
        self._pilot_elements = torch.zeros(max(PILOT_SPACINGS) + 1, device=device)
        self._pilot_elements[torch.tensor(PILOT_SPACINGS)] = torch.tensor(pilots, dtype=torch.float32, device=device)

    def states(self) -> Iterator[TensorState]:
        """See `Core.states`."""
        yield from super().states()
        yield self.reality.state

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has reported at time 0; UE 0 last. The others are due one after the other.
        """
        for chunk in chunks(len(rows), self._reports, self.device):
            self._begin(rows[chunk], keys[chunk])

    def _begin(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        network, state, config = self.network, self.network.state, self.config
        state.ap[rows] = self.reality.state.ap[rows] = self.begin(rows, keys)
        state.spacing[rows] = pilot_spacing(config.pilot_density)
        state.codeword_bits[rows] = config.codeword_bits
        state.dmrs_additional[rows] = config.dmrs_additional
        position = self.first_fix(rows)
        report_slots = network.opportunities(state.codeword_bits[rows]) * config.uplink_period_slots
        state.due_slots[rows] = torch.arange(config.num_ue, device=self.device) * report_slots
        state.period_slots[rows] = config.num_ue * report_slots
        for ue in reversed(range(config.num_ue)):
            self._report(rows, torch.full_like(rows, ue), position[:, ue], torch.zeros_like(rows))
        state.similarity[rows], state.gap_slots[rows] = 1.0, 0
        self.downlink.precode(rows)

    def step(self, rows: torch.Tensor, decision: Decision) -> Step:
        """Decide about the UEs that have just reported in environments `rows` [N], and run until the next report."""
        state, reporter = self.network.state, self.network.state.turn[rows]
        state.period_slots[rows, reporter] = decision.period_slots
        state.due_slots[rows, reporter] = state.report_slots[rows, reporter] + decision.period_slots
        state.spacing[rows, reporter] = decision.spacing
        state.codeword_bits[rows, reporter] = decision.codeword_bits
        state.dmrs_additional[rows, reporter] = decision.dmrs_additional
        return self._run(rows, decided=reporter)

    def schedule(self, rows: torch.Tensor, ue: torch.Tensor) -> Step:
        """Let UE `ue` [N], and nobody else, report at the next opportunity; run environments `rows` [N] until then."""
        self.network.state.due_slots[rows] = _NEVER
        self.network.state.due_slots[rows, ue] = self.network.state.now_slots[rows]
        return self._run(rows, decided=ue)

    def _run(self, rows: torch.Tensor, decided: torch.Tensor) -> Step:
        """Let environments `rows` [N] run until the next report."""
        state, config = self.network.state, self.config
        now = state.now_slots[rows]
        due, following = state.due_slots[rows].min(-1)
        period = config.uplink_period_slots
        first = (torch.maximum(due, now + 1) + period - 1) // period * period
        last = first + (self.network.opportunities(state.codeword_bits[rows, following]) - 1) * period
        truncated = last >= config.episode_slots
        until = last.clamp_max(config.episode_slots)
        self.seek(rows, now, _Draw.TRANSMIT)
        bits_per_re = self.downlink.transmit(rows, now, until)

        state.now_slots[rows] = until
        self.seek(rows, until, _Draw.REPORT)
        both = torch.stack([until, first], -1)
        (position, measured_m), (velocity, _) = (x.unbind(1) for x in self.motion.at(rows, both * self.slot_s))
        self.move(rows, until - now, position, velocity)
        state.turn[rows], state.decided[rows] = following, decided
        age = until - state.report_slots[rows, following]
        pilots, feedback = self._spent(rows, following, position)
        reports = (~truncated).nonzero()[:, 0]
        for chunk in chunks(len(reports), self._reports, self.device):
            index = reports[chunk]
            cells, ue = rows[index], following[index]
            self._report(cells, ue, measured_m[index, ue], first[index])
            self.downlink.precode(cells)
        elements = data_resource_elements((until - now)[:, None], self.carrier_blocks, state.dmrs_additional[rows])
        scale = bits_per_re.sum(-1) / self.episode_hz_s
        costs = {
            "pilot_cost": torch.where(truncated, 0.0, scale * pilots),
            "feedback_cost": torch.where(truncated, 0.0, scale * feedback * config.uplink_price),
        }
        step = Step(
            delivered_by_ue=bits_per_re * elements / self.episode_hz_s,
            charges=(Charge(ue=following, costs=costs),),
            elapsed_slots=until - now,
            truncated=truncated,
            ue=following,
            facts={"csi_age_slots": age},
        )
        state.overhead[rows] = self._overhead(rows, step)
        return step

    def _overhead(self, rows: torch.Tensor, step: Step) -> torch.Tensor:
        """Share of the resources for data that the window spent on DM-RS and on the report at its end, [N]."""
        symbols = SYMBOLS_PER_SLOT - CONTROL_SYMBOLS
        data_symbols = symbols - 1 - self.network.state.dmrs_additional[rows]
        possible = (step.delivered_by_ue * symbols / data_symbols).sum(-1)
        return torch.where(possible > 0, 1 - step.reward / possible.clamp_min(1e-9), 0.0)

    def _spent(self, rows: torch.Tensor, ue: torch.Tensor, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Resource elements of the pilots and of the feedback of UE `ue`'s report, [N] each."""
        state = self.network.state
        gain = self.reality.gain(rows, position[torch.arange(len(rows), device=self.device), ue])
        rate = self.network.uplink_bits_per_re(gain)
        bits = self.network.codec.bits(state.codeword_bits[rows, ue])
        return self._pilot_elements[state.spacing[rows, ue]], feedback_resource_elements(bits, rate)

    def _report(
        self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, measured_slots: torch.Tensor
    ) -> None:
        """The report that UE `ue` [N] made at `measured_slots` [N], truly at `position_m` [N, 3] then, arrives."""
        network, state, mine = self.network, self.network.state, (rows, ue)
        h = self.reality.channel(rows, position_m[:, None], network.block_hz, synchronised=True)[:, 0]
        codeword_bits = state.codeword_bits[mine]
        decoded = network.acquisition.report(
            h,
            self.noise,
            rows=rows,
            **network.whereabouts(rows, ue),
            spacing=state.spacing[mine],
            codeword_bits=codeword_bits,
            block=network.subband,
            streams=self.streams,
        )
        before = state.h_hat[rows, :, ue]
        state.similarity[mine] = squared_cosine(before, decoded).mean(-1)
        state.gap_slots[mine] = measured_slots - state.report_slots[mine]
        state.report_slots[mine] = measured_slots
        state.h_hat[rows, :, ue] = decoded
        power = squared_magnitude(decoded).mean((1, 2))
        state.expected_error[mine] = network.codec_nmse(codeword_bits) * power
        network.learn(rows, ue, network.twin.predict(network.sensed(rows, ue), state.ap[rows]))
