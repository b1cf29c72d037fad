"""Planning reports from how the CSI of each UE will age."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from twin_envs.agents.core.episodes import NewEpisodes
from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.agents.csi_cell.appraisal import (
    AGES_SLOTS,
    IDEAL_PERIODS_SLOTS,
    Outlook,
    RecentMean,
    goodput,
    goodput_table,
    mean_over_periods,
)
from twin_envs.agents.csi_cell.measured import Trust, correction
from twin_envs.base.settings import computing, lasting
from twin_envs.base.state import TensorState, tensor
from twin_envs.base.streams import Streams
from twin_envs.base.units import SYMBOLS_PER_SLOT
from twin_envs.csi.nr.pilots import pilot_elements
from twin_envs.csi.nr.uplink import BLOCK_ELEMENTS
from twin_envs.csi.similarity import squared_cosine
from twin_envs.csi.transforms import from_angle_delay
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.view import CsiCellView, csi_view

NO_TRUST = Trust()
_PRICES = 64
_WAIT_MEMORY = 0.2
_MOST_CARRIED = 0.7


@dataclass(kw_only=True)
class _Memory(TensorState):
    """What a planner remembers of an episode.

    Attributes:
        level: rate of each UE with fresh CSI [bits per resource element], float32 [B, U].
        uplink_slots: what a report takes of the uplink, in slots of its share for CSI, float32 [B, U, kinds].
        net: rate less what reports cost, by period and kind of report, float32 [B, U, periods, kinds].
        mode: the mode with which it is, int64 [B, U, periods, kinds].
        asked_slots: the period that was asked for last; 0 for none, float32 [B, U].
        carried: logarithm of what rounding to a period has taken from each UE, float32 [B, U].
        wait_slots: how long reports wait for the uplink of late, float32 [B].
    """

    level: torch.Tensor = tensor("env", "ue")
    uplink_slots: torch.Tensor = tensor("env", "ue", "length", initial=1)
    net: torch.Tensor = tensor("env", "ue", len(IDEAL_PERIODS_SLOTS), "length")
    mode: torch.Tensor = tensor("env", "ue", len(IDEAL_PERIODS_SLOTS), "length", dtype=torch.int64)
    asked_slots: torch.Tensor = tensor("env", "ue")
    carried: torch.Tensor = tensor("env", "ue")
    wait_slots: torch.Tensor = tensor("env")


def together(cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
    """Who would share the slots with UE `ue` [N] if it were scheduled now, itself among them: bool [N, U]."""
    return cell.state.scheduled[rows].scatter(1, ue[:, None], True)


class Planner(ViewPolicy):
    """Chooses how UEs report so that the cell loses the least to ageing, given what the uplink carries.

    For each UE the mean rate over a period, less what the report at its end costs, is a known function of period and
    mode (pilots, DM-RS, codeword), once it is foreseen how the rate falls with age. What is foreseen at one place is
    only a sample of what the UE will meet, so it is averaged over the last reports. Reports are of as many kinds as
    there are codeword lengths; of each kind, for each period, the best mode is taken. A common price per resource block
    of the uplink makes the UEs comparable: each takes the period and the kind that suit it best, and the price is the
    one at which all together ask for as much of the uplink as planned (a Lagrange multiplier; between the two prices
    around it, shares of the uplink are interpolated). A report that finds the uplink full waits, so the wait of late is
    taken off the period that is asked for. What rounding to the periods of NR takes from a UE it gets back the next
    time.

    A subclass says what rate a UE will get.

    Args:
        utilisation: resource blocks of the uplink that the plan asks for, over those that there are for CSI. Somewhat
            above 1 none stays unused.
        trust: in what link adaptation has measured.
    """

    ages_slots: tuple[int, ...] = AGES_SLOTS
    """Ages at which it looks at the channel."""

    def __init__(self, utilisation: float = 1.3, trust: Trust = NO_TRUST) -> None:
        self.utilisation, self.trust = utilisation, trust

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Plan for these environments from now on."""
        self.cell = cell = csi_view(network)
        device = cell.device
        self.actions, self._table = cell.actions, goodput_table(cell.link, device)
        self.csi_rs = self.actions.csi_rs[: 1 + max(mode.csi_rs for mode in self.actions.modes)]
        shape = (self.cell.num_envs, self.cell.config.num_ue)
        lengths = torch.tensor([self.actions.codeword_lengths[m.codeword] for m in self.actions.modes], device=device)
        self._lengths, self._class = torch.unique(lengths, return_inverse=True)
        sizes = {"ue": shape[1], "length": len(self._lengths)}
        self._memory = _Memory.create(shape[0], device, **sizes)
        self._episodes, self._rows = NewEpisodes(cell), torch.arange(shape[0], device=device)
        self._foreseen = RecentMean(*shape, (len(self.ages_slots), len(self.actions.modes)), device)
        self._ideal_slots = torch.tensor(IDEAL_PERIODS_SLOTS, dtype=torch.float32, device=device)
        self._allowed_slots = torch.tensor(self.actions.periods_slots, dtype=torch.float32, device=device)

    @abstractmethod
    def outlook(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> Outlook:
        """What is to be expected of UE `ue` [N]."""

    @abstractmethod
    def uplink_gain(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Path gain of an antenna of UE `ue` [N], linear, [N]."""

    def report_errors(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Share of the channel's power that reports get wrong, by CSI-RS and codeword length [N, R, L].

        Sounds and compresses the channels `h` [N, blocks, antennas], as UE `ue` [N] would. What the codec adds is taken
        to be the same for all CSI-RS.
        """
        acquisition, where, order = (
            cell.acquisition,
            cell.whereabouts(rows, ue),
            torch.arange(len(rows), device=h.device),
        )
        streams = Streams(len(rows), h.device)
        streams.seed(order, cell.state.now_slots[rows] * cell.config.num_ue + ue)
        estimates = [
            acquisition.estimate(
                h,
                cell.noise,
                rows=order,
                ports=torch.full_like(rows, csi_rs.ports),
                spacing=torch.full_like(rows, csi_rs.spacing),
                streams=streams,
                **where,
            )
            for csi_rs in self.csi_rs
        ]
        lengths = [torch.full_like(rows, bits) for bits in self.actions.codeword_lengths]
        coded = [acquisition.codec.report(estimates[0], acquisition.side(bits, **where)) for bits in lengths]
        heard = [from_angle_delay(estimate, cell.grid) for estimate in estimates]
        sounding, coding = (
            torch.stack([1 - squared_cosine(h, got).mean(-1) for got in several], -1) for several in (heard, coded)
        )
        return sounding[..., None] + (coding - sounding[:, :1])[:, None]

    def goodput(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Rate expected of UE `ue` [N] by age of its CSI and mode, as `appraisal.goodput` counts it."""
        symbol_s, outlook = cell.slot_s / SYMBOLS_PER_SLOT, self.outlook(cell, rows, ue)
        factor = correction(cell, rows, ue, outlook, self.ages_slots, self.trust)
        return goodput(outlook, self.actions.modes, self._table, symbol_s, factor)

    def act(self, observation: Array) -> Array:
        """Actions for the UEs that have just reported."""
        with computing(self.cell.num_envs):
            period, mode = self._choose()
            return self.actions.encode_mode(period.cpu().numpy(), mode.cpu().numpy())

    def _choose(self) -> tuple[torch.Tensor, torch.Tensor]:
        state, rows, memory = self.cell.state, self._rows, self._memory
        begun = self._episodes.begun(rows)
        fresh, later = rows[begun], rows[~begun]
        memory.clear(fresh)
        self._foreseen.forget(fresh)
        for ue in range(self.cell.config.num_ue if len(fresh) else 0):
            self._learn(fresh, torch.full_like(fresh, ue))
        if len(later):
            self._learn(later, state.turn[later])
        mine = (rows, state.turn)
        asked_slots = memory.asked_slots[mine]
        waited = torch.where(asked_slots > 0, state.reports_apart_slots[mine] - asked_slots, 0.0)
        memory.wait_slots += _WAIT_MEMORY * (waited - memory.wait_slots)
        period_slots, length = (of_all[mine] for of_all in self.plan())
        wanted = period_slots.log() + memory.carried[mine]
        offered = (self._allowed_slots + memory.wait_slots.clamp_min(0.0)[:, None]).log()
        period = (wanted[:, None] - offered).abs().argmin(-1)
        coming = offered[rows, period]
        memory.carried[mine] = (wanted - coming).clamp(-_MOST_CARRIED, _MOST_CARRIED)
        memory.asked_slots[mine] = self._allowed_slots[period]
        nearest = (coming[:, None] - self._ideal_slots.log()).abs().argmin(-1)
        return period, memory.mode[*mine, nearest, length]

    def _learn(self, rows: torch.Tensor, ue: torch.Tensor) -> None:
        """Note what UE `ue` [N] is to be expected to get, net of its reports."""
        memory = self._memory
        by_age = self._foreseen.learn(rows, ue, self.goodput(self.cell, rows, ue))
        kinds = range(len(self._lengths))
        groups = [(self._class == kind).nonzero()[:, 0] for kind in kinds]
        expected = [mean_over_periods(by_age[..., modes], self.ages_slots, self.cell.delay_slots) for modes in groups]
        memory.level[rows, ue] = torch.cat([mean[:, 0] for mean in expected], -1).amax(-1)
        level = memory.level[rows]
        of_cell = level.sum(-1) * (level.shape[1] / (level > 0).sum(-1).clamp_min(1))
        gain = self.uplink_gain(self.cell, rows, ue)
        blocks = self.cell.grant(*torch.broadcast_tensors(gain[:, None], self._lengths)).block_slots
        memory.uplink_slots[rows, ue] = blocks / self.cell.blocks_per_slot
        told = self.cell.codec.downlink_bits / self.cell.data_elements_per_slot
        lost = of_cell[:, None] * self._report_slots(blocks) + told  # by mode
        for kind, modes, mean in zip(kinds, groups, expected, strict=True):
            net, best = (mean - lost[:, None, modes] / self._ideal_slots[:, None]).max(-1)
            memory.net[rows, ue, :, kind], memory.mode[rows, ue, :, kind] = net, modes[best]

    def plan(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The period that each UE should have now [slots], float32 [B, U], and its kind of reports, int64 [B, U]."""
        memory = self._memory
        per_slot = memory.level.sum(-1, keepdim=True) * torch.logspace(-4, 4, _PRICES - 1, device=self.cell.device)
        price = torch.cat([torch.zeros_like(per_slot[:, :1]), per_slot], -1)
        use = (memory.uplink_slots[:, :, None] / self._ideal_slots[:, None]).flatten(2)  # share of the uplink
        worth = memory.net.flatten(2)[..., None] - price[:, None, None] * use[..., None]
        choice = worth.argmax(2)  # [B, U, prices]
        share_of_uplink = use.gather(2, choice)
        load = share_of_uplink.sum(1)  # [B, prices], falls as the price rises
        dearer = (load > self.utilisation).sum(-1).clamp_max(_PRICES - 1)[:, None]
        cheaper = (dearer - 1).clamp_min(0)
        low, high = load.gather(1, dearer), load.gather(1, cheaper)
        mix = ((self.utilisation - low) / (high - low)).nan_to_num(0.0, 0.0, 0.0).clamp(0.0, 1.0)
        at = [price_index[:, None].expand(-1, choice.shape[1], 1) for price_index in (dearer, cheaper)]
        few, many = (share_of_uplink.gather(2, index)[..., 0] for index in at)
        kinds = [choice.gather(2, index)[..., 0] % len(self._lengths) for index in at]
        kind = torch.where(mix > 0.5, kinds[1], kinds[0])
        slots = memory.uplink_slots.gather(2, kind[..., None])[..., 0]
        return slots / (few + mix * (many - few)), kind

    def _report_slots(self, blocks: torch.Tensor) -> torch.Tensor:
        """What a report costs in slots of the cell's data, float32 [N, modes], if it takes `blocks` [N, kinds]."""
        cell, elements = self.cell, blocks[:, self._class] * (BLOCK_ELEMENTS * self.cell.config.uplink_price)
        if not cell.csi_rs_period_slots:  # it needs a CSI-RS of its own
            used = [self.csi_rs[mode.csi_rs] for mode in self.actions.modes]
            ports, spacing = torch.tensor(used, device=cell.device).unbind(-1)
            elements = elements + pilot_elements(ports, spacing, cell.grid.blocks)
        return elements / cell.data_elements_per_slot
