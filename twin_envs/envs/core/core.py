"""The core of every decision: the clock, random numbers by time, coverage, sensing and link adaptation.

Privileged: a core lives in reality. What leaves it is `network`, the network's view, and what came of a decision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from twin_envs.base.errors import check_number
from twin_envs.base.state import TensorState
from twin_envs.base.streams import Streams
from twin_envs.base.units import slot_duration_s
from twin_envs.csi.link import Delivery
from twin_envs.csi.nr.tdd import TddPattern
from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.links import make_link
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.envs.reality.population import Population
from twin_envs.envs.reality.sensing import make_sensing
from twin_envs.envs.reality.twin_error import Commissioning
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.twin.registry import channel_twins
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.mobilities import mobilities
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.store.site import load_site

MOST_ENVIRONMENTS = 65_536
_DRAWS_BEFORE = 64
"""Draws of a stream that are kept for the beginning of an episode."""


class Core(ABC):
    """B episodes with U UEs each on one device.

    A core of one's own says in `network` what the network knows, in `reset` how an episode begins and in a method of
    its choice what comes of a decision.

    Args:
        config: the options, an `EnvironmentConfig`.
        num_envs: B, 1 to 65,536.
        device: where everything is computed.
        gnss: quality of the UEs' receivers; None for a phone's.

    Attributes:
        config: the options.
        num_envs, device: B, and where everything is computed.
        site: where the episodes take place.
        recipe: how the site was described, with the link budget of the options.
        motion: true trajectories.
        slot_s: duration of a slot.
        noise: thermal noise over an AP's transmit power, both per resource element, linear.
        carrier_blocks: resource blocks of the carrier.
        episode_hz_s: an episode's time times the bandwidth: what bits are divided by where all of it can carry data.
        streams: random numbers.
        sensing: what follows the UEs.
        link: from SINR to bits.
        tdd: which slots go down and up.
        network: the network's view; that of the task has besides what is seen and chosen.

    Raises:
        ConfigurationError: an option does not fit the site.
        SiteError: the site is missing or damaged.
    """

    draws_per_slot: ClassVar[int]
    """Numbers that random draws within a slot have, from 0 on: what is drawn for one thing must not reach the next."""
    config: EnvironmentConfig
    network: NetworkView

    def __init__(
        self, config: EnvironmentConfig, num_envs: int, device: torch.device, gnss: Gnss | None = None
    ) -> None:
        check_number("num_envs", num_envs, 1, MOST_ENVIRONMENTS, integer=True)
        self.config, self.num_envs, self.device = config, num_envs, device
        self.site = site = load_site(config.site, device)
        self.recipe = recipe = config.budget(site.recipe)
        self.slot_s = slot_duration_s(recipe.subcarrier_spacing_hz)
        self.noise = noise_to_power(recipe)
        self.carrier_blocks = recipe.carrier_blocks
        self.episode_hz_s = config.episode_slots * self.slot_s * recipe.bandwidth_hz
        self.streams = Streams(num_envs, device)
        self.motion = mobilities.get(config.mobility)(site.routes, num_envs, config.num_ue)
        self.sensing = make_sensing(site, config.world, config.sensors, gnss or Gnss(), num_envs, config.num_ue, device)
        self.link = make_link(config, device)
        self.tdd = TddPattern(config.tdd_pattern, device)

    def view_fields(self) -> dict[str, Any]:
        """What every view of the network has: arguments of `NetworkView` but the state."""
        return {
            "config": self.config,
            "num_envs": self.num_envs,
            "device": self.device,
            "recipe": self.recipe,
            "geometry": self.site.geometry,
            "slot_s": self.slot_s,
            "noise": self.noise,
            "link": self.link,
            "tdd": self.tdd,
            "sensing": self.sensing.estimates,
        }

    @abstractmethod
    def reset(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Begin new episodes in environments `rows` [N], with the random streams `keys` [N]."""

    def states(self) -> Iterator[TensorState]:
        """All that tells one environment from another; what a core holds besides comes on top."""
        yield self.streams.state
        yield self.motion.state
        yield self.sensing.state
        yield self.sensing.estimates
        yield self.network.state

    def imitate(self, rows: torch.Tensor, other: Core, others: torch.Tensor) -> None:
        """Let environments `rows` [N] go on as environments `others` [N] of `other`, a core with the same options.

        With the same decisions the same will happen in them, noise included: what an oracle needs to look ahead.
        """
        for mine, theirs in zip(self.states(), other.states(), strict=True):
            mine.imitate(rows, theirs, others)
        self.network.episode[rows] += 1

    def channel_twin(self, world: str, places: int) -> ChannelTwin:
        """What the option `channel_twin` names, of the twin world `world`, knowing what `places` measured places tell.

        It is made once for each site.

        Raises:
            ConfigurationError: there is no such channel twin, or no such twin world, or the twin learns its knowledge,
                and there are too few places.
        """
        make = channel_twins.get(self.config.channel_twin)
        return Commissioning(make=make, measured=self.config.world, places=places).knowing(
            self.site, world, self.device
        )

    def populate_cells(self, atlas: Atlas, array_gain: float = 1.0) -> None:
        """Let UEs begin where an AP is heard above the noise with `array_gain`, within 3 dB of the best one."""
        gain = self.gain_on_routes(atlas)
        self.populate((gain * array_gain > self.noise) & (gain > 0.5 * gain.amax(0)))

    def populate(self, serves: torch.Tensor) -> None:
        """Let UEs begin where `serves` says which AP serves which route vertex, bool [A, R, V]."""
        horizon_s = self.config.episode_slots * self.slot_s
        self.population = Population(self.site.routes, serves, self.config.population, horizon_s)

    def gain_on_routes(self, atlas: Atlas) -> torch.Tensor:
        """Path gain of an antenna of every AP at every route vertex, float32 [A, R, V]; 0 where there is none."""
        cell = atlas.geometry.cell(self.site.routes.points)
        return torch.where(cell >= 0, atlas.gain[:, cell.clamp_min(0)], 0.0)

    def begin(self, rows: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Start streams and trajectories in environments `rows` [N] by `keys` [N]; returns the AP drawn, int64 [N]."""
        self.streams.seed(rows, keys)
        self.network.state.clear(rows)
        self.network.episode[rows] += 1
        return self.population.start(rows, self.motion, self.streams)

    def first_fix(self, rows: torch.Tensor) -> torch.Tensor:
        """Let sensing begin in environments `rows` [N]; returns the true positions at time 0, [N, U, 3]."""
        position, velocity = self.motion.at(rows, torch.zeros(len(rows), device=self.device))
        self.sensing.start(rows, position[..., :2], velocity[..., :2], self.streams)
        return position

    def move(
        self, rows: torch.Tensor, elapsed_slots: torch.Tensor, position: torch.Tensor, velocity: torch.Tensor
    ) -> None:
        """Let sensing follow UEs of environments `rows` [N] that are at `position` [N, U, 3] `elapsed_slots` [N] on."""
        elapsed_s = elapsed_slots * self.slot_s
        self.sensing.advance(rows, elapsed_s, position[..., :2], velocity[..., :2], self.streams)

    def seek(self, rows: torch.Tensor, slots: torch.Tensor, draw: int | torch.Tensor) -> None:
        """Let random numbers depend on the time, not on how many were drawn: equal decisions meet equal noise.

        Args:
            rows: environments [N].
            slots: time, int64 [N].
            draw: what for, from 0 to `draws_per_slot` - 1; one for all, or int64 [N].
        """
        self.streams.seek(rows, _DRAWS_BEFORE + slots * self.draws_per_slot + draw)

    def send(
        self,
        expected_sinr: torch.Tensor,
        sinr: torch.Tensor,
        offset_db: torch.Tensor,
        uniform: torch.Tensor,
        blocks: torch.Tensor,
    ) -> tuple[Delivery, torch.Tensor]:
        """Link adaptation once: the MCS by what is expected and the outer loop, what it delivers, what the loop learns.

        Args:
            expected_sinr: SINR that the network expects, linear, float32 [..., F].
            sinr: SINR that is, of the same shape.
            offset_db: of the outer loop, float32 [...].
            uniform: random numbers that decide which transport blocks are lost, [..., K].
            blocks: transport blocks since the evaluation before, broadcasts against [...].

        Returns:
            what was delivered, and the outer loop's offset afterwards, float32 [...].
        """
        mcs = self.link.choose_mcs(expected_sinr, offset_db)
        sent = self.link.deliver(mcs, sinr, uniform)
        return sent, self.link.outer_loop(offset_db, sent.acknowledged, blocks)
