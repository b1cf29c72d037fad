"""Policies for who serves a UE that know the twin."""

from __future__ import annotations

import math

import numpy as np
import torch

from twin_envs.agents.association.planner import ChannelPlanner
from twin_envs.agents.association.rules import ApPolicy
from twin_envs.agents.core.episodes import NewEpisodes
from twin_envs.agents.core.policies import Array
from twin_envs.base.errors import check_number
from twin_envs.base.settings import computing, lasting
from twin_envs.base.units import db_to_linear
from twin_envs.csi.joint import SRS_PERIOD_SLOTS
from twin_envs.envs.association.view import GAIN_FLOOR_DB, AssociationView
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.twin.protocol import GivesLinks, require

GAP_DB = 6.0
"""Usual standard deviation of measured over twin gains: ray tracing is off by 5 to 8 dB in published comparisons."""
GAP_DISTANCE_M = 10.0
"""A UE that has moved so far meets another error of the twin, as shadowing decorrelates in 10 to 13 m in street canyons
(TR 38.901, table 7.5-6)."""
FADING_DB = 1.5
"""Error of a measured gain, small-scale fading included: 10 / ln 10 / sqrt(n) dB for the mean of n exponential powers,
with n = 8, half of four antennas in four resource blocks, as neighbours fade alike."""
_PLACES = 3
_GOLDEN_ANGLE_RAD = 2.4
"""From UE to UE, so that they are not all off in the same direction."""
UNKNOWN_TIMES = 2.0
"""How much less sure the gain is of an AP to which the twin has no path. It is taken to be the floor down to which
paths are traced."""


class TwinGains(ApPolicy):
    """The APs with the best gain in the twin; nothing is measured besides those that serve.

    Args:
        hysteresis_db: how much better another AP must be, 0 to 40.
    """

    def __init__(self, hysteresis_db: float = 2.0) -> None:
        check_number("hysteresis_db", hysteresis_db, 0.0, 40.0)
        self.hysteresis_db = hysteresis_db

    def value_db(self, observation: Array) -> Array:
        """The twin's gain; where it knows none, that of the site's floor, less by 1 dB for every 20 m."""
        known = self.of(observation, "twin_known") > 0
        unknown_db = self.network.recipe.floor_db - self.of(observation, "distance") / 20.0
        value_db = np.where(known, self.of(observation, "twin_gain"), unknown_db)
        return value_db + self.hysteresis_db * self.of(observation, "serving")


class GainTracker:
    """Gains of all links as the twin and measurements together let one expect them.

    Measured less twin is an error in dB that changes as the UE moves, a Gauss-Markov process over the distance; a
    Kalman filter follows it for each link. So a link that was never measured has the twin's gain, one that has just
    been measured the measured one.

    Args:
        network: whose; B environments, U UEs, A APs.
        gap_db: standard deviation of measured over twin gains, 0.1 to 40.

    Attributes:
        gain_db: expected gains, float32 [B, U, A].
        std_db: their standard deviations.
    """

    def __init__(self, network: AssociationView, gap_db: float = GAP_DB) -> None:
        check_number("gap_db", gap_db, 0.1, 40.0)
        self.network, self.gap_db = network, gap_db
        shape, device = network.state.gain_db.shape, network.device
        self.gain_db, self.std_db = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self._error_db, self._variance = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self._place_m = torch.zeros(*shape[:2], 2, device=device)
        self._seen_slots = torch.zeros(shape, dtype=torch.int64, device=device)
        self._episodes, self._rows = NewEpisodes(network), torch.arange(network.num_envs, device=device)

    def update(self) -> None:
        """Take in what the network has learnt since the last time."""
        state = self.network.state
        begun = self._episodes.begun(self._rows)[:, None, None]
        twin_db, prior_db2 = self.prior()
        moved_m = (self.network.sensing.position - self._place_m).norm(dim=-1)[..., None]
        memory = torch.where(begun, 0.0, torch.exp(-moved_m / GAP_DISTANCE_M))
        error_db = memory * self._error_db
        variance = memory**2 * self._variance + (1 - memory**2) * prior_db2
        fresh = begun | (state.measured_slots > self._seen_slots)
        heard = state.gain_db > GAIN_FLOOR_DB
        measured_db = torch.where(heard, state.gain_db, twin_db.clamp_max(self.network.recipe.floor_db))
        trust = torch.where(fresh, variance / (variance + FADING_DB**2), 0.0)
        self._error_db = error_db + trust * (measured_db - twin_db - error_db)
        self._variance = (1 - trust) * variance
        self._place_m = self.network.sensing.position.clone()
        self._seen_slots = state.measured_slots.clone()
        self.gain_db, self.std_db = twin_db + self._error_db, self._variance.sqrt()

    def prior(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The twin's gains [dB] and the variances of measured over twin gains [dB^2], [B, U, A] each."""
        network, shape = self.network, self.gain_db.shape
        rows, ue, ap = torch.ones(shape, device=network.device).nonzero(as_tuple=True)
        knowledge = network.twin.predict(network.sensed(rows, ue), ap)
        seen = (knowledge.covered > 0).view(shape)
        gain_db, std_db = (x.view(shape) for x in (knowledge["gain_db"], knowledge.uncertainty("gain_db")))
        variance = torch.where(seen, self.gap_db**2 + std_db.square(), (UNKNOWN_TIMES * self.gap_db) ** 2)
        return torch.where(seen, gain_db, network.recipe.floor_db), variance


class FusedGains(ApPolicy):
    """The APs with the best gain by the twin and by measurements together (`GainTracker`).

    Measured besides are only those that could well be better than the weakest that serve.

    Args:
        hysteresis_db: how much better another AP must be, 0 to 40.
        gap_db: see `GainTracker`.
    """

    def __init__(self, hysteresis_db: float = 2.0, gap_db: float = GAP_DB) -> None:
        check_number("hysteresis_db", hysteresis_db, 0.0, 40.0)
        self.hysteresis_db, self.gap_db = hysteresis_db, gap_db

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Begin to track the gains of these environments."""
        super().attach(network)
        self._tracker = GainTracker(self.network, self.gap_db)

    def value_db(self, observation: Array) -> Array:
        """The expected gain, plus the hysteresis."""
        with computing(self.network.num_envs):
            self._tracker.update()
        return self.mine(self._tracker.gain_db) + self.hysteresis_db * self.of(observation, "serving")

    def probes(self, observation: Array, value_db: Array) -> Array:
        """How near an AP comes to the weakest of the best if it is better than expected by a standard deviation."""
        return promising(self.mine(self._tracker.gain_db), self.mine(self._tracker.std_db), self.cluster_size)


def promising(gain_db: Array, std_db: Array, cluster_size: int) -> Array:
    """By how much each AP would exceed the weakest of the best if it is better than expected by a standard deviation.

    Args:
        gain_db, std_db: expected gains and their standard deviations [N, A].
        cluster_size: how many are the best.
    """
    return gain_db + std_db - np.sort(gain_db, -1)[:, -cluster_size, None]


class TwinPlanner(ChannelPlanner):
    """The planner with the twin for a model: its channels round the places where the UEs are sensed, with the gains of
    `GainTracker`.

    A metre away the twin's channel has other phases, so rates are averaged over places, as uncertain as the positions.
    Precoders are made from the channels half a period of uplink pilots earlier, by the sensed velocity.

    Args:
        exchanges, margin: see `ClusterPlanner`.
        gap_db: see `GainTracker`.
    """

    def __init__(self, exchanges: int = 4, margin: float = 0.0, gap_db: float = GAP_DB) -> None:
        super().__init__(exchanges, margin)
        self.gap_db = gap_db

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Begin to track the gains of these environments."""
        super().attach(network)
        self._tracker = GainTracker(self.network, self.gap_db)
        self._links: GivesLinks = require(self.network.twin, GivesLinks, "the policy TwinPlanner")

    def channels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The twin's channels at several places, and half a period of uplink pilots earlier.

        An AP from which the twin has no path is taken to send the same from every antenna.
        """
        network, sensing = self.network, self.network.sensing
        self._tracker.update()
        device = network.device
        turn = torch.arange(_PLACES, device=device)[:, None] / _PLACES
        angle = 2 * math.pi * turn + _GOLDEN_ANGLE_RAD * torch.arange(network.config.num_ue, device=device)
        ring = torch.stack([angle.cos(), angle.sin()], -1) * sensing.position_std_m[:, None, :, None]
        place = sensing.position[:, None] + ring  # [B, T, U, 2]
        earlier = place - sensing.velocity[:, None] * (0.5 * SRS_PERIOD_SLOTS * network.slot_s)
        return self._expected(place), self._expected(earlier)

    def _expected(self, place_m: torch.Tensor) -> torch.Tensor:
        """The twin's channels to places [B, T, U, 2], with the gains expected of the UEs."""
        network = self.network
        place = network.geometry.ground.place(place_m)
        h = self._links.links(place.flatten(0, 2), network.offset_hz).unflatten(0, place.shape[:3])
        power = torch.view_as_real(h).square().sum(-1).mean((-2, -1))
        h = torch.where((power > 0)[..., None, None], h, 1.0)
        scale = db_to_linear(self._tracker.gain_db)[:, None] / torch.where(power > 0, power, 1.0)
        return h * scale.sqrt()[..., None, None]

    def probes(self, observation: Array, value_db: Array) -> Array:
        """As `FusedGains`."""
        return promising(self.mine(self._tracker.gain_db), self.mine(self._tracker.std_db), self.cluster_size)
