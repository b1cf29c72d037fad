"""The world in which cells live. Privileged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.base.state import TensorState, tensor
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, THERMAL_NOISE_DBM_HZ
from twin_envs.csi.nr.dmrs import doppler_factors, effective_channel
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.motion import Motion
from twin_envs.world.recipe import SiteRecipe

_CHUNK = 4096
"""Links computed at once, which bounds what they need for a moment. Smaller pieces would stay in a processor's cache,
but the overhead of their many operations costs more."""


def noise_to_power(recipe: SiteRecipe) -> float:
    """Thermal noise over an AP's transmit power, both per resource element; linear."""
    power_dbm = recipe.transmit_power_dbm - 10 * math.log10(recipe.carrier_blocks * SUBCARRIERS_PER_BLOCK)
    noise_dbm = THERMAL_NOISE_DBM_HZ + 10 * math.log10(recipe.subcarrier_spacing_hz)
    return 10 ** ((noise_dbm + recipe.noise_figure_db - power_dbm) / 10)


@dataclass(kw_only=True)
class Serving(TensorState):
    """Which AP serves the UEs of each of B cells, int64 [B]."""

    ap: torch.Tensor = tensor("env", dtype=torch.int64)


class Reality:
    """True positions and channels of B cells with U UEs each.

    Channels are whitened: divided by the amplitude by which interference raises the UE's noise. So the noise over the
    transmit power is the same number for all UEs, `noise`.

    Args:
        atlas: of the world in which the cells live.
        motion: true trajectories; time 0 is the episode's start.
        recipe: the site.
        neighbour_load: share of the time in which each other AP transmits.
        frequency_tracking: whether UEs follow the mean frequency that they receive.

    Attributes:
        state: which AP serves.
    """

    def __init__(
        self, atlas: Atlas, motion: Motion, recipe: SiteRecipe, neighbour_load: float, frequency_tracking: bool = True
    ) -> None:
        self.atlas, self.motion, self._tracking = atlas, motion, frequency_tracking
        self.noise = noise_to_power(recipe)
        self._wavelength_m = recipe.wavelength_m
        self.state = Serving.create(len(motion.state.kind), atlas.device)
        interference = (atlas.gain.sum(0) - atlas.gain) * neighbour_load
        self._whitening = (self.noise / (self.noise + interference)).sqrt()

    def position(self, rows: torch.Tensor, time_s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """True positions and velocities [N, U, 3] in environments `rows` [N] at `time_s` [N]."""
        return self.motion.at(rows, time_s)

    def channel(
        self, rows: torch.Tensor, position_m: torch.Tensor, offset_hz: torch.Tensor, *, synchronised: bool = False
    ) -> torch.Tensor:
        """Whitened channels of K UEs in each of N environments.

        Args:
            rows: environments, int64 [N].
            position_m: true positions [N, K, 3].
            offset_hz: baseband frequencies [F].
            synchronised: delays relative to the first path, as a UE's receiver takes them.

        Returns:
            complex64 [N, K, F, antennas].
        """
        shape = position_m.shape[:2]
        ap = self.state.ap[rows][:, None].expand(shape).flatten()
        parts = []
        for position, link_ap in zip(position_m.flatten(0, 1).split(_CHUNK), ap.split(_CHUNK), strict=True):
            paths = self.atlas.paths(position, link_ap)
            h = self.atlas.channel(paths, offset_hz, paths.first_m if synchronised else None)
            parts.append(h.mul_(self.whitening(link_ap, position)[:, None, None]))
        return _join(parts).unflatten(0, shape)

    def served(
        self, rows: torch.Tensor, time_s: torch.Tensor, offset_hz: torch.Tensor, w: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the UEs of N cells meet, and how what each is sent changes with time.

        Args:
            rows: environments, int64 [N].
            time_s: times [N].
            offset_hz: baseband frequencies [F].
            w: precoders, complex64 [N, F, antennas, U].

        Returns:
            Whitened channels, complex64 [N, U, F, antennas], and of each UE's effective channel under its own column of
            `w` the value and the first two derivatives by time (see `doppler_factors`), complex64 [N, U, F, 3].
        """
        position, velocity = self.motion.at(rows, time_s)
        shape = position.shape[:2]
        ap = self.state.ap[rows][:, None].expand(shape).flatten()
        own = w.permute(0, 3, 1, 2).flatten(0, 1)  # [N U, F, antennas]
        links = (position.flatten(0, 1), velocity.flatten(0, 1), ap, own)
        channels, moving = [], []
        for at, speed, link_ap, beam in zip(*(values.split(_CHUNK) for values in links), strict=True):
            paths = self.atlas.paths(at, link_ap)
            waves, steering = self.atlas.waves(paths, offset_hz)
            factors = doppler_factors(paths.arrival, paths.power, speed, self._wavelength_m, self._tracking)
            waves.mul_(self.whitening(link_ap, at)[:, None, None])
            channels.append(waves @ steering)
            moving.append(effective_channel(waves, steering, beam, factors))
        return _join(channels).unflatten(0, shape), _join(moving).unflatten(0, shape)

    def whitening(self, ap: torch.Tensor, position_m: torch.Tensor) -> torch.Tensor:
        """By what the channels from APs `ap` [N] to UEs at `position_m` [N, 3] are scaled, float32 [N]."""
        cell = self.atlas.geometry.cell(position_m)
        return torch.where(cell >= 0, self._whitening[ap, cell], 1.0)

    def gain(self, rows: torch.Tensor, position_m: torch.Tensor) -> torch.Tensor:
        """Path gain of an antenna, not whitened, of one UE at `position_m` [N, 3] in each environment, float32 [N]."""
        cell = self.atlas.geometry.cell(position_m)
        return torch.where(cell >= 0, self.atlas.gain[self.state.ap[rows], cell], 0.0)


def _join(parts: list[torch.Tensor]) -> torch.Tensor:
    """The parts one after the other; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
