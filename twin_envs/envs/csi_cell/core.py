"""The batched core: all physics of a step, for B cells at once.

Privileged: this module lives in reality (see `READS_REALITY`). What leaves it is `known`, the
network's view, and the reward with its terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.chunks import blocks
from twin_envs.base.errors import check_choice, check_number
from twin_envs.base.streams import Streams
from twin_envs.base.units import THERMAL_NOISE_DBM_HZ, slot_duration_s, squared_magnitude
from twin_envs.csi.nr.overhead import (
    CSI_RS_PORTS,
    csi_rs_resource_elements,
    data_resource_elements,
    feedback_resource_elements,
    uplink_bits_per_re,
    uplink_opportunities,
)
from twin_envs.csi.nr.pilots import PILOT_SPACINGS, pilot_spacing
from twin_envs.csi.training.site_codec import angle_delay_grid, load_site_codec
from twin_envs.envs.core.configuration import CellConfig
from twin_envs.envs.core.links import make_link
from twin_envs.envs.core.site_check import check_array, check_served_at_once
from twin_envs.envs.csi_cell.acquisition import Acquisition
from twin_envs.envs.csi_cell.view import Known
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.downlink import Downlink
from twin_envs.envs.reality.population import Population
from twin_envs.twin.traced import TracedTwin
from twin_envs.world.motion import Motion
from twin_envs.world.sensing import Sensing, SensingConfig
from twin_envs.world.store.site import load_site

SUBBAND_BLOCKS = 8
"""Resource blocks of a subband, over which the precoder is constant (TS 38.214, table 5.2.1.4-2)."""
_NEVER = 1 << 40
_DRAWS_BEFORE = 64
_DRAWS_PER_SLOT = 4
_UE_POWER_DBM = 23.0
_UPLINK_BLOCKS = 4
_UPLINK_NOISE_FIGURE_DB = 5.0
_REPORTS = 256
"""Reports that a CPU computes at once."""
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is decided about the next report of the UE that has just reported, in N environments.

    Attributes:
        period_slots: when it reports next, int64 [N].
        spacing: resource blocks from one CSI-RS pilot to the next, int64 [N].
        codeword_bits: length of its codeword, int64 [N].
        dmrs_additional: additional DM-RS positions of its data until it is decided about again, int64 [N].
    """

    period_slots: torch.Tensor
    spacing: torch.Tensor
    codeword_bits: torch.Tensor
    dmrs_additional: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened until the next report, in N environments. The reward is delivered - pilot_cost - feedback_cost.

    Attributes:
        delivered_by_ue: float32 [N, U], bits delivered to each UE over the episode's time and bandwidth [bit/s/Hz].
        pilot_cost: what could have been sent in the CSI-RS resource elements of the report at the end [bit/s/Hz].
        feedback_cost: the same for its feedback.
        elapsed_slots: int64 [N].
        csi_age_slots: age of the CSI that the report replaced, int64 [N].
        truncated: the episode's time is over, bool [N]; then nobody reported.
    """

    delivered_by_ue: torch.Tensor
    pilot_cost: torch.Tensor
    feedback_cost: torch.Tensor
    elapsed_slots: torch.Tensor
    csi_age_slots: torch.Tensor
    truncated: torch.Tensor

    @property
    def delivered(self) -> torch.Tensor:
        """What all UEs of a cell got, float32 [N]."""
        return self.delivered_by_ue.sum(-1)

    @property
    def reward(self) -> torch.Tensor:
        """Net spectral efficiency: the rewards of an episode add up to the cell's mean [bit/s/Hz]."""
        return self.delivered - self.pilot_cost - self.feedback_cost


class Cell:
    """B cells, each with an AP and U UEs, on one device.

    Args:
        config: the options.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.

    Attributes:
        known: the network's view.
        config: the options.
        block_hz: baseband frequency of each resource block that CSI covers [blocks].
        subband_hz: baseband frequency at which each subband is represented [F].
        carrier_blocks: resource blocks of the carrier.
        slot_s: duration of a slot.
        noise: noise over transmit power per resource element at every UE, as its whitened channel is scaled; linear.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    def __init__(self, config: CellConfig, num_envs: int, device: torch.device) -> None:
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        self.config, self.num_envs, self.device = config, num_envs, device
        self.site = site = load_site(config.site, device)
        recipe = site.recipe
        check_array(config, recipe, CSI_RS_PORTS, "each a port of CSI-RS")
        check_served_at_once(config, recipe)
        self.slot_s = slot_duration_s(recipe.subcarrier_spacing_hz)
        self.grid = angle_delay_grid(site)
        codec = load_site_codec(config.codec, site, device)
        check_choice("codeword_bits", config.codeword_bits, codec.codec.codeword_lengths)
        boresight_rad = torch.tensor([ap.yaw_rad for ap in recipe.access_points])
        self.twin = TracedTwin(site.twin(config.twin), boresight_rad, recipe.array.columns)
        self.reality = Reality(
            site.reality(config.world),
            Motion(site.routes, num_envs, config.num_ue),
            recipe,
            config.neighbour_load,
            config.frequency_tracking,
        )
        self.noise = self.reality.noise
        self._reports = _REPORTS if device.type == "cpu" else num_envs
        self.acquisition = Acquisition(self.grid, codec.codec, self.twin, config.estimator)
        self.codec_nmse = codec.nmse
        self.link = make_link(config, device)
        self.streams = Streams(num_envs, device)
        self.population = Population(site.routes, self._serves(), config.population, config.episode_slots * self.slot_s)
        block = torch.arange(self.grid.blocks, device=device, dtype=torch.float32)
        self.block_hz = (block - (self.grid.blocks - 1) / 2) * recipe.block_spacing_hz
        self._subband = torch.arange(SUBBAND_BLOCKS // 2, self.grid.blocks, SUBBAND_BLOCKS, device=device)
        self.subband_hz = self.block_hz[self._subband]
        sensing = Sensing(SensingConfig(), num_envs, config.num_ue, site.sky_view, device)
        self.known = Known(num_envs, config.num_ue, len(self._subband), self.grid.antennas, sensing)
        self.downlink = Downlink(self.known, self.reality, self.link, self.streams, self.subband_hz, self.slot_s)
        self._expected_error = torch.zeros(num_envs, config.num_ue, device=device)
        self.carrier_blocks = recipe.carrier_blocks
        self._episode_hz_s = config.episode_slots * self.slot_s * recipe.bandwidth_hz
        pilots = [csi_rs_resource_elements(self.grid.antennas, 1 / s, self.grid.blocks) for s in PILOT_SPACINGS]
        self._pilot_elements = torch.zeros(max(PILOT_SPACINGS) + 1, device=device)
        self._pilot_elements[torch.tensor(PILOT_SPACINGS)] = torch.tensor(pilots, dtype=torch.float32, device=device)
        noise_dbm = THERMAL_NOISE_DBM_HZ + _UPLINK_NOISE_FIGURE_DB
        self._uplink_noise_dbm = noise_dbm + float(10 * torch.log10(torch.tensor(recipe.subcarrier_spacing_hz)))

    def _serves(self) -> torch.Tensor:
        """Which AP serves which route vertex, bool [A, R, V]: 0 dB at one antenna, and within 3 dB of the best AP."""
        routes, atlas = self.site.routes, self.reality.atlas
        cell = atlas.geometry.cell(routes.points)
        gain = torch.where(cell >= 0, atlas.gain[:, cell.clamp_min(0)], 0.0)
        return (gain > self.reality.noise) & (gain > 0.5 * gain.amax(0))

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has reported at time 0; UE 0 last. The others are due one after the other.
        """
        for block in blocks(len(rows), self._reports, self.device):
            self._begin(rows[block], keys[block])

    def _begin(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        known, num_ue = self.known, self.config.num_ue
        self.streams.seed(rows, keys)
        known.clear(rows)
        known.spacing[rows] = pilot_spacing(self.config.pilot_density)
        known.codeword_bits[rows] = self.config.codeword_bits
        known.dmrs_additional[rows] = self.config.dmrs_additional
        known.ap[rows] = self.reality.ap[rows] = self.population.start(rows, self.reality.motion, self.streams)
        position, velocity = self.reality.position(rows, torch.zeros(len(rows), device=self.device))
        known.sensing.start(rows, position[..., :2], velocity[..., :2], self.streams)
        report_slots = self.opportunities(known.codeword_bits[rows]) * self.config.uplink_period_slots
        known.due_slots[rows] = torch.arange(num_ue, device=self.device) * report_slots
        known.period_slots[rows] = num_ue * report_slots
        for ue in reversed(range(num_ue)):
            self._report(rows, torch.full_like(rows, ue), position[:, ue], torch.zeros_like(rows))
        known.similarity[rows], known.gap_slots[rows] = 1.0, 0
        self.downlink.precode(rows, self.expected_error(rows))

    def imitate(self, rows: torch.Tensor, other: Cell, others: torch.Tensor) -> None:
        """Let environments `rows` [N] go on as environments `others` [N] of `other`, a cell with the same options.

        With the same decisions the same will happen in them, noise included: what an oracle needs to look ahead.
        """
        for mine, theirs in zip(self._state_tensors(), other._state_tensors()):
            mine[rows] = theirs[others]

    def _state_tensors(self) -> list[torch.Tensor]:
        parts = (self.streams, self.known, self.known.sensing, self.reality.motion, self.downlink)
        return [self.reality.ap, self._expected_error, *(tensor for part in parts for tensor in part.state_tensors())]

    def step(self, rows: torch.Tensor, decision: Decision) -> Outcome:
        """Decide about the UEs that have just reported in environments `rows` [N], and run until the next report."""
        known, reporter = self.known, self.known.reporter[rows]
        known.period_slots[rows, reporter] = decision.period_slots
        known.due_slots[rows, reporter] = known.report_slots[rows, reporter] + decision.period_slots
        known.spacing[rows, reporter] = decision.spacing
        known.codeword_bits[rows, reporter] = decision.codeword_bits
        known.dmrs_additional[rows, reporter] = decision.dmrs_additional
        return self.run(rows)

    def schedule(self, rows: torch.Tensor, ue: torch.Tensor) -> Outcome:
        """Let UE `ue` [N], and nobody else, report at the next opportunity; run environments `rows` [N] until then."""
        self.known.due_slots[rows] = _NEVER
        self.known.due_slots[rows, ue] = self.known.now_slots[rows]
        return self.run(rows)

    def run(self, rows: torch.Tensor) -> Outcome:
        """Let environments `rows` [N] run until the next report."""
        known, config = self.known, self.config
        now = known.now_slots[rows]
        due, following = known.due_slots[rows].min(-1)
        period = config.uplink_period_slots
        first = (torch.maximum(due, now + 1) + period - 1) // period * period
        last = first + (self.opportunities(known.codeword_bits[rows, following]) - 1) * period
        truncated = last >= config.episode_slots
        until = last.clamp_max(config.episode_slots)
        self._seek(rows, now)
        bits_per_re = self.downlink.transmit(rows, now, until)

        known.now_slots[rows] = until
        self._seek(rows, until, after=1)
        both = torch.stack([until, first], -1)
        (position, measured_m), (velocity, _) = (x.unbind(1) for x in self.reality.position(rows, both * self.slot_s))
        elapsed_s = (until - now) * self.slot_s
        known.sensing.advance(rows, elapsed_s, position[..., :2], velocity[..., :2], self.streams)
        known.reporter[rows] = following
        age = until - known.report_slots[rows, following]
        pilots, feedback = self._spent(rows, following, position)
        reports = (~truncated).nonzero()[:, 0]
        for block in blocks(len(reports), self._reports, self.device):
            index = reports[block]
            cells, ue = rows[index], following[index]
            self._report(cells, ue, measured_m[index, ue], first[index])
            self.downlink.precode(cells, self.expected_error(cells))
        elements = data_resource_elements((until - now)[:, None], self.carrier_blocks, known.dmrs_additional[rows])
        scale = bits_per_re.sum(-1) / self._episode_hz_s
        return Outcome(
            delivered_by_ue=bits_per_re * elements / self._episode_hz_s,
            pilot_cost=torch.where(truncated, 0.0, scale * pilots),
            feedback_cost=torch.where(truncated, 0.0, scale * feedback * config.uplink_price),
            elapsed_slots=until - now,
            csi_age_slots=age,
            truncated=truncated,
        )

    def _seek(self, rows: torch.Tensor, slots: torch.Tensor, after: int = 0) -> None:
        """Let random numbers depend on the time, not on how many were drawn: equal decisions meet equal noise."""
        self.streams.seek(rows, _DRAWS_BEFORE + slots * _DRAWS_PER_SLOT + after)

    def _spent(self, rows: torch.Tensor, ue: torch.Tensor, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Resource elements of the pilots and of the feedback of UE `ue`'s report, [N] each."""
        gain = self.reality.gain(rows, position[torch.arange(len(rows), device=self.device), ue])
        rate = self.uplink_bits_per_re(gain)
        bits = self.acquisition.codec.bits(self.known.codeword_bits[rows, ue])
        return self._pilot_elements[self.known.spacing[rows, ue]], feedback_resource_elements(bits, rate)

    def _report(
        self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, measured_slots: torch.Tensor
    ) -> None:
        """The report that UE `ue` [N] made at `measured_slots` [N], truly at `position_m` [N, 3] then, arrives."""
        known = self.known
        h = self.reality.channel(rows, position_m[:, None], self.block_hz, synchronised=True)[:, 0]
        codeword_bits = known.codeword_bits[rows, ue]
        decoded = self.acquisition.report(
            h,
            self.noise,
            rows=rows,
            **self.whereabouts(rows, ue),
            spacing=known.spacing[rows, ue],
            codeword_bits=codeword_bits,
            block=self._subband,
            streams=self.streams,
        )
        before = known.h_hat[rows, :, ue]
        known.similarity[rows, ue] = squared_cosine(before, decoded).mean(-1)
        known.gap_slots[rows, ue] = measured_slots - known.report_slots[rows, ue]
        known.report_slots[rows, ue] = measured_slots
        known.h_hat[rows, :, ue] = decoded
        power = squared_magnitude(decoded).mean((1, 2))
        self._expected_error[rows, ue] = self.codec_nmse(codeword_bits) * power
        known.learn(rows, ue, self.twin.predict(known.sensed(rows, ue), known.ap[rows]))

    def whereabouts(self, rows: torch.Tensor, ue: torch.Tensor) -> dict[str, torch.Tensor]:
        """AP and sensed position of UE `ue` [N], by the names that `Acquisition` has for them."""
        sensed = self.known.sensed(rows, ue)
        height_m = torch.full_like(sensed.position_m[:, :1], self.site.recipe.ue_height_m)
        return {
            "ap": self.known.ap[rows],
            "sensed_m": torch.cat([sensed.position_m, height_m], -1),
            "sensed_std_m": sensed.position_std_m,
        }

    def opportunities(self, codeword_bits: torch.Tensor) -> torch.Tensor:
        """Opportunities of the uplink that reports with `codeword_bits` take, int64 of the same shape."""
        return uplink_opportunities(self.acquisition.codec.bits(codeword_bits), self.config.uplink_bits)

    def uplink_bits_per_re(self, gain: torch.Tensor) -> torch.Tensor:
        """Rate of feedback of UEs whose path gain to an antenna is `gain`, of any shape."""
        return uplink_bits_per_re(
            gain * self.grid.antennas,
            power_dbm=_UE_POWER_DBM,
            noise_dbm=self._uplink_noise_dbm,
            blocks=_UPLINK_BLOCKS,
        )

    def precoder(self, rows: torch.Tensor) -> torch.Tensor:
        """The precoder in use, complex64 [N, F, A, U], of unit power in all."""
        return self.downlink.w[rows]

    def expected_sinr(self, rows: torch.Tensor) -> torch.Tensor:
        """SINR that the cell's CSI promises, linear, float32 [N, U, F]: what link adaptation starts from."""
        return self.downlink.expected_sinr[rows]

    def expected_error(self, rows: torch.Tensor) -> torch.Tensor:
        """Power that each UE is expected to catch because its CSI is compressed, in units of the transmit power [N, U].

        The codec's error in the twin, taken as white, meets the beams of all UEs.
        """
        return self._expected_error[rows]


def squared_cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared cosine similarity over the last dimension of complex [..., A], 0 where either is zero."""
    inner = squared_magnitude((a.conj() * b).sum(-1))
    return inner / (squared_magnitude(a).sum(-1) * squared_magnitude(b).sum(-1)).clamp_min(_TINY)
