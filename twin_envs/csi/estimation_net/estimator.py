"""Estimates by paths that lie anywhere, weighed by a network: `twin-net`, and without a twin `paths-net`.

Paths are found in the pilots (`comb`), likelier where they are to be expected (`expected`). Each is then a normal
variable of a power that the network writes, at a place that is known up to an error; to first order that error is
three more waves, the derivatives of the path's own. So the covariance of the channel has a low rank, and the LMMSE
estimate is one small system of equations (Kay, "Fundamentals of statistical signal processing: estimation theory",
1993, chapter 12). What no path accounts for is estimated bin by bin, as with `lmmse`.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.estimation import match_power, refine
from twin_envs.csi.estimation_net.comb import Comb, Found, Waves
from twin_envs.csi.estimation_net.expected import Odds, Places
from twin_envs.csi.estimation_net.network import PathsNetwork
from twin_envs.csi.estimation_net.weights import STORED
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay

PATHS = 16
_STD_STEPS = (0.3, 0.1, 0.15)
"""Error of a place in delay, column and row, before the network has said anything, in steps of the comb."""
_LEAST_NOISE = 1e-9
"""Noise of a pilot over the energy of all, at the least: waves are not more exact than that."""
_TINY = 1e-30


class Seen(NamedTuple):
    """What pilots of N UEs with one spacing show.

    Attributes:
        y: pilots, complex64 [N, F, antennas].
        variance: float32 [N], of a pilot's error.
        noise: the same, where waves are told apart by it.
        found: the paths.
        expected, usual: odds of each path at each delay that it may have, as the twin has them, and besides
            [N, K, spacing].
        before: logarithm of the odds that it is a path [N, K].
        features: what the network looks at [N, K, FEATURES].
        profile: where the rest of the power is to be expected, [N, blocks (taps), antennas (beams)], of any scale.
    """

    y: torch.Tensor
    variance: torch.Tensor
    noise: torch.Tensor
    found: Found
    expected: torch.Tensor
    usual: torch.Tensor
    before: torch.Tensor
    features: torch.Tensor
    profile: torch.Tensor


class NetEstimator(Constant):
    """The estimators `twin-net` and `paths-net`.

    Args:
        grid: sizes of a channel.
        mean_profile: where power lies on average at a site, [blocks (taps), antennas (beams)], of the sum 1.
        network: the network; None for the one that comes with the package.
    """

    def __init__(self, grid: AngleDelayGrid, mean_profile: torch.Tensor, network: PathsNetwork | None = None) -> None:
        self._grid, self._mean_profile = grid, mean_profile
        self._network = _on(mean_profile.device) if network is None else network
        self._combs: dict[int, tuple[Comb, Odds]] = {}

    def __call__(
        self,
        y: torch.Tensor,
        spacing: torch.Tensor,
        noise_to_pilot: torch.Tensor,
        places: Places,
        profile: torch.Tensor,
    ) -> torch.Tensor:
        """Estimates, as `estimation.lmmse` gives them.

        Args:
            y: complex64 [N, blocks, antennas], from `pilots.sound`.
            spacing: int64 [N], the spacing it was sounded with.
            noise_to_pilot: float32 [N], variance of a pilot sample's error.
            places: where the twin expects paths, or `nothing`.
            profile: where what is no path is to be expected, [N, blocks (taps), antennas (beams)], of any scale.

        Returns:
            The estimate's angle-delay picture, complex64 [N, blocks (taps), antennas (beams)].
        """
        result = torch.empty_like(y)
        for choice in spacing.unique().tolist():
            rows = (spacing == choice).nonzero()[:, 0]
            seen = self.see(y[rows, ::choice], choice, noise_to_pilot[rows], places.of(rows), profile[rows])
            result[rows] = self.estimate(seen, choice)
        return result

    def see(self, y: torch.Tensor, spacing: int, noise: torch.Tensor, places: Places, profile: torch.Tensor) -> Seen:
        """What pilots [N, F, antennas] on every `spacing`-th block show."""
        comb, odds = self._comb(spacing, y.device)
        received, samples = squared_magnitude(y).sum((1, 2)), y.shape[1] * y.shape[2]
        pilots, noise = noise, torch.maximum(noise, _LEAST_NOISE * received).clamp_min(_TINY)
        found = comb.find(y, noise, odds.everywhere(places), PATHS)
        expected, usual = odds.at(places, found.delay, found.row, found.column)
        each = (expected + usual).sum(-1)
        log_odds = (each / spacing).log()
        energy = squared_magnitude(found.gain) / noise[:, None]
        log_energy = (1 + energy).log()
        before = energy - log_energy + log_odds - math.log(samples)
        left = (received / noise - energy.sum(1)).clamp_min(1) / samples
        of_report = (
            (received / noise / samples).log() / 5,
            left.log() / 5,
            torch.full_like(noise, math.log(samples) / 5),
            torch.full_like(noise, math.log(spacing) / 2),
            places.weight.sum(1),
            (places.column_std * self._grid.columns).log(),
        )
        rank = torch.arange(PATHS, device=y.device) / PATHS
        of_path = (
            log_energy / 5,
            log_odds / 5,
            expected.sum(-1) / each,
            (log_energy - log_energy.amax(1, keepdim=True)) / 5,
            rank.expand_as(energy),
            _beside(comb.waves(found)),
        )
        features = [*of_path, *(value[:, None].expand_as(energy) for value in of_report)]
        return Seen(y, pilots, noise, found, expected, usual, before, torch.stack(features, -1), profile)

    def estimate(self, seen: Seen, spacing: int) -> torch.Tensor:
        """The estimate's angle-delay picture, from what pilots show."""
        comb, _ = self._comb(spacing, seen.y.device)
        said, waves = self._network(seen.before, seen.features), comb.waves(seen.found)
        power = squared_magnitude(seen.found.gain) * said.power.exp()
        steps = (comb.step[0], comb.step[2], comb.step[1])
        delay, column, row = (
            math.log(std * step * slope) for std, step, slope in zip(_STD_STEPS, steps, waves.slope, strict=True)
        )
        off = torch.cat([0 * power, said.delay_std + delay, said.beam_std + column, said.beam_std + row], 1)
        prior = power.clamp_min(_TINY).repeat(1, 4) * (2 * off).exp()
        weight = _weights(seen, waves, prior)
        likely = seen.usual + seen.expected * said.trust.exp()[..., None]
        share = (likely.log() * said.sure.exp()[..., None]).softmax(-1)
        aliases = comb.aliases(share).repeat(1, 4, 1)
        paths = (waves.everywhere * aliases * weight[..., None]).mT @ waves.beam
        return to_angle_delay(paths, self._grid) + self._rest(seen, spacing, paths[:, ::spacing], said.rest.exp())

    def _rest(self, seen: Seen, spacing: int, paths: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        """LMMSE of what no path accounts for, bin by bin."""
        left = torch.zeros_like(seen.profile, dtype=torch.complex64)
        left[:, ::spacing] = seen.y - paths
        spacings = torch.full((len(left),), spacing, device=left.device)
        with torch.no_grad():
            prior = match_power(seen.profile, left, spacings, seen.variance)
            prior = refine(left, spacings, seen.variance, prior, self._grid)
        folded = prior.unflatten(1, (spacing, -1)).sum(1).repeat(1, spacing, 1)
        gain = prior * spacing / (folded + (spacing * seen.variance / more)[:, None, None]).clamp_min(_TINY)
        return to_angle_delay(left, self._grid) * gain

    def _comb(self, spacing: int, device: torch.device) -> tuple[Comb, Odds]:
        if spacing not in self._combs:
            comb = Comb(self._grid, spacing, device)
            self._combs[spacing] = comb, Odds(comb, self._mean_profile)
        return self._combs[spacing]


def _weights(seen: Seen, waves: Waves, prior: torch.Tensor) -> torch.Tensor:
    """LMMSE of the gain of each wave [N, M], for independent ones of the powers `prior` [N, M] in white noise."""
    delay, beam = waves.delay.to(torch.complex128), waves.beam.to(torch.complex128)
    alike = (delay.conj() @ delay.mT) * (beam.conj() @ beam.mT)
    met = ((delay.conj() @ seen.y.to(torch.complex128)) * beam.conj()).sum(-1)
    amplitude = prior.double().sqrt()
    system = alike * (amplitude[:, :, None] * amplitude[:, None])
    system = system + torch.diag_embed(seen.noise.double()[:, None].expand_as(amplitude))
    return (amplitude * torch.linalg.solve(system, amplitude * met)).to(torch.complex64)


def _beside(waves: Waves) -> torch.Tensor:
    """How like the likest of the paths before it each path is, squared [N, K]."""
    delay, beam = (values[:, :PATHS] for values in (waves.delay, waves.beam))
    alike = squared_magnitude((delay.conj() @ delay.mT) * (beam.conj() @ beam.mT))
    return alike.tril(-1).amax(-1)


@lasting()
def _on(device: torch.device) -> PathsNetwork:
    return copy.deepcopy(STORED.packaged).to(device)
