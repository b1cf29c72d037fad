"""The batched core of decisions about beams: B cells, each with a hybrid array that serves its UEs one after the other.

Privileged: this module lives in reality (see `READS_REALITY`). What leaves it is `known`, the
network's view, and the reward with its terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from twin_envs.base.errors import check_number
from twin_envs.base.streams import Streams
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, slot_duration_s, squared_magnitude
from twin_envs.csi.nr.overhead import data_resource_elements
from twin_envs.envs.beams.beam_map import BeamMap
from twin_envs.envs.beams.codebook import BEAMS, Codebook
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.measuring import beam_pilots, measured_snr, subband_hz
from twin_envs.envs.beams.view import BeamKnown
from twin_envs.envs.core.links import make_link
from twin_envs.envs.core.site_check import check_array
from twin_envs.envs.reality.blockage import Blockage
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.commissioning import commission
from twin_envs.envs.reality.downlink import BLOCKS
from twin_envs.envs.reality.population import Population
from twin_envs.world.motion import Motion
from twin_envs.world.sensing import Sensing, SensingConfig
from twin_envs.world.store.site import load_site

LINK_SAMPLES = 4
"""Evaluations of the link between a sweep and the next, or the end of the burst."""
REPORT_SLOTS = 40
"""Age of the quality report by which the MCS is chosen: 5 ms at 120 kHz, a report period of NR (TS 38.331)."""
_LOOP_BLOCKS = 10
"""Most blocks of one evaluation that the outer loop counts: a step for many more alike would overshoot."""
_CHUNK = 512
"""Links computed at once: what they need stays in a processor's cache."""
_DRAWS_BEFORE, _DRAWS_PER_SLOT = 64, 8
_SWEEP, _TRANSMIT, _QUALITY, _BURST, _SENSE = range(5)
"""Which of a slot's draws is for what."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What UEs sweep during a burst; the best beam that is measured serves from then on.

    Attributes:
        beams: bool [N, K]; the beam in use is swept, too.
        after_slots: how long after the burst's beginning, int64 [N]; a sweep that comes no earlier than its end is not
            made.
    """

    beams: torch.Tensor
    after_slots: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class BeamOutcome:
    """What came of the bursts of N UEs. The reward is delivered - sweep_cost.

    Attributes:
        delivered: bits that the burst would carry without sweeps, over its time and bandwidth and the number of the
            episode's bursts [bit/s/Hz], float32 [N].
        sweep_cost: what the sweeps took of that, float32 [N].
        elapsed_slots: until the next UE's burst, int64 [N].
        truncated: the episode's time is over, bool [N].
    """

    delivered: torch.Tensor
    sweep_cost: torch.Tensor
    elapsed_slots: torch.Tensor
    truncated: torch.Tensor


class BeamCell:
    """B cells, each with an AP and U UEs, on one device.

    UEs sleep, and each wakes up once in a cycle for a burst of data (discontinuous reception, TS 38.321, 5.7), one
    after the other. The AP has one RF chain: it serves the UE that is awake with one beam, and while it sweeps beams it
    sends no data.

    Args:
        config: the options.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.
        bursts_slots: lengths of bursts, one of which is drawn for each; by default `burst_slots`.

    Attributes:
        known: the network's view.
        codebook: the beams.
        yaw_error_rad: by how much each AP points elsewhere than the recipe says, as far as calibration could tell [A].
        boresight_rad: where each AP points, as far as the network knows [A].
        twin: what the network's twin says of every beam.
        noise: noise over transmit power per resource element; linear.
        carrier_blocks: resource blocks of the carrier.
        sweep_elements: resource elements that a swept beam takes.
        gap_slots: from one UE's burst to the next UE's.
        slot_s: duration of a slot.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    def __init__(
        self, config: BeamConfig, num_envs: int, device: torch.device, bursts_slots: Sequence[int] = ()
    ) -> None:
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        self.config, self.num_envs, self.device = config, num_envs, device
        self.site = site = load_site(config.site, device)
        recipe = site.recipe
        check_array(config, recipe, BEAMS, "a beam for each")
        self.slot_s = slot_duration_s(recipe.subcarrier_spacing_hz)
        self.carrier_blocks = recipe.carrier_blocks
        self.codebook = Codebook(recipe.array, device)
        motion = Motion(site.routes, num_envs, config.num_ue)
        self.reality = Reality(site.reality(config.world), motion, recipe, config.neighbour_load)
        self.noise = self.reality.noise
        sensing = SensingConfig(gnss_bias_m=config.gnss_bias_m)
        self.yaw_error_rad = commission(
            site, config.world, config.calibration_sweeps, sensing.position_std_m, config.symbols_per_beam
        )
        self.twin = self.calibrated(config.twin)
        nominal_rad = torch.tensor([ap.yaw_rad for ap in recipe.access_points], device=device)
        self.boresight_rad = nominal_rad + self.yaw_error_rad
        self.blockage = Blockage(motion, config.blockers, config.self_blocking, recipe.wavelength_m, device)
        self.link = make_link(config, device)
        self.streams = Streams(num_envs, device)
        self.population = Population(site.routes, self._serves(), config.population, config.episode_slots * self.slot_s)
        self.known = BeamKnown(
            num_envs,
            config.num_ue,
            self.codebook.beams,
            Sensing(sensing, num_envs, config.num_ue, site.sky_view, device),
        )
        self.gap_slots = config.cycle_slots // config.num_ue
        self.bursts_slots = torch.tensor(list(bursts_slots) or [config.burst_slots], device=device)
        longest = int(self.bursts_slots.max())
        check_number("burst_slots, the longest, in cycle_slots / num_ue", longest, 1, self.gap_slots, integer=True)
        self.subband_hz = subband_hz(recipe, device)
        self.sweep_elements = config.symbols_per_beam * self.carrier_blocks * SUBCARRIERS_PER_BLOCK
        self._bursts = -(-config.episode_slots // self.gap_slots)
        self._pilots = beam_pilots(recipe, config.symbols_per_beam)

    def calibrated(self, world: str) -> BeamMap:
        """What the twin world `world` says of every beam, its arrays turned to where they really point."""
        return BeamMap(self.site.twin(world), self.codebook, self.yaw_error_rad)

    def _serves(self) -> torch.Tensor:
        """Which AP serves which route vertex, bool [A, R, V]: 0 dB with the array's gain, and within 3 dB of the best
        AP."""
        routes, atlas = self.site.routes, self.reality.atlas
        cell = atlas.geometry.cell(routes.points)
        gain = torch.where(cell >= 0, atlas.gain[:, cell.clamp_min(0)], 0.0)
        return (gain * self.codebook.beams > self.noise) & (gain > 0.5 * gain.amax(0))

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has found its beam from a sweep of all beams, as in initial access; UE 0 wakes up first.
        """
        known, num_ue = self.known, self.config.num_ue
        self.streams.seed(rows, keys)
        known.clear(rows)
        known.ap[rows] = self.reality.ap[rows] = self.population.start(rows, self.reality.motion, self.streams)
        self.blockage.start(rows, self.streams)
        start = torch.zeros(len(rows), dtype=torch.int64, device=self.device)
        position, velocity = self.reality.position(rows, start * self.slot_s)
        known.sensing.start(rows, position[..., :2], velocity[..., :2], self.streams)
        noise = self.streams.normal(rows, num_ue, self.codebook.beams).flatten(0, 1)
        env, ue = rows.repeat_interleave(num_ue), torch.arange(num_ue, device=self.device).repeat(len(rows))
        every = torch.ones_like(noise, dtype=torch.bool)
        known.chosen_snr[env, ue] = self._measure(env, ue, torch.zeros_like(env), every, noise)
        known.swept[rows] = self.codebook.beams
        self._draw_burst(rows, start)

    def step(self, rows: torch.Tensor, first: torch.Tensor, second: Sweep | None = None) -> BeamOutcome:
        """Let the UEs in turn of environments `rows` [N] have their bursts, and time pass until the next ones'.

        Args:
            rows: int64 [N].
            first: beams that are swept when the burst begins, bool [N, K].
            second: what is swept later in the burst.
        """
        known, config = self.known, self.config
        start, ue, burst = known.now_slots[rows], known.turn[rows], known.burst_slots[rows]
        change = burst if second is None else torch.minimum(second.after_slots, burst)
        delivered, spent = self._serve(rows, ue, start, start + change, first)
        cost = spent
        known.overhead[rows] = self.swept_elements(first.sum(-1), change) / self.data_elements(burst)
        again = (change < burst).nonzero()[:, 0]
        if second is not None and len(again):
            mine = (rows[again], ue[again])
            beams = second.beams[again].scatter(1, known.beam[mine][:, None], True)
            more = self._serve(*mine, (start + change)[again], (start + burst)[again], beams)
            delivered, cost = delivered.index_add(0, again, more[0]), cost.index_add(0, again, more[1])
            swept = self.swept_elements(known.swept[mine], (burst - change)[again])
            known.overhead[rows[again]] += swept / self.data_elements(burst[again])
        end = start + self.gap_slots
        known.now_slots[rows], known.turn[rows] = end, (ue + 1) % config.num_ue
        position, velocity = self.reality.position(rows, end * self.slot_s)
        self._seek(rows, end, _SENSE)
        elapsed_s = (end - start) * self.slot_s
        known.sensing.advance(rows, elapsed_s, position[..., :2], velocity[..., :2], self.streams)
        self._draw_burst(rows, end)
        hz_s = burst * (self._bursts * self.slot_s * self.site.recipe.bandwidth_hz)
        return BeamOutcome(
            delivered=delivered / hz_s,
            sweep_cost=cost / hz_s,
            elapsed_slots=end - start,
            truncated=end >= config.episode_slots,
        )

    def data_elements(self, slots: torch.Tensor) -> torch.Tensor:
        """Resource elements for data in so many slots, sweeps not yet taken off."""
        return data_resource_elements(slots, self.carrier_blocks, torch.zeros_like(slots))

    def swept_elements(self, count: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Resource elements that a sweep of `count` beams takes from so many slots: all of them, if it lasts longer."""
        return torch.minimum(count * self.sweep_elements, self.data_elements(slots))

    def _serve(
        self, rows: torch.Tensor, ue: torch.Tensor, start: torch.Tensor, until: torch.Tensor, beams: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sweep `beams` [N, K] at slot `start` [N] and serve UE `ue` [N] with the best until slot `until` [N].

        Returns:
            bits that it would get without the sweep, and bits that the sweep takes of that, float32 [N] each.
        """
        known, codebook = self.known, self.codebook
        self._seek(rows, start, _SWEEP)
        known.chosen_snr[rows, ue] = self._measure(rows, ue, start, beams, self.streams.normal(rows, codebook.beams))
        known.chosen_slots[rows, ue] = start
        known.swept[rows, ue] = count = beams.sum(-1)
        bits_per_re = self._transmit(rows, ue, start, until)
        self._seek(rows, until, _QUALITY)
        serving = torch.nn.functional.one_hot(known.beam[rows, ue], codebook.beams).bool()
        self._measure(rows, ue, until, serving, self.streams.normal(rows, codebook.beams))
        return bits_per_re * self.data_elements(until - start), bits_per_re * self.swept_elements(count, until - start)

    def _measure(
        self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """UE `ue` [M] of environment `rows` [M] measures `beams` [M, K]; the best of them serves it from now on.

        `noise`: standard normal [M, K]. Returns the SNR measured of the best beam [M].
        """
        known = self.known
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s)  # [M, F, K]
        measured = measured_snr(snr.mean(1), noise, self._pilots)
        known.snr[rows, ue] = torch.where(beams, measured, known.snr[rows, ue])
        known.measured_slots[rows, ue] = torch.where(beams, at_slots[:, None], known.measured_slots[rows, ue])
        best = torch.where(beams, measured, -1.0).argmax(-1)
        known.beam[rows, ue] = best
        index = torch.arange(len(rows), device=self.device)
        return measured[index, best]

    def _transmit(self, rows: torch.Tensor, ue: torch.Tensor, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Transmit to UE `ue` [N] from slot `start` to slot `until` [N]; returns bits per resource element [N].

        The MCS follows the quality of the beam that the UE reported `REPORT_SLOTS` ago.
        """
        known, beam = self.known, self.known.beam[rows, ue]
        self._seek(rows, start, _TRANSMIT)
        uniform = self.streams.uniform(rows, LINK_SAMPLES, BLOCKS)
        blocks = ((until - start) / LINK_SAMPLES).clamp_max(_LOOP_BLOCKS)
        acknowledged, bits_per_re = (torch.zeros(len(rows), device=self.device) for _ in range(2))
        for sample in range(LINK_SAMPLES):
            slots = start + (until - start) * ((sample + 0.5) / LINK_SAMPLES)
            reported = self.beam_snr(rows, ue, (slots - REPORT_SLOTS).clamp_min(start) * self.slot_s, beam)[..., 0]
            snr = self.beam_snr(rows, ue, slots * self.slot_s, beam)[..., 0]
            mcs = self.link.choose_mcs(reported, known.offset_db[rows, ue])
            sent = self.link.deliver(mcs, snr, uniform[:, sample])
            known.offset_db[rows, ue] = self.link.outer_loop(known.offset_db[rows, ue], sent.acknowledged, blocks)
            acknowledged += sent.acknowledged / LINK_SAMPLES
            bits_per_re += sent.bits_per_re / LINK_SAMPLES
        known.acknowledged[rows, ue], known.bits_per_re[rows, ue] = acknowledged, bits_per_re
        return bits_per_re

    def beam_snr(
        self, rows: torch.Tensor, ue: torch.Tensor, time_s: torch.Tensor, beam: torch.Tensor | None = None
    ) -> torch.Tensor:
        """True signal-to-noise ratio of every beam, or of one, at UE `ue` [M] of environment `rows` [M].

        Args:
            rows, ue: int64 [M].
            time_s: since the episode's start [M].
            beam: int64 [M]; None for all.

        Returns:
            linear, float32 [M, F, K], or [M, F, 1] with `beam`.
        """
        parts = []
        for some in torch.arange(len(rows), device=self.device).split(_CHUNK):
            h = self._channel(rows[some], ue[some], time_s[some])
            weights = self.codebook.weights.mT if beam is None else self.codebook.weights[beam[some]][..., None]
            received = h @ weights
            parts.append(squared_magnitude(received) / self.noise)
        return torch.cat(parts)

    def _channel(self, rows: torch.Tensor, ue: torch.Tensor, time_s: torch.Tensor) -> torch.Tensor:
        """Whitened channels with what blocks them, complex64 [M, F, antennas]."""
        reality, index = self.reality, torch.arange(len(rows), device=self.device)
        position, velocity = (x[index, ue] for x in reality.position(rows, time_s))
        ap = reality.ap[rows]
        paths = reality.atlas.paths(position, ap)
        left = self.blockage.amplitude(rows, ue, time_s, velocity, paths)
        h = reality.atlas.channel(replace(paths, gain=paths.gain * left), self.subband_hz)
        return h.mul_(reality.whitening(ap, position)[:, None, None])

    def _draw_burst(self, rows: torch.Tensor, at_slots: torch.Tensor) -> None:
        """Draw how long the burst of the UE in turn is."""
        self._seek(rows, at_slots, _BURST)
        self.known.burst_slots[rows] = self.bursts_slots[self.streams.integers(rows, len(self.bursts_slots))]

    def _seek(self, rows: torch.Tensor, slots: torch.Tensor, draw: int) -> None:
        """Let random numbers depend on the time, not on how many were drawn: equal decisions meet equal noise."""
        self.streams.seek(rows, _DRAWS_BEFORE + slots * _DRAWS_PER_SLOT + draw)
