"""The core of decisions about access points: B networks of access points that serve U UEs together.

Privileged: this module lives in reality. What leaves it is `network`, the network's view, and what came of a decision.
"""

from __future__ import annotations

from enum import IntEnum

import torch

from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, linear_to_db
from twin_envs.csi.joint import SRS_PERIOD_SLOTS
from twin_envs.csi.nr.overhead import CSI_RS_PORTS, csi_rs_resource_elements
from twin_envs.csi.nr.uplink import BLOCK_ELEMENTS, grant
from twin_envs.envs.association.admission import admit
from twin_envs.envs.association.configuration import AssociationConfig, SelectionConfig, check_capacity
from twin_envs.envs.association.view import GAIN_FLOOR_DB, AssociationView
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.links import TRANSPORT_BLOCKS
from twin_envs.envs.core.site_check import check_array
from twin_envs.envs.core.step import Charge, Step
from twin_envs.envs.reality.network import SRS_COMB, NetworkReality

LINK_SLOTS = 25
"""The link is evaluated at least this often [slots], and link adaptation follows as often."""
REPORT_HEADER_BITS = 80
"""Of a measurement report: headers and integrity code of MAC, RLC and PDCP (TS 38.321, 6.1.2; TS 38.322, 6.2.2.4; TS
38.323, 6.2.2.1)."""
GAIN_BITS = 14
"""Of a gain in it: 7 of its CSI-RS's index, 7 of the gain in steps of 1 dB (TS 38.331, CSI-RS-Index; TS 38.133,
10.1.6)."""
SSB_ELEMENTS = 8 * 4 * 20 * SUBCARRIERS_PER_BLOCK
"""Resource elements of a burst of SSBs from 3 to 6 GHz: 8 (TS 38.213, 4.1) of 4 symbols of 20 resource blocks (TS
38.211, 7.4.3.1). All APs send theirs in these 8 places."""
SSB_PERIOD_S = 20e-3
"""From burst to burst, as a UE expects at first (TS 38.213, 4.1)."""


class _Draw(IntEnum):
    LINK = 0
    MOVE = 2
    MEASURE = 3


class AssociationCore(Core):
    """B networks, each with A APs and U UEs, on one device.

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
    config: AssociationConfig | SelectionConfig
    network: AssociationView

    def __init__(self, config: AssociationConfig | SelectionConfig, num_envs: int, device: torch.device) -> None:
        super().__init__(config, num_envs, device)
        recipe = self.recipe
        check_array(config, recipe, CSI_RS_PORTS, "each a port of CSI-RS")
        check_capacity(config, len(recipe.access_points))
        self._antennas = recipe.array.rows * recipe.array.columns
        twin = self.channel_twin(config.twin, config.commissioning_places)
        self.network = AssociationView(twin=twin, **self.view_fields())
        self.reality = NetworkReality(self.site.reality(config.world), self.motion, recipe, config.ue_power_dbm)
        heard = self.gain_on_routes(self.reality.atlas) > self.noise  # some AP arrives above the noise
        self.populate(heard.any(0)[None])
        self._probe_elements = csi_rs_resource_elements(self._antennas, 1.0, recipe.csi_blocks)
        srs_elements = recipe.csi_blocks * SUBCARRIERS_PER_BLOCK // SRS_COMB
        self._common_per_slot = (
            config.uplink_price * config.num_ue * srs_elements / SRS_PERIOD_SLOTS
            + SSB_ELEMENTS * self.slot_s / SSB_PERIOD_S
        )

    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N].

        Every UE has searched for all APs at time 0, and those that it hears best serve it. It is UE 0's turn.
        """
        state = self.network.state
        self.begin(rows, keys)
        position = self.first_fix(rows)
        everything = torch.ones(len(rows), self.network.aps, dtype=torch.bool, device=self.device)
        for ue in range(self.config.num_ue):
            who = torch.full_like(rows, ue)
            self._measure(rows, who, position[:, ue], everything)
            heard = (state.gain_db[rows, ue] - GAIN_FLOOR_DB).div(-GAIN_FLOOR_DB).clamp(0.0, 1.0)
            self._decide(rows, who, heard)
        state.probing[rows] = state.joined[rows] = False
        start_s = torch.zeros(len(rows), device=self.device)
        state.reported_sinr[rows] = self.reality.sinr(rows, start_s, state.serving[rows], self.streams)

    def step(self, rows: torch.Tensor, scores: torch.Tensor) -> Step:
        """Score the APs [N, A] for the UEs whose turn it is in environments `rows` [N]; run until the next turn."""
        state, config = self.network.state, self.config
        now, decided = state.now_slots[rows], state.turn[rows]
        added = self._decide(rows, decided, scores)
        state.decided[rows] = decided
        state.changed_slots[rows, decided] = torch.where(added > 0, now, state.changed_slots[rows, decided])
        state.turns[rows] += 1
        due = state.turns[rows] * config.decision_slots // config.num_ue
        truncated = due >= config.episode_slots
        until = due.clamp_max(config.episode_slots)
        bits_per_re = self._transmit(rows, now, until)

        state.now_slots[rows] = until
        state.turn[rows] = measured = state.turns[rows] % config.num_ue
        position, velocity = self.motion.at(rows, until * self.slot_s)
        self.seek(rows, until, _Draw.MOVE)
        self.move(rows, until - now, position, velocity)
        at = position[torch.arange(len(rows), device=self.device), measured]
        asked = state.serving[rows, measured] | state.probing[rows, measured]
        pilots, feedback = self._spent(rows, measured, at, asked)
        self.seek(rows, until, _Draw.MEASURE)
        self._measure(rows, measured, at, asked & ~truncated[:, None])
        elements = self.network.data_elements(now, until)
        scale = 1 / self.episode_hz_s
        total = bits_per_re.sum(-1) * scale
        pilots = torch.where(truncated, 0.0, pilots) + (until - now) * self._common_per_slot
        feedback = torch.where(truncated, 0.0, feedback * config.uplink_price)
        state.overhead[rows] = (pilots + feedback) / elements
        own = bits_per_re.gather(1, decided[:, None])[:, 0] * scale
        return Step(
            delivered_by_ue=bits_per_re * (elements * scale)[:, None],
            charges=(  # the UE that measures at the end pays for that, the UE that was decided about for its change
                Charge(ue=measured, costs={"pilot_cost": total * pilots, "feedback_cost": total * feedback}),
                Charge(ue=decided, costs={"signalling_cost": own * added * config.signalling_elements}),
            ),
            elapsed_slots=until - now,
            truncated=truncated,
            ue=decided,
            facts={"added_aps": added},
        )

    def _decide(self, rows: torch.Tensor, ue: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Let the APs serve by `scores` [N, A] of UE `ue` [N]; returns how many it had not, int64 [N]."""
        state, config = self.network.state, self.config
        state.score[rows, ue] = scores
        decision = admit(
            scores,
            ue,
            state.serving[rows],
            state.score[rows],
            cluster_size=config.cluster_size,
            probed_aps=config.probed_aps,
            ap_load=config.ap_load,
        )
        state.serving[rows] = decision.serving
        state.probing[rows, ue] = decision.probing
        state.joined[rows, ue] = decision.added
        return decision.added.sum(-1)

    def _transmit(self, rows: torch.Tensor, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Transmit from slot `start` to slot `until` [N]; returns bits per resource element of each UE [N, U].

        The MCS follows the SINR that the UE reported at the evaluation before, and the outer loop.
        """
        state, config = self.network.state, self.config
        count = -(-config.decision_slots // (config.num_ue * LINK_SLOTS))
        state.acknowledged[rows] = state.bits_per_re[rows] = 0.0
        silent_until = state.changed_slots[rows] + config.interruption_slots
        for index in range(count):
            first, last = (start + (until - start) * share / count for share in (index, index + 1))
            self.seek(rows, ((first + last) / 2).long(), _Draw.LINK)
            sinr = self.reality.sinr(rows, (first + last) / 2 * self.slot_s, state.serving[rows], self.streams)
            uniform = self.streams.uniform(rows, config.num_ue, TRANSPORT_BLOCKS)
            sent, state.offset_db[rows] = self.send(
                state.reported_sinr[rows], sinr, state.offset_db[rows], uniform, (last - first)[:, None]
            )
            state.reported_sinr[rows] = sinr
            active = ((last[:, None] - silent_until) / (last - first)[:, None]).clamp(0.0, 1.0)
            state.acknowledged[rows] += sent.acknowledged / count
            state.bits_per_re[rows] += sent.bits_per_re * active / count
        return state.bits_per_re[rows]

    def _measure(self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, which: torch.Tensor) -> None:
        """UE `ue` [N], truly at `position_m` [N, 3], measures the gains of the APs `which` [N, A]."""
        state = self.network.state
        gain_db = linear_to_db(self.reality.measured_gain(rows, position_m, self.streams)).round()
        gain_db = gain_db.clamp_min(GAIN_FLOOR_DB)
        state.gain_db[rows, ue] = torch.where(which, gain_db, state.gain_db[rows, ue])
        now = state.now_slots[rows][:, None]
        state.measured_slots[rows, ue] = torch.where(which, now, state.measured_slots[rows, ue])

    def _spent(
        self, rows: torch.Tensor, ue: torch.Tensor, position_m: torch.Tensor, which: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Resource elements of the pilots of the APs `which` [N, A] and of UE `ue`'s report of them, [N] each."""
        atlas, measured = self.reality.atlas, which.sum(-1)
        cell = atlas.geometry.cell(position_m)
        gain = torch.where(cell >= 0, atlas.gain[:, cell.clamp_min(0)], 0.0).mT * self.network.state.serving[rows, ue]
        report = grant(
            REPORT_HEADER_BITS + measured * GAIN_BITS,
            gain.sum(-1) * self._antennas,
            power_dbm=self.config.ue_power_dbm,
            noise_dbm=self.reality.uplink_noise_dbm,
            carrier_blocks=self.carrier_blocks,
        )
        return measured * self._probe_elements, torch.where(measured > 0, report.block_slots * BLOCK_ELEMENTS, 0)
