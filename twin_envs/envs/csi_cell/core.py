"""The core of decisions about CSI: all physics of a step, for B cells at once.

Privileged: this module lives in reality. What leaves it is `network`, the network's view, and what came of a decision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import IntEnum

import torch

from twin_envs.base.chunks import chunks
from twin_envs.base.errors import check_choice
from twin_envs.base.state import TensorState
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, squared_magnitude
from twin_envs.csi.channels import angle_delay_grid, mean_profile
from twin_envs.csi.codecs.site_codec import load_site_codec
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS
from twin_envs.csi.nr.overhead import CSI_RS_PORTS, csi_rs_resource_elements, data_resource_elements
from twin_envs.csi.nr.pilots import pilot_elements, pilot_spacing
from twin_envs.csi.nr.uplink import BLOCK_ELEMENTS
from twin_envs.csi.similarity import squared_cosine
from twin_envs.envs.core.configuration import LARGEST_POPULATION
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.site_check import check_array, check_served_at_once
from twin_envs.envs.core.step import Charge, Step
from twin_envs.envs.csi_cell.acquisition import Acquisition
from twin_envs.envs.csi_cell.actions import Decision
from twin_envs.envs.csi_cell.checks import check_csi_rs, check_scheduler, check_uplink
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.downlink import Downlink
from twin_envs.envs.csi_cell.view import FIRST_OFFSETS_DB, CsiCellView
from twin_envs.envs.reality.cell import Reality

_NEVER = 1 << 40
REPORTS_AT_ONCE = 256
"""Reports that a CPU computes together."""


class _Draw(IntEnum):
    TRANSMIT = 0
    SENSE = 1
    REPORT = 3  # of UE 0; those of the others follow


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

    draws_per_slot = _Draw.REPORT + LARGEST_POPULATION
    config: CellConfig
    network: CsiCellView

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        super().__init__(config, num_envs, device)
        site, recipe = self.site, self.recipe
        check_array(config, recipe, CSI_RS_PORTS, "each a port of CSI-RS")
        check_served_at_once(config, recipe)
        grid, codec = angle_delay_grid(site), load_site_codec(config.codec, site, device, config.twin)
        lengths = codec.codec.codeword_lengths
        bits = max(lengths) if config.codeword_bits is None else config.codeword_bits
        check_choice("codeword_bits", bits, lengths)
        self._codeword_bits, self.config = bits, dataclasses.replace(config, codeword_bits=bits)
        twin = self.channel_twin(config.twin, config.commissioning_places)
        self.network = CsiCellView(
            twin=twin,
            acquisition=Acquisition(
                grid, codec.codec, twin, config.estimator, mean_profile(site, config.twin), config.chooses_ports
            ),
            site_codec=codec,
            grid=grid,
            **self.view_fields(),
        )
        self.reality = Reality(
            site.reality(config.world), self.motion, recipe, config.neighbour_load, config.frequency_tracking
        )
        self.populate_cells(self.reality.atlas)
        self.downlink = Downlink(self, self.network, self.reality)
        check_csi_rs(config, self.tdd)
        check_uplink(config, recipe, self.tdd)
        check_scheduler(config)
        self._symbol_elements = self.carrier_blocks * SUBCARRIERS_PER_BLOCK
        self._reports = REPORTS_AT_ONCE if device.type == "cpu" else num_envs
        self._common_pilot_elements = csi_rs_resource_elements(grid.antennas, config.pilot_density, grid.blocks)

    def states(self) -> Iterator[TensorState]:
        """See `Core.states`."""
        yield from super().states()
        yield self.network.prediction
        yield self.reality.state

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has reported at time 0; UE 0 last. The others are due one after the other, as the uplink has room.
        """
        for chunk in chunks(len(rows), self._reports, self.device):
            self._begin(rows[chunk], keys[chunk])

    def _begin(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        network, state, config = self.network, self.network.state, self.config
        state.ap[rows] = self.reality.state.ap[rows] = self.begin(rows, keys)
        network.prediction.clear(rows)
        state.ports[rows], state.spacing[rows] = network.grid.antennas, pilot_spacing(config.pilot_density)
        state.codeword_bits[rows] = self._codeword_bits
        state.dmrs_additional[rows] = config.dmrs_additional
        state.offset_db[rows] = torch.tensor(FIRST_OFFSETS_DB, device=self.device)
        position = self.first_fix(rows)
        gain = torch.stack([self.reality.gain(rows, position[:, ue]) for ue in range(config.num_ue)], -1)
        state.blocks[rows] = network.grant(gain, state.codeword_bits[rows]).block_slots
        busy_slots = state.blocks[rows] / network.blocks_per_slot
        state.due_slots[rows] = (busy_slots.cumsum(-1) - busy_slots[:, :1]).long()
        state.period_slots[rows] = busy_slots.sum(-1, keepdim=True).ceil().long()
        for ue in reversed(range(config.num_ue)):
            self._report(rows, torch.full_like(rows, ue), position[:, ue], torch.zeros_like(rows))
        state.similarity[rows], state.reports_apart_slots[rows] = 1.0, 0
        self.downlink.precode(rows)

    def step(self, rows: torch.Tensor, decision: Decision) -> Step:
        """Decide about the UEs that have just reported in environments `rows` [N], and run until the next report."""
        state, reporter = self.network.state, self.network.state.turn[rows]
        state.period_slots[rows, reporter] = decision.period_slots
        state.due_slots[rows, reporter] = state.now_slots[rows] + decision.period_slots
        state.ports[rows, reporter], state.spacing[rows, reporter] = decision.ports, decision.spacing
        state.codeword_bits[rows, reporter] = decision.codeword_bits
        state.dmrs_additional[rows, reporter] = decision.dmrs_additional
        return self._run(rows, decided=reporter)

    def schedule(self, rows: torch.Tensor, ue: torch.Tensor) -> Step:
        """Let UE `ue` [N] alone report as soon as the uplink has room; run environments `rows` [N] until then."""
        self.network.state.due_slots[rows] = _NEVER
        self.network.state.due_slots[rows, ue] = self.network.state.now_slots[rows]
        return self._run(rows, decided=ue)

    def _run(self, rows: torch.Tensor, decided: torch.Tensor) -> Step:
        """Let environments `rows` [N] run until the next report."""
        network, state, config = self.network, self.network.state, self.config
        now, reporter = state.now_slots[rows], state.due_slots[rows].min(-1).indices
        blocks, sent, arrived = self._grant(rows, reporter)
        truncated = arrived >= config.episode_slots
        until = arrived.clamp_max(config.episode_slots)
        slots, symbols = self.tdd.downlink(now, until)
        some = (slots > 0).nonzero()[:, 0]
        bler, outage = (torch.zeros(len(rows), device=self.device) for _ in range(2))
        if len(some):
            self.seek(rows[some], now[some], _Draw.TRANSMIT)
            quality = self.downlink.transmit(rows[some], now[some], until[some], slots[some])
            bler[some], outage[some] = quality
        bits_per_re = state.bits_per_re[rows]

        state.now_slots[rows] = until
        measured = network.occasion(sent)
        both = torch.stack([until, measured], -1)
        (position, measured_m), (velocity, _) = (x.unbind(1) for x in self.motion.at(rows, both * self.slot_s))
        passed = (until > now).nonzero()[:, 0]
        if len(passed):
            self.seek(rows[passed], until[passed], _Draw.SENSE)
            self.move(rows[passed], (until - now)[passed], position[passed], velocity[passed])
        state.turn[rows], state.decided[rows] = reporter, decided
        age = until - state.report_slots[rows, reporter]
        own_pilots = pilot_elements(state.ports[rows, reporter], state.spacing[rows, reporter], network.grid.blocks)
        reports = (~truncated).nonzero()[:, 0]
        for chunk in chunks(len(reports), self._reports, self.device):
            index = reports[chunk]
            cells, ue = rows[index], reporter[index]
            state.blocks[cells, ue] = blocks[index]
            self._report(cells, ue, measured_m[index, ue], measured[index])
            self.downlink.precode(cells)
        step = Step(
            delivered_by_ue=bits_per_re * self._data_elements(slots, symbols, rows) / self.episode_hz_s,
            charges=self._charges(now, until, reporter, bits_per_re, blocks * ~truncated, own_pilots),
            elapsed_slots=until - now,
            truncated=truncated,
            ue=reporter,
            facts={"csi_age_slots": age, "bler": bler, "outage": outage},
        )
        # What the window could have carried had all its symbols but those of PDCCH been data.
        possible = bits_per_re.sum(-1) * self._symbol_elements * (symbols - slots * CONTROL_SYMBOLS)
        overhead = 1 - step.reward * self.episode_hz_s / possible.clamp_min(1e-9)
        state.overhead[rows] = torch.where(possible > 0, overhead, state.overhead[rows])
        return step

    def _grant(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The uplink for the next report of UE `ue` [N] in environments `rows` [N], taken off what there is.

        Returns:
            resource blocks that it takes, the slot in which it begins and the one in which it ends, int64 [N] each.
        """
        network, state, tdd = self.network, self.network.state, self.tdd
        now, mine = state.now_slots[rows], (rows, ue)
        earliest = tdd.next_uplink(torch.maximum(state.due_slots[mine], now))
        position, _ = self.motion.at(rows, earliest * self.slot_s)
        gain = self.reality.gain(rows, position[torch.arange(len(rows), device=self.device), ue])
        grant = network.grant(gain, state.codeword_bits[mine])
        blocks, per_slot = grant.block_slots, network.blocks_per_uplink_slot
        missing = torch.ceil((blocks - state.credit[rows]) / per_slot - 1e-4).long()  # uplink slots still to come
        begins = torch.maximum(
            earliest, torch.where(missing > 0, tdd.next_uplink(now + 1, (missing - 1).clamp_min(0)), 0)
        )
        ends = tdd.next_uplink(begins, grant.slots - 1)
        left = state.credit[rows] + per_slot * tdd.uplink(now + 1, begins + 1)
        left = left.clamp_max(self.carrier_blocks).maximum(blocks) - blocks
        state.credit[rows] = left + per_slot * tdd.uplink(begins + 1, ends + 1)
        return blocks, begins, ends

    def _data_elements(self, slots: torch.Tensor, symbols: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Resource elements for each UE's data in `slots` slots with `symbols` symbols [N], int64 [N, U]."""
        additional = self.network.state.dmrs_additional[rows]
        return data_resource_elements(slots[:, None], symbols[:, None], self.carrier_blocks, additional)

    def _charges(
        self,
        now: torch.Tensor,
        until: torch.Tensor,
        ue: torch.Tensor,
        bits_per_re: torch.Tensor,
        blocks: torch.Tensor,
        own_pilots: torch.Tensor,
    ) -> tuple[Charge, ...]:
        """What the window from `now` to `until` [N] and the report at its end cost.

        Args:
            now, until: slots [N].
            ue: who reports [N].
            bits_per_re: what a resource element carries to each UE [N, U].
            blocks: of the uplink that the report takes [N]; 0 where there is none.
            own_pilots: resource elements of an aperiodic CSI-RS [N].
        """
        worth = bits_per_re.sum(-1) / self.episode_hz_s
        told = self.network.codec.downlink_bits / self.episode_hz_s * (blocks > 0)  # sent as data, and instead of it
        feedback = {"feedback_cost": worth * blocks * (BLOCK_ELEMENTS * self.config.uplink_price) + told}
        period = self.network.csi_rs_period_slots
        if period:
            occasions = (until + period - 1) // period - (now + period - 1) // period
            common = occasions * self._common_pilot_elements
            return Charge(ue=None, costs={"pilot_cost": worth * common}), Charge(ue=ue, costs=feedback)
        own = own_pilots * (blocks > 0)
        return (Charge(ue=ue, costs={"pilot_cost": worth * own, **feedback}),)

    def _report(
        self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, measured_slots: torch.Tensor
    ) -> None:
        """The report of UE `ue` [N] on the channel at `measured_slots` [N], truly at `position_m` [N, 3], arrives."""
        network, state, mine = self.network, self.network.state, (rows, ue)
        self.seek(rows, measured_slots, _Draw.REPORT + ue)
        h = self.reality.channel(rows, position_m[:, None], network.block_hz, synchronised=True)[:, 0]
        codeword_bits = state.codeword_bits[mine]
        decoded = network.acquisition.report(
            h,
            self.noise,
            rows=rows,
            **network.whereabouts(rows, ue),
            ports=state.ports[mine],
            spacing=state.spacing[mine],
            codeword_bits=codeword_bits,
            block=network.subband,
            streams=self.streams,
        )
        before = state.h_hat[rows, :, ue]
        state.similarity[mine] = squared_cosine(before, decoded).mean(-1)
        state.reports_apart_slots[mine] = measured_slots - state.report_slots[mine]
        state.report_slots[mine] = measured_slots
        state.h_hat[rows, :, ue] = decoded
        power = squared_magnitude(decoded).mean((1, 2))
        nmse = network.codec_nmse(codeword_bits)
        state.expected_error[mine] = nmse * power
        network.reported(rows, ue, decoded, nmse)
        network.learn(rows, ue, network.twin.predict(network.sensed(rows, ue), state.ap[rows]))
