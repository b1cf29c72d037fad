"""The batched core of decisions about beams: B cells, each with a hybrid array that serves its UEs one after the other.

Privileged: this module lives in reality (see `READS_REALITY` in `twin_envs.world.site`). What leaves it is `known`, the
network's view, and the reward with its terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from twin_envs.csi.link import Link, NrLink, ShannonLink
from twin_envs.csi.overhead import data_resource_elements
from twin_envs.envs.beams.beam_map import BeamMap
from twin_envs.envs.beams.blockage import Blockage
from twin_envs.envs.beams.codebook import Codebook
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.known import BeamKnown
from twin_envs.envs.downlink import BLOCKS, OUTER_LOOP_STEP_DB
from twin_envs.envs.population import Population
from twin_envs.envs.reality import Reality
from twin_envs.errors import check_number
from twin_envs.streams import Streams
from twin_envs.units import SUBCARRIERS_PER_BLOCK, slot_duration_s
from twin_envs.world.mobility import Motion
from twin_envs.world.sensing import Sensing, SensingConfig
from twin_envs.world.site import load_site

SUBBANDS = 4
"""Parts of the carrier at whose middle the channel is evaluated."""
_PILOTS_PER_BLOCK = 3
"""Resource elements of a beam's CSI-RS in a resource block and symbol: one port with density 3 (TS 38.211, table
7.4.1.5.3-1), which beam management uses."""
_NEVER_SLOTS = 2**40
_CHUNK = 512
"""Links computed at once: what they need stays in a processor's cache."""
_DRAWS_BEFORE, _DRAWS_PER_SLOT = 64, 8
_SWEEP, _TRANSMIT, _QUALITY, _PERIOD, _SENSE = range(5)
"""Which of a slot's draws is for what."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What the UEs in turn of N environments sweep; the best beam that is measured serves from then on.

    Attributes:
        beams: bool [N, K].
        at_slots: when, int64 [N], now or later; a sweep that comes no earlier than the UE's next decision is dropped.
    """

    beams: torch.Tensor
    at_slots: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class BeamOutcome:
    """What happened until the next decision, in N environments of U UEs. The reward is delivered - sweep_cost.

    Attributes:
        delivered_by_ue: bits delivered to each UE over the episode's time and bandwidth [bit/s/Hz], float32 [N, U].
        sweep_cost_by_ue: what the cell could have sent in the resource elements of each UE's sweeps, float32 [N, U].
        elapsed_slots: int64 [N].
        truncated: the episode's time is over, bool [N].
    """

    delivered_by_ue: torch.Tensor
    sweep_cost_by_ue: torch.Tensor
    elapsed_slots: torch.Tensor
    truncated: torch.Tensor


class BeamCell:
    """B cells, each with an AP and U UEs, on one device.

    A UE's turn comes once in a period. Then it orders a sweep, which happens at once or later; every other UE's turn
    comes meanwhile. The AP has one RF chain: it serves the UEs in turn, each with its own beam, and while it sweeps it
    serves nobody.

    Args:
        config: the options.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.
        periods_slots: lengths of periods, one of which is drawn for each decision; by default `beam_period_slots`.

    Attributes:
        known: the network's view.
        codebook: the beams.
        twin: what the network's twin says of every beam.
        noise: noise over transmit power per resource element; linear.
        carrier_blocks: resource blocks of the carrier.
        slot_s: duration of a slot.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    def __init__(
        self, config: BeamConfig, num_envs: int, device: torch.device, periods_slots: Sequence[int] = ()
    ) -> None:
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        self.config, self.num_envs, self.device = config, num_envs, device
        self.site = site = load_site(config.site, device)
        recipe = site.recipe
        self.slot_s = slot_duration_s(recipe.subcarrier_spacing_hz)
        self.carrier_blocks = recipe.carrier_blocks
        self.codebook = Codebook(recipe.array, device)
        self.twin = BeamMap(site.twin(config.twin), self.codebook)
        motion = Motion(site.routes, num_envs, config.num_ue)
        self.reality = Reality(site.reality(config.world), motion, recipe, config.neighbour_load)
        self.noise = self.reality.noise
        self.blockage = Blockage(motion, config.blockers, config.self_blocking, recipe.wavelength_m, device)
        self.link: Link = (
            NrLink(bler_target=config.bler_target, step_up_db=OUTER_LOOP_STEP_DB, device=device)
            if config.link == "nr"
            else ShannonLink()
        )
        self.streams = Streams(num_envs, device)
        self.population = Population(site.routes, self._serves(), config.population, config.episode_slots * self.slot_s)
        sensing = Sensing(SensingConfig(), num_envs, config.num_ue, site.sky_view, device)
        self.known = BeamKnown(num_envs, config.num_ue, self.codebook.beams, SUBBANDS, sensing)
        self.periods_slots = torch.tensor(list(periods_slots) or [config.beam_period_slots], device=device)
        middle = (torch.arange(SUBBANDS, device=device) - (SUBBANDS - 1) / 2) / SUBBANDS
        self.subband_hz = middle * (self.carrier_blocks * recipe.block_spacing_hz)
        self._ordered = torch.zeros(num_envs, config.num_ue, self.codebook.beams, dtype=torch.bool, device=device)
        self._order_slots = torch.full((num_envs, config.num_ue), _NEVER_SLOTS, device=device)
        self._episode_hz_s = config.episode_slots * self.slot_s * recipe.bandwidth_hz
        self.sweep_elements = config.symbols_per_beam * self.carrier_blocks * SUBCARRIERS_PER_BLOCK
        self._pilots = _PILOTS_PER_BLOCK * config.symbols_per_beam * self.carrier_blocks

    def _serves(self) -> torch.Tensor:
        """Which AP serves which route vertex, bool [A, R, V]: 0 dB with the array's gain, and within 3 dB of the best
        AP."""
        routes, atlas = self.site.routes, self.reality.atlas
        cell = atlas.geometry.cell(routes.points)
        gain = torch.where(cell >= 0, atlas.gain[:, cell.clamp_min(0)], 0.0)
        return (gain * self.codebook.beams > self.noise) & (gain > 0.5 * gain.amax(0))

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has found its beam from a sweep of all beams, as in initial access; UE 0 decides first.
        """
        known, num_ue = self.known, self.config.num_ue
        self.streams.seed(rows, keys)
        known.clear(rows)
        self._order_slots[rows] = _NEVER_SLOTS
        known.ap[rows] = self.reality.ap[rows] = self.population.start(rows, self.reality.motion, self.streams)
        self.blockage.start(rows, self.streams)
        start = torch.zeros(len(rows), dtype=torch.int64, device=self.device)
        position, velocity = self.reality.position(rows, start * self.slot_s)
        known.sensing.start(rows, position[..., :2], velocity[..., :2], self.streams)
        noise = self.streams.normal(rows, num_ue, self.codebook.beams).flatten(0, 1)
        env, ue = rows.repeat_interleave(num_ue), torch.arange(num_ue, device=self.device).repeat(len(rows))
        every = torch.ones_like(noise, dtype=torch.bool)
        known.chosen_snr[env, ue] = self._measure(env, ue, torch.zeros_like(env), every, noise)
        known.period_slots[rows] = self.periods_slots.min()
        order = torch.arange(num_ue, device=self.device)
        known.due_slots[rows] = order * self.periods_slots.min() // num_ue
        self._draw_period(rows, start)

    def step(self, rows: torch.Tensor, sweep: Sweep) -> BeamOutcome:
        """Let environments `rows` [N] run until their next decision."""
        known, config = self.known, self.config
        start, ue = known.now_slots[rows], known.turn[rows]
        known.due_slots[rows, ue] = start + known.period_slots[rows, ue]
        late = sweep.at_slots >= known.due_slots[rows, ue]
        self._ordered[rows, ue] = sweep.beams
        self._order_slots[rows, ue] = torch.where(late, _NEVER_SLOTS, sweep.at_slots)
        due, following = known.due_slots[rows].min(-1)
        end = torch.maximum(due, start + 1)
        truncated = end >= config.episode_slots
        end = end.clamp_max(config.episode_slots)
        delivered, cost, spent = self._run(rows, start, end)

        known.now_slots[rows], known.turn[rows] = end, following
        elements = data_resource_elements(end - start, self.carrier_blocks, dmrs_symbols=1)
        known.overhead[rows] = spent.sum(-1) / elements
        position, velocity = self.reality.position(rows, end * self.slot_s)
        self._seek(rows, end, _SENSE)
        elapsed_s = (end - start) * self.slot_s
        known.sensing.advance(rows, elapsed_s, position[..., :2], velocity[..., :2], self.streams)
        self._check_quality(rows, following, end)
        self._draw_period(rows, end)
        return BeamOutcome(
            delivered_by_ue=delivered / self._episode_hz_s,
            sweep_cost_by_ue=cost / self._episode_hz_s,
            elapsed_slots=end - start,
            truncated=truncated,
        )

    def _run(
        self, rows: torch.Tensor, start: torch.Tensor, end: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sweep when it is time and transmit from slot `start` to slot `end` [N].

        Returns:
            delivered bits, bits that sweeps cost, and resource elements that they took, of each UE, float32 [N, U].
        """
        delivered, cost, spent = (torch.zeros(len(rows), self.config.num_ue, device=self.device) for _ in range(3))
        now, running = start.clone(), torch.arange(len(rows), device=self.device)
        while len(running):
            some, at = rows[running], now[running]
            taken = self._sweep(some, at)
            order_slots = self._order_slots[some]
            until = torch.minimum(order_slots.amin(-1), end[running])
            bits_per_re = self._transmit(some, at, until)
            elements = data_resource_elements(until - at, self.carrier_blocks, dmrs_symbols=1)
            delivered[running] += bits_per_re * (elements / self.config.num_ue)[:, None]
            cost[running] += taken * bits_per_re.mean(-1, keepdim=True)
            spent[running] += taken
            now[running] = until
            running = running[until < end[running]]
        return delivered, cost, spent

    def _sweep(self, rows: torch.Tensor, at_slots: torch.Tensor) -> torch.Tensor:
        """Sweep what is ordered for slot `at_slots` [N]; returns the resource elements that it takes [N, U]."""
        ordered = self._order_slots[rows] == at_slots[:, None]
        among, ue = ordered.nonzero(as_tuple=True)
        taken = torch.zeros(ordered.shape, device=self.device)
        if len(among):
            env, beams = rows[among], self._ordered[rows[among], ue]
            self._seek(env, at_slots[among], _SWEEP)
            noise = self.streams.normal(env, self.codebook.beams)
            self.known.chosen_snr[env, ue] = self._measure(env, ue, at_slots[among], beams, noise)
            self.known.swept[env, ue] = count = beams.sum(-1)
            taken[among, ue] = count.float() * self.sweep_elements
            self._order_slots[env, ue] = _NEVER_SLOTS
        return taken

    def _measure(
        self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """UE `ue` [M] of environment `rows` [M] measures `beams` [M, K]; the best of them serves it from now on.

        The estimate of a mean power over n resource elements with noise of unit power has the variance
        (2 SNR + 1) / n. `noise`: standard normal [M, K]. Returns the SNR measured of the best beam [M].
        """
        known = self.known
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s)  # [M, F, K]
        mean = snr.mean(1)
        measured = (mean + noise * ((2 * mean + 1) / self._pilots).sqrt()).clamp_min(1e-3)
        known.snr[rows, ue] = torch.where(beams, measured, known.snr[rows, ue])
        known.measured_slots[rows, ue] = torch.where(beams, at_slots[:, None], known.measured_slots[rows, ue])
        best = torch.where(beams, measured, -1.0).argmax(-1)
        known.beam[rows, ue] = best
        index = torch.arange(len(rows), device=self.device)
        error = measured[index, best] / mean[index, best].clamp_min(1e-6)
        known.subband_snr[rows, ue] = snr[index, :, best] * error[:, None]
        return measured[index, best]

    def _check_quality(self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor) -> None:
        """UE `ue` [N] reports the quality of its beam, which it measures on the DM-RS of its data."""
        self._seek(rows, at_slots, _QUALITY)
        noise = self.streams.normal(rows, self.codebook.beams)
        serving = torch.nn.functional.one_hot(self.known.beam[rows, ue], self.codebook.beams).bool()
        self._measure(rows, ue, at_slots, serving, noise)

    def _transmit(self, rows: torch.Tensor, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Transmit from slot `start` to slot `until` [N]; returns bits per resource element of each UE [N, U]."""
        known, num_ue = self.known, self.config.num_ue
        self._seek(rows, start, _TRANSMIT)
        uniform = self.streams.uniform(rows, num_ue, BLOCKS)
        env, ue = rows.repeat_interleave(num_ue), torch.arange(num_ue, device=self.device).repeat(len(rows))
        time_s = ((start + until) * (0.5 * self.slot_s)).repeat_interleave(num_ue)
        snr = self.beam_snr(env, ue, time_s, known.beam[env, ue])[..., 0].unflatten(0, (-1, num_ue))
        mcs = self.link.choose_mcs(known.subband_snr[rows], known.offset_db[rows])
        sent = self.link.deliver(mcs, snr, uniform)
        blocks = ((until - start) / num_ue)[:, None]
        known.offset_db[rows] = self.link.outer_loop(known.offset_db[rows], sent.acknowledged, blocks)
        known.acknowledged[rows], known.bits_per_re[rows] = sent.acknowledged, sent.bits_per_re
        return sent.bits_per_re

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
            parts.append((received.real.square() + received.imag.square()) / self.noise)
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

    def _draw_period(self, rows: torch.Tensor, at_slots: torch.Tensor) -> None:
        """Draw how long the next decision of the UE in turn has to last."""
        self._seek(rows, at_slots, _PERIOD)
        choice = self.streams.integers(rows, len(self.periods_slots))
        self.known.period_slots[rows, self.known.turn[rows]] = self.periods_slots[choice]

    def _seek(self, rows: torch.Tensor, slots: torch.Tensor, draw: int) -> None:
        """Let random numbers depend on the time, not on how many were drawn: equal decisions meet equal noise."""
        self.streams.seek(rows, _DRAWS_BEFORE + slots * _DRAWS_PER_SLOT + draw)
