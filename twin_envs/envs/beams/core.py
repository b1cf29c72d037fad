"""The core of decisions about beams: B cells, each with a hybrid array that serves its UEs one after the other.

Privileged: this module lives in reality. What leaves it is `network`, the network's view, and what came of a decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import torch

from twin_envs.base.errors import check_number
from twin_envs.base.state import TensorState
from twin_envs.base.units import squared_magnitude
from twin_envs.envs.beams.beam_map import BeamMap
from twin_envs.envs.beams.codebook import BEAMS, Codebook
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.measuring import beam_pilots, measured_snr, subband_hz
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.links import BLOCKS
from twin_envs.envs.core.site_check import check_array
from twin_envs.envs.core.step import Charge, Step
from twin_envs.envs.reality.blockage import Blockage
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.commissioning import commission
from twin_envs.twin.registry import channel_twins
from twin_envs.world.sensing import SensingConfig

LINK_SAMPLES = 4
"""Evaluations of the link between a sweep and the next, or the end of the burst."""
REPORT_SLOTS = 40
"""Age of the quality report by which the MCS is chosen: 5 ms at 120 kHz, a report period of NR (TS 38.331)."""
_LOOP_BLOCKS = 10
"""Most blocks of one evaluation that the outer loop counts: a step for many more alike would overshoot."""
_CHUNK = 512
"""Links computed at once: what they need stays in a processor's cache."""


class _Draw(IntEnum):
    SWEEP = 0
    TRANSMIT = 1
    QUALITY = 2
    BURST = 3
    SENSE = 4


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


class BeamCore(Core):
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
        network: the network's view.
        reality: true positions and channels.
        blockage: what stands in the way of paths.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    draws_per_slot = 8
    config: BeamConfig
    network: BeamView

    def __init__(
        self, config: BeamConfig, num_envs: int, device: torch.device, bursts_slots: Sequence[int] = ()
    ) -> None:
        sensing = SensingConfig(gnss_bias_m=config.gnss_bias_m)
        super().__init__(config, num_envs, device, sensing)
        site, recipe = self.site, self.recipe
        check_array(config, recipe, BEAMS, "a beam for each")
        codebook = Codebook(recipe.array, device)
        self.reality = Reality(site.reality(config.world), self.motion, recipe, config.neighbour_load)
        yaw_error_rad = commission(
            channel_twins.get(config.channel_twin),
            site,
            config.world,
            config.calibration_sweeps,
            sensing.position_std_m,
            config.symbols_per_beam,
        )
        twin = BeamMap(self.channel_twin(config.twin), site.geometry, codebook, yaw_error_rad)
        self.network = BeamView(codebook=codebook, yaw_error_rad=yaw_error_rad, twin=twin, **self.view_fields())
        self.blockage = Blockage(self.motion, config.blockers, config.self_blocking, recipe.wavelength_m, device)
        self.populate_cells(self.reality.atlas, codebook.beams)
        gap_slots = self.network.gap_slots
        self.bursts_slots = torch.tensor(list(bursts_slots) or [config.burst_slots], device=device)
        longest = int(self.bursts_slots.max())
        check_number("burst_slots, the longest, in cycle_slots / num_ue", longest, 1, gap_slots, integer=True)
        self.subband_hz = subband_hz(recipe, device)
        self._bursts = -(-config.episode_slots // gap_slots)
        self._pilots = beam_pilots(recipe, config.symbols_per_beam)

    def calibrated(self, world: str) -> BeamMap:
        """What the twin world `world` says of every beam, its arrays turned to where they really point."""
        network = self.network
        return BeamMap(self.channel_twin(world), self.site.geometry, network.codebook, network.yaw_error_rad)

    def states(self) -> Iterator[TensorState]:
        """See `Core.states`."""
        yield from super().states()
        yield self.reality.state
        yield self.blockage.state

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has found its beam from a sweep of all beams, as in initial access; UE 0 wakes up first.
        """
        state, num_ue, beams = self.network.state, self.config.num_ue, self.network.codebook.beams
        state.ap[rows] = self.reality.state.ap[rows] = self.begin(rows, keys)
        self.blockage.start(rows, self.streams)
        self.first_fix(rows)
        noise = self.streams.normal(rows, num_ue, beams).flatten(0, 1)
        env, ue = rows.repeat_interleave(num_ue), torch.arange(num_ue, device=self.device).repeat(len(rows))
        every = torch.ones_like(noise, dtype=torch.bool)
        state.chosen_snr[env, ue] = self._measure(env, ue, torch.zeros_like(env), every, noise)
        state.swept[rows] = beams
        self._draw_burst(rows, torch.zeros_like(rows))

    def step(self, rows: torch.Tensor, first: torch.Tensor, second: Sweep | None = None) -> Step:
        """Let the UEs in turn of environments `rows` [N] have their bursts, and time pass until the next ones'.

        Args:
            rows: int64 [N].
            first: beams that are swept when the burst begins, bool [N, K].
            second: what is swept later in the burst.
        """
        network, state, config = self.network, self.network.state, self.config
        start, ue, burst = state.now_slots[rows], state.turn[rows], state.burst_slots[rows]
        change = burst if second is None else torch.minimum(second.after_slots, burst)
        delivered, spent = self._serve(rows, ue, start, start + change, first)
        cost = spent
        state.overhead[rows] = network.swept_elements(first.sum(-1), change) / network.data_elements(burst)
        again = (change < burst).nonzero()[:, 0]
        if second is not None and len(again):
            mine = (rows[again], ue[again])
            beams = second.beams[again].scatter(1, state.beam[mine][:, None], True)
            more = self._serve(*mine, (start + change)[again], (start + burst)[again], beams)
            delivered, cost = delivered.index_add(0, again, more[0]), cost.index_add(0, again, more[1])
            swept = network.swept_elements(state.swept[mine], (burst - change)[again])
            state.overhead[rows[again]] += swept / network.data_elements(burst[again])
        end = start + network.gap_slots
        state.now_slots[rows], state.turn[rows] = end, (ue + 1) % config.num_ue
        state.decided[rows], state.served_slots[rows] = ue, burst
        position, velocity = self.motion.at(rows, end * self.slot_s)
        self.seek(rows, end, _Draw.SENSE)
        self.move(rows, end - start, position, velocity)
        self._draw_burst(rows, end)
        hz_s = burst * (self._bursts * self.slot_s * self.site.recipe.bandwidth_hz)
        delivered_by_ue = torch.zeros(len(rows), config.num_ue, device=self.device)
        return Step(
            delivered_by_ue=delivered_by_ue.scatter_(1, ue[:, None], (delivered / hz_s)[:, None]),
            charges=(Charge(ue=ue, costs={"sweep_cost": cost / hz_s}),),
            elapsed_slots=end - start,
            truncated=end >= config.episode_slots,
            ue=ue,
        )

    def _serve(
        self, rows: torch.Tensor, ue: torch.Tensor, start: torch.Tensor, until: torch.Tensor, beams: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sweep `beams` [N, K] at slot `start` [N] and serve UE `ue` [N] with the best until slot `until` [N].

        Returns:
            bits that it would get without the sweep, and bits that the sweep takes of that, float32 [N] each.
        """
        network, state, codebook = self.network, self.network.state, self.network.codebook
        self.seek(rows, start, _Draw.SWEEP)
        state.chosen_snr[rows, ue] = self._measure(rows, ue, start, beams, self.streams.normal(rows, codebook.beams))
        state.chosen_slots[rows, ue] = start
        state.swept[rows, ue] = count = beams.sum(-1)
        bits_per_re = self._transmit(rows, ue, start, until)
        self.seek(rows, until, _Draw.QUALITY)
        serving = torch.nn.functional.one_hot(state.beam[rows, ue], codebook.beams).bool()
        self._measure(rows, ue, until, serving, self.streams.normal(rows, codebook.beams))
        return (
            bits_per_re * network.data_elements(until - start),
            bits_per_re * network.swept_elements(count, until - start),
        )

    def _measure(
        self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """UE `ue` [M] of environment `rows` [M] measures `beams` [M, K]; the best of them serves it from now on.

        `noise`: standard normal [M, K]. Returns the SNR measured of the best beam [M].
        """
        state = self.network.state
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s)  # [M, F, K]
        measured = measured_snr(snr.mean(1), noise, self._pilots)
        state.snr[rows, ue] = torch.where(beams, measured, state.snr[rows, ue])
        state.measured_slots[rows, ue] = torch.where(beams, at_slots[:, None], state.measured_slots[rows, ue])
        best = torch.where(beams, measured, -1.0).argmax(-1)
        state.beam[rows, ue] = best
        index = torch.arange(len(rows), device=self.device)
        return measured[index, best]

    def _transmit(self, rows: torch.Tensor, ue: torch.Tensor, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Transmit to UE `ue` [N] from slot `start` to slot `until` [N]; returns bits per resource element [N].

        The MCS follows the quality of the beam that the UE reported `REPORT_SLOTS` ago.
        """
        state, mine = self.network.state, (rows, ue)
        beam = state.beam[mine]
        self.seek(rows, start, _Draw.TRANSMIT)
        uniform = self.streams.uniform(rows, LINK_SAMPLES, BLOCKS)
        blocks = ((until - start) / LINK_SAMPLES).clamp_max(_LOOP_BLOCKS)
        acknowledged, bits_per_re = (torch.zeros(len(rows), device=self.device) for _ in range(2))
        for sample in range(LINK_SAMPLES):
            slots = start + (until - start) * ((sample + 0.5) / LINK_SAMPLES)
            reported = self.beam_snr(rows, ue, (slots - REPORT_SLOTS).clamp_min(start) * self.slot_s, beam)[..., 0]
            snr = self.beam_snr(rows, ue, slots * self.slot_s, beam)[..., 0]
            sent, state.offset_db[mine] = self.send(reported, snr, state.offset_db[mine], uniform[:, sample], blocks)
            acknowledged += sent.acknowledged / LINK_SAMPLES
            bits_per_re += sent.bits_per_re / LINK_SAMPLES
        state.acknowledged[mine], state.bits_per_re[mine] = acknowledged, bits_per_re
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
            weights = (
                self.network.codebook.weights.mT
                if beam is None
                else self.network.codebook.weights[beam[some]][..., None]
            )
            received = h @ weights
            parts.append(squared_magnitude(received) / self.noise)
        return torch.cat(parts)

    def _channel(self, rows: torch.Tensor, ue: torch.Tensor, time_s: torch.Tensor) -> torch.Tensor:
        """Whitened channels with what blocks them, complex64 [M, F, antennas]."""
        reality, index = self.reality, torch.arange(len(rows), device=self.device)
        position, velocity = (x[index, ue] for x in self.motion.at(rows, time_s))
        ap = reality.state.ap[rows]
        paths = reality.atlas.paths(position, ap)
        left = self.blockage.amplitude(rows, ue, time_s, velocity, paths)
        h = reality.atlas.channel(replace(paths, gain=paths.gain * left), self.subband_hz)
        return h.mul_(reality.whitening(ap, position)[:, None, None])

    def _draw_burst(self, rows: torch.Tensor, at_slots: torch.Tensor) -> None:
        """Draw how long the burst of the UE in turn is."""
        self.seek(rows, at_slots, _Draw.BURST)
        self.network.state.burst_slots[rows] = self.bursts_slots[self.streams.integers(rows, len(self.bursts_slots))]
