"""The batched core: B networks of access points that serve U UEs together.

Privileged: this module lives in reality (see `READS_REALITY`). What leaves it is `known`, the
network's view, and what was delivered and spent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.errors import check_number
from twin_envs.base.streams import Streams
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, linear_to_db, slot_duration_s
from twin_envs.csi.nr.overhead import (
    CSI_RS_PORTS,
    csi_rs_resource_elements,
    data_resource_elements,
    feedback_resource_elements,
    uplink_bits_per_re,
)
from twin_envs.envs.association.admission import admit
from twin_envs.envs.association.configuration import AssociationConfig, SelectionConfig, check_capacity
from twin_envs.envs.association.joint import SRS_PERIOD_SLOTS, offsets_hz
from twin_envs.envs.association.view import GAIN_FLOOR_DB, Known
from twin_envs.envs.core.links import make_link
from twin_envs.envs.core.site_check import check_array
from twin_envs.envs.reality.downlink import BLOCKS
from twin_envs.envs.reality.network import SRS_COMB, UE_POWER_DBM, NetworkReality
from twin_envs.envs.reality.population import Population
from twin_envs.twin.traced import TracedTwin
from twin_envs.world.motion import Motion
from twin_envs.world.sensing import Sensing, SensingConfig
from twin_envs.world.store.site import load_site

LINK_SLOTS = 25
"""The link is evaluated at least this often [slots], and link adaptation follows as often."""
RSRP_BITS = 7
"""Of a reported gain, in steps of 1 dB (TS 38.133, 10.1.6)."""
_UPLINK_BLOCKS = 4
_DRAWS_BEFORE, _DRAWS_PER_SLOT = 64, 4
_LINK, _BLOCKS, _MOVE, _MEASURE = range(_DRAWS_PER_SLOT)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened until the next decision, in N networks.

    Attributes:
        delivered_by_ue: bits to each UE over the episode's time and bandwidth, float32 [N, U] [bit/s/Hz].
        pilot_cost: what the network could have sent in the resource elements of all pilots [N].
        feedback_cost: the same for reported gains.
        signalling_cost: what the UE of the decision could have got in the resource elements that told it.
        decided, measured: the UE of the decision, and the one that has measured at the end, int64 [N].
        added: how many APs the decision added, int64 [N].
        elapsed_slots: int64 [N].
        truncated: the episode's time is over, bool [N]; then nobody has measured.
    """

    delivered_by_ue: torch.Tensor
    pilot_cost: torch.Tensor
    feedback_cost: torch.Tensor
    signalling_cost: torch.Tensor
    decided: torch.Tensor
    measured: torch.Tensor
    added: torch.Tensor
    elapsed_slots: torch.Tensor
    truncated: torch.Tensor


class Network:
    """B networks, each with A APs and U UEs, on one device.

    Args:
        config: the options.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.

    Attributes:
        known: the network's view.
        config: the options.
        aps: A.
        ap_position_m: float32 [A, 3].
        twin: the channel twin.
        link: from SINR to bits.
        noise: noise of a UE over the transmit power of an AP, both per resource element; linear.
        offset_hz: baseband frequencies at which channels are looked at [F].
        slot_s: duration of a slot.
        carrier_blocks: resource blocks of the carrier.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    def __init__(self, config: AssociationConfig | SelectionConfig, num_envs: int, device: torch.device) -> None:
        check_number("num_envs", num_envs, 1, 65_536, integer=True)
        self.config, self.num_envs, self.device = config, num_envs, device
        self.site = site = load_site(config.site, device)
        recipe = site.recipe
        check_array(config, recipe, CSI_RS_PORTS, "each a port of CSI-RS")
        self.aps, antennas = len(recipe.access_points), recipe.array.rows * recipe.array.columns
        check_capacity(config, self.aps)
        self.slot_s = slot_duration_s(recipe.subcarrier_spacing_hz)
        self.carrier_blocks = recipe.carrier_blocks
        self.ap_position_m = site.geometry.ap_position_m
        boresight_rad = torch.tensor([ap.yaw_rad for ap in recipe.access_points])
        self.twin = TracedTwin(site.twin(config.twin), boresight_rad, recipe.array.columns)
        self.reality = NetworkReality(site.reality(config.world), Motion(site.routes, num_envs, config.num_ue), recipe)
        self.noise, self.offset_hz = self.reality.noise, offsets_hz(recipe, device)
        self.link = make_link(config, device)
        self.streams = Streams(num_envs, device)
        horizon_s = config.episode_slots * self.slot_s
        self.population = Population(site.routes, self._covered()[None], config.population, horizon_s)
        sensing = Sensing(SensingConfig(), num_envs, config.num_ue, site.sky_view, device)
        self.known = Known(num_envs, config.num_ue, self.aps, sensing)
        self._turns = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self._sinr = torch.zeros(num_envs, config.num_ue, len(self.offset_hz), device=device)
        self._antennas = antennas
        self._probe_elements = csi_rs_resource_elements(antennas, 1.0, recipe.csi_blocks)
        srs_elements = recipe.csi_blocks * SUBCARRIERS_PER_BLOCK // SRS_COMB
        self._srs_per_slot = config.uplink_price * config.num_ue * srs_elements / SRS_PERIOD_SLOTS
        self._episode_hz_s = config.episode_slots * self.slot_s * recipe.bandwidth_hz

    def _covered(self) -> torch.Tensor:
        """Route vertices at which some AP arrives above the noise, bool [R, V]."""
        routes, atlas = self.site.routes, self.reality.atlas
        cell = atlas.geometry.cell(routes.points)
        return (cell >= 0) & (atlas.gain.amax(0)[cell.clamp_min(0)] > self.reality.noise)

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has searched for all APs at time 0, and those that it hears best serve it. It is UE 0's turn.
        """
        known, config = self.known, self.config
        self.streams.seed(rows, keys)
        known.clear(rows)
        self._turns[rows] = 0
        self.population.start(rows, self.reality.motion, self.streams)
        position, velocity = self.reality.position(rows, torch.zeros(len(rows), device=self.device))
        known.sensing.start(rows, position[..., :2], velocity[..., :2], self.streams)
        everything = torch.ones(len(rows), self.aps, dtype=torch.bool, device=self.device)
        for ue in range(config.num_ue):
            who = torch.full_like(rows, ue)
            self._measure(rows, who, position[:, ue], everything)
            heard = (known.gain_db[rows, ue] - GAIN_FLOOR_DB).div(-GAIN_FLOOR_DB).clamp(0.0, 1.0)
            self._decide(rows, who, heard)
        known.probing[rows] = known.joined[rows] = False
        self._sinr[rows] = self.reality.sinr(
            rows, torch.zeros(len(rows), device=self.device), known.serving[rows], self.streams
        )

    def step(self, rows: torch.Tensor, scores: torch.Tensor) -> Outcome:
        """Score the APs [N, A] for the UEs whose turn it is in environments `rows` [N]; run until the next turn."""
        known, config = self.known, self.config
        now, decided = known.now_slots[rows], known.turn[rows]
        added = self._decide(rows, decided, scores)
        known.decided[rows] = decided
        known.changed_slots[rows, decided] = torch.where(added > 0, now, known.changed_slots[rows, decided])
        self._turns[rows] += 1
        due = self._turns[rows] * config.decision_slots // config.num_ue
        truncated = due >= config.episode_slots
        until = due.clamp_max(config.episode_slots)
        bits_per_re = self._transmit(rows, now, until)

        known.now_slots[rows] = until
        known.turn[rows] = measured = self._turns[rows] % config.num_ue
        position, velocity = self.reality.position(rows, until * self.slot_s)
        self._seek(rows, until, _MOVE)
        elapsed_s = (until - now) * self.slot_s
        known.sensing.advance(rows, elapsed_s, position[..., :2], velocity[..., :2], self.streams)
        at = position[torch.arange(len(rows), device=self.device), measured]
        asked = known.serving[rows, measured] | known.probing[rows, measured]
        pilots, feedback = self._spent(rows, measured, at, asked)
        self._seek(rows, until, _MEASURE)
        self._measure(rows, measured, at, asked & ~truncated[:, None])
        elements = data_resource_elements(until - now, self.carrier_blocks, torch.ones_like(until))
        scale = 1 / self._episode_hz_s
        total = bits_per_re.sum(-1) * scale
        pilots = torch.where(truncated, 0.0, pilots) + (until - now) * self._srs_per_slot
        feedback = torch.where(truncated, 0.0, feedback * config.uplink_price)
        known.overhead[rows] = (pilots + feedback) / elements
        own = bits_per_re.gather(1, decided[:, None])[:, 0] * scale
        return Outcome(
            delivered_by_ue=bits_per_re * (elements * scale)[:, None],
            pilot_cost=total * pilots,
            feedback_cost=total * feedback,
            signalling_cost=own * added * config.signalling_elements,
            decided=decided,
            measured=measured,
            added=added,
            elapsed_slots=until - now,
            truncated=truncated,
        )

    def _seek(self, rows: torch.Tensor, slots: torch.Tensor, what: int) -> None:
        """Let random numbers depend on the time, not on how many were drawn: equal decisions meet equal noise."""
        self.streams.seek(rows, _DRAWS_BEFORE + slots * _DRAWS_PER_SLOT + what)

    def _decide(self, rows: torch.Tensor, ue: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Let the APs serve by `scores` [N, A] of UE `ue` [N]; returns how many it had not, int64 [N]."""
        known, config = self.known, self.config
        known.score[rows, ue] = scores
        decision = admit(
            scores,
            ue,
            known.serving[rows],
            known.score[rows],
            cluster_size=config.cluster_size,
            probed_aps=config.probed_aps,
            ap_load=config.ap_load,
        )
        known.serving[rows] = decision.serving
        known.probing[rows, ue] = decision.probing
        known.joined[rows, ue] = decision.added
        return decision.added.sum(-1)

    def _transmit(self, rows: torch.Tensor, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Transmit from slot `start` to slot `until` [N]; returns bits per resource element of each UE [N, U].

        The MCS follows the SINR that the UE reported at the evaluation before, and the outer loop.
        """
        known, config = self.known, self.config
        count = -(-config.decision_slots // (config.num_ue * LINK_SLOTS))
        known.acknowledged[rows] = known.bits_per_re[rows] = 0.0
        silent_until = known.changed_slots[rows] + config.interruption_slots
        for index in range(count):
            first, last = (start + (until - start) * share / count for share in (index, index + 1))
            self._seek(rows, ((first + last) / 2).long(), _LINK)
            sinr = self.reality.sinr(rows, (first + last) / 2 * self.slot_s, known.serving[rows], self.streams)
            uniform = self.streams.uniform(rows, config.num_ue, BLOCKS)
            offset_db = known.offset_db[rows]
            mcs = self.link.choose_mcs(self._sinr[rows], offset_db)
            sent = self.link.deliver(mcs, sinr, uniform)
            known.offset_db[rows] = self.link.outer_loop(offset_db, sent.acknowledged, (last - first)[:, None])
            self._sinr[rows] = sinr
            active = ((last[:, None] - silent_until) / (last - first)[:, None]).clamp(0.0, 1.0)
            known.acknowledged[rows] += sent.acknowledged / count
            known.bits_per_re[rows] += sent.bits_per_re * active / count
        return known.bits_per_re[rows]

    def _measure(self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, which: torch.Tensor) -> None:
        """UE `ue` [N], truly at `position_m` [N, 3], measures the gains of the APs `which` [N, A]."""
        known = self.known
        gain_db = linear_to_db(self.reality.measured_gain(rows, position_m, self.streams)).round()
        gain_db = gain_db.clamp_min(GAIN_FLOOR_DB)
        known.gain_db[rows, ue] = torch.where(which, gain_db, known.gain_db[rows, ue])
        now = known.now_slots[rows][:, None]
        known.measured_slots[rows, ue] = torch.where(which, now, known.measured_slots[rows, ue])

    def _spent(
        self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, which: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Resource elements of the pilots of the APs `which` [N, A] and of UE `ue`'s report of them, [N] each."""
        atlas, measured = self.reality.atlas, which.sum(-1)
        cell = atlas.geometry.cell(position_m)
        gain = torch.where(cell >= 0, atlas.gain[:, cell.clamp_min(0)], 0.0).mT * self.known.serving[rows, ue]
        rate = uplink_bits_per_re(
            gain.sum(-1) * self._antennas,
            power_dbm=UE_POWER_DBM,
            noise_dbm=self.reality.uplink_noise_dbm,
            blocks=_UPLINK_BLOCKS,
        )
        return measured * self._probe_elements, feedback_resource_elements(measured * RSRP_BITS, rate)
