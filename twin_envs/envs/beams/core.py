"""The core of decisions about beams: B cells, each with a hybrid array that serves its UEs one after the other.

Privileged: this module lives in reality. What leaves it is `network`, the network's view, and what came of a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import torch

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.state import TensorState
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.codebook import BEAMS, Codebook
from twin_envs.csi.beams.measuring import SSB_PILOTS, SSB_SUBBANDS, beam_pilots, measured_snr, reported_snr, subband_hz
from twin_envs.csi.nr.uplink import BLOCK_ELEMENTS, Grant, grant, noise_per_subcarrier_dbm
from twin_envs.envs.beams.configuration import CAR_LOSS_DB, MOST_BLOCKERS, BeamConfig
from twin_envs.envs.beams.schedule import REPORT_BEAMS, BeamSchedule, report_bits
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.links import TRANSPORT_BLOCKS
from twin_envs.envs.core.site_check import check_array
from twin_envs.envs.core.step import Charge, Step
from twin_envs.envs.reality.blockage import Blockage
from twin_envs.envs.reality.cell import Reality
from twin_envs.envs.reality.commissioning import swept_yaw_error_rad
from twin_envs.envs.reality.twin_error import Commissioning
from twin_envs.twin.registry import channel_twins
from twin_envs.world.sensing.sensors.gnss import Gnss

LINK_SAMPLES = 4
"""Evaluations of the link while a beam serves."""
REPORT_SLOTS = 40
"""Age of the quality report by which the MCS is chosen: 5 ms at 120 kHz, a report period of NR (TS 38.331)."""
_LOOP_TRANSPORT_BLOCKS = 10
"""Most transport blocks of one evaluation that the outer loop counts: a step for many more alike would overshoot."""
_CHUNK = 512
"""Links computed at once: what they need stays in a processor's cache."""


_WORLD, _ASKED = "twin", 256
"""The world of twins that learn, and at how many places a twin is asked whether it knows anything."""


class _Draw(IntEnum):
    SWEEP = 0
    TRANSMIT = 1
    QUALITY = 2
    BURST = 3
    SENSE = 4
    SSB = 5


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What UEs sweep in a burst; the best beam that is measured serves as soon as it is reported.

    A beam alone is not measured: it serves at once. What cannot serve before the burst's end is not swept.

    Attributes:
        beams: bool [N, E], one or more.
        after_slots: how long after the burst's beginning, or as soon as the sweep before it is reported, int64 [N].
    """

    beams: torch.Tensor
    after_slots: torch.Tensor | int = 0


class BeamCore(Core):
    """B cells, each with an AP and U UEs, on one device.

    UEs sleep, and each wakes up once in a cycle for a burst of data (discontinuous reception, TS 38.321, 5.7), one
    after the other. It wakes up early enough to report the last SSBs before its burst; later ones are not reported
    within it. The AP has one RF chain: it serves the UE that is awake with one beam, and while it sends SSBs or sweeps
    beams it sends no data.

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
        gnss = Gnss(bias_m=config.gnss_bias_m)
        super().__init__(config, num_envs, device, gnss)
        site, recipe = self.site, self.recipe
        check_array(config, recipe, BEAMS, "a beam for each")
        codebook = Codebook(recipe.array, device, config.ssb_beams)
        schedule = BeamSchedule(config, recipe, self.tdd)
        self.reality = Reality(site.reality(config.world), self.motion, recipe, config.neighbour_load)
        self._codebook = codebook
        yaw_error_rad = self._yaw_error_rad(config.channel_twin)
        twin = self._beam_map(config.channel_twin, config.twin, yaw_error_rad)
        self.network = BeamView(
            codebook=codebook, schedule=schedule, yaw_error_rad=yaw_error_rad, twin=twin, **self.view_fields()
        )
        self.blockage = Blockage(
            self.motion,
            config.blockers,
            MOST_BLOCKERS,
            config.self_blocking,
            CAR_LOSS_DB[config.car_windows],
            recipe.wavelength_m,
            device,
        )
        self.populate_cells(self.reality.atlas, codebook.beams)
        turn_slots = self.network.turn_slots
        self.bursts_slots = torch.tensor(list(bursts_slots) or [config.burst_slots], device=device)
        longest, shortest = int(self.bursts_slots.max()), int(self.bursts_slots.min())
        check_number("burst_slots, the longest, in cycle_slots / num_ue", longest, 1, turn_slots, integer=True)
        up = len(self.tdd.uplink_slots)
        if shortest <= up:
            raise ConfigurationError(
                f"burst_slots must be {up + 1} or more, longer than the {up} uplink slots of {config.tdd_pattern!r}, "
                f"got {shortest}"
            )
        self.subband_hz = subband_hz(recipe, device)
        self._bursts = -(-config.episode_slots // turn_slots)
        self._pilots = beam_pilots(recipe, config.symbols_per_beam)
        self._uplink_noise_dbm = noise_per_subcarrier_dbm(recipe.subcarrier_spacing_hz)

    def calibrated(self, world: str) -> BeamMap:
        """What the twin world `world` says of every beam, its arrays turned to where they really point."""
        return self._beam_map(self.config.channel_twin, world, self.network.yaw_error_rad)

    def learnt(self, channel_twin: str) -> BeamMap:
        """What a channel twin of another name says of every beam, when it has learnt where a sounder went.

        Sweeps tell it, too, how far arrays point elsewhere than it has found out by itself.
        """
        return self._beam_map(channel_twin, _WORLD, self._yaw_error_rad(channel_twin))

    def _yaw_error_rad(self, channel_twin: str) -> torch.Tensor:
        config = self.config
        return swept_yaw_error_rad(
            self.site,
            self._commissioning(channel_twin),
            config.world,
            config.calibration_sweeps,
            Gnss(bias_m=config.gnss_bias_m).position_std_m,
            config.symbols_per_beam,
        )

    def _commissioning(self, channel_twin: str) -> Commissioning:
        config = self.config
        return Commissioning(
            make=channel_twins.get(channel_twin),
            measured=config.world,
            places=config.commissioning_places,
            beams=self._codebook.beams,
        )

    def _beam_map(self, channel_twin: str, world: str, yaw_error_rad: torch.Tensor) -> BeamMap:
        twin = self._commissioning(channel_twin)(self.site, world, self.device)
        made = BeamMap(twin, self.site.geometry, self._codebook, yaw_error_rad)
        _check_knows(made, channel_twin, self.config.commissioning_places)
        return made

    def states(self) -> Iterator[TensorState]:
        """See `Core.states`."""
        yield from super().states()
        yield self.reality.state
        yield self.blockage.state

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has found its beam by the SSBs at time 0, as in initial access; UE 0 wakes up first.
        """
        num_ue, count = self.config.num_ue, len(rows)
        self.network.state.ap[rows] = self.reality.state.ap[rows] = self.begin(rows, keys)
        self.blockage.start(rows, self.streams)
        self.first_fix(rows)
        noise = self.streams.normal(rows, num_ue, self.network.codebook.every).flatten(0, 1)
        env, ue = rows.repeat_interleave(num_ue), torch.arange(num_ue, device=self.device).repeat(count)
        self._find_ssbs(env, ue, torch.zeros_like(env), noise)
        self._wake(rows, torch.zeros_like(rows))

    def step(self, rows: torch.Tensor, *sweeps: Callable[[], Sweep]) -> Step:
        """Let the UEs in turn of environments `rows` [N] have their bursts, and time pass until the next ones'.

        Args:
            rows: int64 [N].
            sweeps: what is swept one after the other; each is called when the beam of the one before it serves.

        Returns:
            what came of it; `swept`: how many beams were swept, int64 [N], `in_time`: whether the last one's beam
            served, bool [N].
        """
        state, schedule = self.network.state, self.network.schedule
        start, ue = state.now_slots[rows], state.turn[rows]
        until, mine = start + state.burst_slots[rows], (rows, ue)
        total = schedule.data_elements(start, until)
        blocks, swept, some = state.report_blocks[rows], torch.zeros_like(ue), torch.zeros_like(ue, dtype=torch.bool)
        bits, ssb_cost, sweep_cost, acknowledged = torch.zeros(4, len(rows), device=self.device)
        spent = torch.zeros_like(bits)
        now = start
        for ask in (*sweeps, None):
            change, elements = until, torch.zeros_like(now)
            if ask is not None:
                sweep = ask()
                begin = torch.maximum(start + sweep.after_slots, now)
                count = sweep.beams.sum(-1)
                measured = schedule.swept(begin, count)
                report = self._grant(rows, ue, measured, state.beam[mine], report_bits(count))
                serves = torch.where(count > 1, schedule.known(measured, report.slots), begin)
                made = serves < until
                change = torch.minimum(serves, until)
                some = made & (count > 1)
                swept = swept + torch.where(some, count, 0)
                blocks = blocks + torch.where(some, report.block_slots, 0)
                elements = torch.where(some, schedule.sweep_elements(count), 0)
            rate, decoded = self._transmit(rows, ue, now, change)
            for_data, for_ssbs = schedule.data_elements(now, change), schedule.ssb_elements(now, change)
            elements = torch.minimum(elements, for_data - for_ssbs)
            bits += rate * for_data
            ssb_cost += rate * for_ssbs
            sweep_cost += rate * elements
            spent += for_ssbs + elements
            acknowledged += decoded * (change - now) / (until - start)
            if ask is not None:
                self._sweep(rows, ue, begin, sweep.beams & made[:, None])
            now = change
        self._note_quality(rows, ue, until)
        feedback = blocks * (BLOCK_ELEMENTS * self.config.uplink_price)
        state.swept[mine], state.acknowledged[mine], state.bits_per_re[mine] = swept, acknowledged, bits / total
        state.overhead[rows] = (spent + feedback) / total
        costs = {"ssb_cost": ssb_cost, "sweep_cost": sweep_cost, "feedback_cost": bits / total * feedback}
        return replace(self._end(rows, ue, bits, costs), facts={"swept": swept, "in_time": some})

    def _end(self, rows: torch.Tensor, ue: torch.Tensor, bits: torch.Tensor, costs: dict[str, torch.Tensor]) -> Step:
        """Let time pass until the next UE wakes up; UE `ue` [N] got `bits` [N] less `costs`, in bits as well."""
        state, config = self.network.state, self.config
        start, burst = state.now_slots[rows], state.burst_slots[rows]
        end = start + self.network.turn_slots
        state.now_slots[rows], state.turn[rows] = end, (ue + 1) % config.num_ue
        state.decided[rows], state.served_slots[rows] = ue, burst
        position, velocity = self.motion.at(rows, end * self.slot_s)
        self.seek(rows, end, _Draw.SENSE)
        self.move(rows, end - start, position, velocity)
        self._wake(rows, end)
        hz_s = burst * (self._bursts * self.slot_s * self.recipe.bandwidth_hz)
        delivered_by_ue = torch.zeros(len(rows), config.num_ue, device=self.device)
        return Step(
            delivered_by_ue=delivered_by_ue.scatter_(1, ue[:, None], (bits / hz_s)[:, None]),
            charges=(Charge(ue=ue, costs={name: cost / hz_s for name, cost in costs.items()}),),
            elapsed_slots=end - start,
            truncated=end >= config.episode_slots,
            ue=ue,
        )

    def _wake(self, rows: torch.Tensor, at_slots: torch.Tensor) -> None:
        """The UE in turn wakes up at slot `at_slots` [N]: it has reported its SSBs, and its burst is drawn."""
        state = self.network.state
        ue = state.turn[rows]
        self.seek(rows, at_slots, _Draw.BURST)
        state.burst_slots[rows] = self.bursts_slots[self.streams.integers(rows, len(self.bursts_slots))]
        if not self.config.ssb_report:
            return
        codebook = self.network.codebook
        self.seek(rows, at_slots, _Draw.SSB)
        measured_slots = self.network.schedule.reported_ssbs(at_slots)
        self._find_ssbs(rows, ue, measured_slots, self.streams.normal(rows, codebook.every))
        bits = report_bits(torch.full_like(ue, codebook.ssb_beams))
        state.report_blocks[rows] = self._grant(rows, ue, measured_slots, state.beam[rows, ue], bits).block_slots

    def _grant(
        self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beam: torch.Tensor, bits: torch.Tensor
    ) -> Grant:
        """What a report of `bits` [N] takes that UE `ue` [N] sends at slot `at_slots` [N], received with `beam` [N]."""
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s, beam)[..., 0].mean(-1)
        position = self.motion.at(rows, at_slots * self.slot_s)[0][torch.arange(len(rows), device=self.device), ue]
        whitening = self.reality.whitening(self.reality.state.ap[rows], position)
        return grant(
            bits,
            snr * self.noise / whitening.square(),
            power_dbm=self.config.ue_power_dbm,
            noise_dbm=self._uplink_noise_dbm,
            carrier_blocks=self.carrier_blocks,
        )

    def _find_ssbs(self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, noise: torch.Tensor) -> None:
        """UE `ue` [M] of environment `rows` [M] measures all SSBs at slot `at_slots` [M] and reports the strongest.

        `noise`: standard normal [M, E].
        """
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s)[:, SSB_SUBBANDS].mean(1)
        measured = measured_snr(snr, noise, SSB_PILOTS)
        self._report(rows, ue, at_slots, self.network.codebook.ssbs.expand(len(rows), -1), measured)

    def _sweep(self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor) -> None:
        """UE `ue` [N] measures `beams` [N, E] at slot `at_slots` [N]; one alone serves at once, none does nothing."""
        state, count = self.network.state, beams.sum(-1)
        alone = (count == 1).nonzero()[:, 0]
        state.beam[rows[alone], ue[alone]] = beams[alone].long().argmax(-1)
        some = (count > 1).nonzero()[:, 0]
        if not len(some):
            return
        rows, ue, at_slots, beams = rows[some], ue[some], at_slots[some], beams[some]
        self.seek(rows, at_slots, _Draw.SWEEP)
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s).mean(1)
        measured = measured_snr(snr, self.streams.normal(rows, self.network.codebook.every), self._pilots)
        self._report(rows, ue, at_slots, beams, measured)

    def _report(
        self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor, beams: torch.Tensor, measured: torch.Tensor
    ) -> None:
        """UE `ue` [M] reports what it `measured` [M, E] of `beams` [M, E]; the strongest serves it from now on."""
        state, mine = self.network.state, (rows, ue)
        snr, bound = reported_snr(measured, beams, REPORT_BEAMS)
        state.snr[mine] = torch.where(beams, snr, state.snr[mine])
        state.bound[mine] = torch.where(beams, bound, state.bound[mine])
        state.measured_slots[mine] = torch.where(beams, at_slots[:, None], state.measured_slots[mine])
        state.beam[mine] = best = torch.where(beams, measured, -1.0).argmax(-1)
        state.chosen_snr[mine] = state.snr[mine].gather(1, best[:, None])[:, 0]
        state.chosen_slots[mine] = at_slots

    def _note_quality(self, rows: torch.Tensor, ue: torch.Tensor, at_slots: torch.Tensor) -> None:
        """The network notes the quality of the beam in use as UE `ue` [N] reports it at the end of its burst."""
        state, mine = self.network.state, (rows, ue)
        beam = state.beam[mine]
        self.seek(rows, at_slots, _Draw.QUALITY)
        snr = self.beam_snr(rows, ue, at_slots * self.slot_s, beam)[..., 0].mean(-1)
        state.snr[(*mine, beam)] = measured_snr(snr, self.streams.normal(rows, 1)[:, 0], self._pilots)
        state.measured_slots[(*mine, beam)] = at_slots
        state.bound[(*mine, beam)] = False

    def _transmit(
        self, rows: torch.Tensor, ue: torch.Tensor, start: torch.Tensor, until: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Transmit to UE `ue` [N] with the beam in use from slot `start` to slot `until` [N], in no time where they are
        the same.

        The MCS follows the quality of the beam that the UE reported `REPORT_SLOTS` ago.

        Returns:
            bits per resource element and share of blocks that were decoded, float32 [N] each.
        """
        state, (bits_per_re, acknowledged) = self.network.state, torch.zeros(2, len(rows), device=self.device)
        some = (start < until).nonzero()[:, 0]
        if not len(some):
            return bits_per_re, acknowledged
        rows, ue, start, until = rows[some], ue[some], start[some], until[some]
        mine = (rows, ue)
        beam = state.beam[mine]
        self.seek(rows, start, _Draw.TRANSMIT)
        uniform = self.streams.uniform(rows, LINK_SAMPLES, TRANSPORT_BLOCKS)
        blocks = ((until - start) / LINK_SAMPLES).clamp_max(_LOOP_TRANSPORT_BLOCKS)
        for sample in range(LINK_SAMPLES):
            slots = start + (until - start) * ((sample + 0.5) / LINK_SAMPLES)
            reported = self.beam_snr(rows, ue, (slots - REPORT_SLOTS).clamp_min(start) * self.slot_s, beam)[..., 0]
            snr = self.beam_snr(rows, ue, slots * self.slot_s, beam)[..., 0]
            sent, state.offset_db[mine] = self.send(reported, snr, state.offset_db[mine], uniform[:, sample], blocks)
            acknowledged[some] += sent.acknowledged / LINK_SAMPLES
            bits_per_re[some] += sent.bits_per_re / LINK_SAMPLES
        return bits_per_re, acknowledged

    def beam_snr(
        self, rows: torch.Tensor, ue: torch.Tensor, time_s: torch.Tensor, beam: torch.Tensor | None = None
    ) -> torch.Tensor:
        """True signal-to-noise ratio of every beam, or of one, at UE `ue` [M] of environment `rows` [M].

        Args:
            rows, ue: int64 [M].
            time_s: since the episode's start [M].
            beam: int64 [M]; None for all.

        Returns:
            linear, float32 [M, F, E], or [M, F, 1] with `beam`.
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


def _check_knows(beam_map: BeamMap, channel_twin: str, places: int) -> None:
    """Refuse a twin that knows no beam of any link."""
    geometry = beam_map.geometry
    cell = torch.linspace(0, len(geometry.point_m) - 1, _ASKED, device=geometry.point_m.device).long()
    for ap in range(len(geometry.ap_position_m)):
        if (beam_map.look(geometry.point_m[cell, :2], torch.full_like(cell, ap))[0] > 0).any():
            return
    raise ConfigurationError(
        f"commissioning_places must be 10 or more, or as many more as it takes for an access point to be heard, for "
        f"{channel_twin!r}, which knows no beam of any link before it has learnt, got {places}"
    )
