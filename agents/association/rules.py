"""Rules for who serves a UE, without the twin: `ApAssociation` and `ApSelection`."""

from __future__ import annotations

from abc import abstractmethod

import gymnasium
import numpy as np
import torch

from twin_envs.agents.core.episodes import NewEpisodes
from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.base.errors import check_number
from twin_envs.envs.association.view import association_view
from twin_envs.envs.core.network_view import NetworkView

NOT_HEARD_DB = -139.5
"""Measured gains below say that nothing was heard."""
_LOWEST_DB, _SPAN_DB = -200.0, 200.0


class ApPolicy(ViewPolicy):
    """Values the APs for the UE whose turn it is; the most valuable ones with room serve it.

    A subclass says what the APs are worth, in dB, and which it wants measured besides.
    """

    def attach(self, network: NetworkView) -> None:
        """Decide in these environments. Raises `ConfigurationError` if they are not about access points."""
        self.network, self.layout = association_view(network), network.layout
        config = self.network.config
        self.cluster_size, self.probed_aps = config.cluster_size, config.probed_aps
        self.ap_m = self.network.ap_position_m[:, :2].cpu().numpy()
        self._names_one = isinstance(network.action_space, gymnasium.spaces.Discrete)
        self._all = np.arange(network.num_envs)

    @abstractmethod
    def value_db(self, observation: Array) -> Array:
        """What the APs are worth to the UE, [N, A], from -200 to 0."""

    def probes(self, observation: Array, value_db: Array) -> Array:
        """How much each AP is worth measuring, [N, A]; not at all where it is 0 or less."""
        return np.zeros(value_db.shape)

    def act(self, observation: Array) -> Array:
        """The most valuable AP [N], or scores [N, A] of those that serve and those that are measured."""
        serving = self.of(observation, "serving") > 0.5
        free = serving | (self.of(observation, "load") < 0.999)
        value_db = self.value_db(observation)
        open_db = np.where(free, np.clip(value_db, _LOWEST_DB + 1e-3, 0.0), _LOWEST_DB)
        if self._names_one:
            return open_db.argmax(-1)
        scores = np.full(value_db.shape, -1.0, np.float32)
        best = np.argsort(-open_db, axis=-1, kind="stable")[:, : self.cluster_size]
        # Whoever is to serve scores above one half, by value; whoever is to be measured below.
        chosen = np.take_along_axis(open_db, best, -1)
        np.put_along_axis(scores, best, 0.5 + 0.5 * (chosen - _LOWEST_DB) / _SPAN_DB, -1)
        wanted = np.where(scores > 0, 0.0, self.probes(observation, value_db))
        most = np.argsort(-wanted, axis=-1, kind="stable")[:, : self.probed_aps]
        worth = np.take_along_axis(wanted, most, -1)
        order = np.linspace(0.5, 0.25, self.probed_aps, endpoint=False)
        np.put_along_axis(scores, most, np.where(worth > 0, order, np.take_along_axis(scores, most, -1)), -1)
        return scores

    def of(self, observation: Array, name: str) -> Array:
        """The field `name` of the observations in its unit, [N, A] for a field of the APs."""
        return self.layout.value(observation, name)

    def oldest(self, observation: Array) -> Array:
        """Probes in turn: the gain that was measured longest ago first."""
        return 1.0 + self.of(observation, "measured_age")

    def who(self) -> tuple[Array, Array]:
        """Environment and UE that each observation is about."""
        return self._all, self.network.state.turn.cpu().numpy()

    def mine(self, value: torch.Tensor) -> Array:
        """What [B, U, ...] says of the UEs whose turn it is, [B, ...]."""
        return value.cpu().numpy()[self.who()]


class RememberingApPolicy(ApPolicy):
    """Remembers something of each UE, from its first decision about it in an episode on."""

    def attach(self, network: NetworkView) -> None:
        """Begin with nothing remembered."""
        super().attach(network)
        self._episodes = NewEpisodes(network)
        self._met = np.zeros((network.num_envs, network.config.num_ue), bool)

    def first_met(self) -> Array:
        """In which environments this is the first decision of the episode about the UE whose turn it is, bool [N]."""
        rows = torch.arange(self.network.num_envs, device=self.network.device)
        self._met[self._episodes.begun(rows).cpu().numpy()] = False
        first = ~self._met[self.who()]
        self._met[self.who()] = True
        return first


class NearestAps(ApPolicy):
    """The APs nearest to where the UE is sensed."""

    def value_db(self, observation: Array) -> Array:
        """Less by 1 dB for every 5 m."""
        return -self.of(observation, "distance") / 5.0


class KeptAps(RememberingApPolicy, NearestAps):
    """The APs nearest to where the UE was sensed at its first turn, for the whole episode."""

    def attach(self, network: NetworkView) -> None:
        """Begin with no AP kept."""
        super().attach(network)
        self._kept = np.zeros((network.num_envs, network.config.num_ue, len(self.ap_m)))

    def value_db(self, observation: Array) -> Array:
        """What the nearest were worth then."""
        env, ue = self.who()
        now = super().value_db(observation)
        self._kept[env, ue] = np.where(self.first_met()[:, None], now, self._kept[env, ue])
        return self._kept[env, ue]


class FixedNeighbourhood(ApPolicy):
    """An AP and its neighbours serve everybody, as far as they have room; then those that follow.

    Args:
        ap: the AP.
    """

    def __init__(self, ap: int) -> None:
        self.ap = ap

    def attach(self, network: NetworkView) -> None:
        """Serve with an AP of these environments. Raises `ConfigurationError` if there is no such AP."""
        super().attach(network)
        check_number("ap", self.ap, 0, len(self.ap_m) - 1, integer=True)

    def value_db(self, observation: Array) -> Array:
        """By distance from the AP."""
        distance_m = np.linalg.norm(self.ap_m - self.ap_m[self.ap], axis=-1)
        return np.broadcast_to(-distance_m / 5.0, (len(observation), len(distance_m)))


class PathLossRule(ApPolicy):
    """The APs with the best gain by a log-distance law, fitted by least squares to the gains that all UEs measured.

    The law knows the distance alone, so these are the nearest APs.
    """

    def value_db(self, observation: Array) -> Array:
        """Gain by the law, fitted anew in each environment at every step."""
        state = self.network.state
        gain_db = state.gain_db.cpu().numpy().astype(float)
        away = self.network.sensing.position.cpu().numpy()[:, :, None] - self.ap_m
        decades = np.log10(np.maximum(np.linalg.norm(away, axis=-1), 1.0))
        weight = (gain_db > NOT_HEARD_DB) / np.maximum((gain_db > NOT_HEARD_DB).sum((1, 2), keepdims=True), 1)
        mean_x, mean_y = ((weight * x).sum((1, 2), keepdims=True) for x in (decades, gain_db))
        spread = (weight * (decades - mean_x) ** 2).sum((1, 2))
        slope_db = (weight * (decades - mean_x) * (gain_db - mean_y)).sum((1, 2)) / np.maximum(spread, 1e-9)
        here = np.log10(np.maximum(self.of(observation, "distance"), 1.0))
        return mean_y[:, 0] + slope_db[:, None] * (here - mean_x[:, 0])


class StrongestMeasured(ApPolicy):
    """The APs with the best gain measured; one that serves is kept until another is better by the hysteresis.

    Those that do not serve are measured in turn.

    Args:
        hysteresis_db: 0 to 40.
    """

    def __init__(self, hysteresis_db: float) -> None:
        check_number("hysteresis_db", hysteresis_db, 0.0, 40.0)
        self.hysteresis_db = hysteresis_db

    def value_db(self, observation: Array) -> Array:
        """The measured gain, plus the hysteresis."""
        return self.of(observation, "measured_gain") + self.hysteresis_db * self.of(observation, "serving")

    def probes(self, observation: Array, value_db: Array) -> Array:
        """In turn."""
        return self.oldest(observation)


class EventTrigger(RememberingApPolicy):
    """The APs with the best gain measured, chosen anew only when the serving ones' sum has fallen since.

    Args:
        drop_db: by how much it must have fallen, 0 to 40.
    """

    def __init__(self, drop_db: float) -> None:
        check_number("drop_db", drop_db, 0.0, 40.0)
        self.drop_db = drop_db

    def attach(self, network: NetworkView) -> None:
        """Begin with no gain to fall from."""
        super().attach(network)
        self._then_db = np.zeros((network.num_envs, network.config.num_ue))

    def value_db(self, observation: Array) -> Array:
        """The measured gain; far more for those that serve, as long as nothing has happened."""
        env, ue = self.who()
        gain_db, serving = self.of(observation, "measured_gain"), self.of(observation, "serving")
        now_db = 10 * np.log10((10 ** (gain_db / 10) * serving).sum(-1) + 1e-20)
        chosen_db = np.sort(gain_db, -1)[:, -self.cluster_size :]
        best_db = 10 * np.log10((10 ** (chosen_db / 10)).sum(-1))
        event = self.first_met() | (now_db < self._then_db[env, ue] - self.drop_db)
        self._then_db[env, ue] = np.where(event, best_db, self._then_db[env, ue])
        return gain_db + np.where(event[:, None], 0.0, 100.0 * serving)

    def probes(self, observation: Array, value_db: Array) -> Array:
        """In turn."""
        return self.oldest(observation)
