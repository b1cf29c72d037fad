"""What a twin expects of the Doppler shifts of the paths that a report has."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.csi.path_pursuit import BlockDictionary
from twin_envs.csi.prediction.protocol import Report, Setting
from twin_envs.csi.prediction.spectrum import CLARKE_STD, Lines, sensed_speed
from twin_envs.twin.protocol import ArrivingPaths, ExpectsArrivals

_PLACES = 12
_GOLDEN_RAD = 2.399963
_DELAY_STD_TAPS = 0.3
"""And so far in delay, from where the twin has it."""
_BEAM_STD = 0.5
"""Of a beam's width, the inverse of the number of rows or columns: so far off may a path be found."""
_ARRIVAL_STD = 0.03
"""How far, in radians or so, the twin is wrong in how a path arrives."""
_KNOWN_SHARE, _HELD_SHARE = 0.9, 0.03
"""At most so much of a path is as the twin says; so much never turns against the strongest paths."""
_LEAST_POWER = 1e-4
"""Of all the twin's power: where the twin has so much round a path, half of that share is as it says."""
_NARROW = 0.35
"""How wide the Doppler spectrum of half of what is unknown is against Clarke's, round the mean of all paths."""
_LINES = 12
LINES = _LINES + 3
_TINY = 1e-30


class ExpectedLines(Constant):
    """Doppler spectra of found paths, from the paths that a twin has in about their delay and beam.

    The twin's paths are those at `_PLACES` positions that stand for the normal distribution of the true one. They are
    merged into `_LINES` normal spectra, by intervals of their Doppler shift, mean and variance kept. What the twin does
    not know is taken to come from all sides, or from about where the strongest paths come from.

    Args:
        setting: where it is; the twin must have `ExpectsArrivals`.
        dictionary: of the paths that are found.
    """

    def __init__(self, setting: Setting, dictionary: BlockDictionary) -> None:
        self._twin: ExpectsArrivals = setting.twin
        self._setting, self._dictionary = setting, dictionary
        number = torch.arange(_PLACES, device=setting.device) + 0.5
        radius, angle = (-2 * torch.log(1 - number / _PLACES)).sqrt(), number * _GOLDEN_RAD
        self._offset = torch.stack([radius * angle.cos(), radius * angle.sin(), torch.zeros_like(angle)], -1)

    def __call__(self, report: Report, index: torch.Tensor, power: torch.Tensor) -> tuple[Lines, torch.Tensor]:
        """The spectra of paths `index` [N, K] of `power` [N, K], and the mean Doppler shift of each UE [N]."""
        sensed, wavelength_m = report.sensed, self._setting.wavelength_m
        place = report.position_m[:, None] + self._offset * sensed.position_std_m[:, None, None]
        paths = self._twin.arriving_paths(place.flatten(0, 1), report.ap.repeat_interleave(_PLACES))
        across = paths.arrival[..., :2]
        velocity = sensed.velocity_m_s.repeat_interleave(_PLACES, 0)
        mean_hz = self._of_ue((across @ velocity[..., None])[..., 0] / -wavelength_m)
        speed = sensed_speed(sensed)
        wrong_m_s = self._of_ue(across.square().sum(-1)) * sensed.velocity_std_m_s.square()[:, None]
        variance = (wrong_m_s + (_ARRIVAL_STD * speed).square()[:, None]) / wavelength_m**2

        near = self._near(paths, index)
        total = near.sum(-1)
        known = total / self._of_ue(paths.power).sum(-1, keepdim=True).clamp_min(_TINY)
        known = _KNOWN_SHARE * known / (known + _LEAST_POWER)
        near = near * (known / total.clamp_min(_TINY))[..., None]
        largest_hz = speed / wavelength_m
        merged = _merged(near, mean_hz, variance, largest_hz)
        expected = power * known
        first = (merged.share * merged.mean_hz).sum(-1) / known.clamp_min(_TINY)
        whole_hz = (expected * first).sum(1) / expected.sum(1).clamp_min(_TINY)
        return _completed(merged, 1 - known - _HELD_SHARE, whole_hz, CLARKE_STD * largest_hz), whole_hz

    @staticmethod
    def _of_ue(values: torch.Tensor) -> torch.Tensor:
        """Values [N x places, P] of all places of a UE in one row [N, places x P]."""
        return values.unflatten(0, (-1, _PLACES)).flatten(1)

    def _near(self, paths: ArrivingPaths, index: torch.Tensor) -> torch.Tensor:
        """Power of the twin's paths as found paths `index` [N, K] have them near, float32 [N, K, places x P]."""
        grid, dictionary = self._setting.grid, self._dictionary
        delay, row, column = (each[..., None] for each in dictionary.places(index))
        delay_apart = delay - self._of_ue(paths.delay_s * grid.bandwidth_hz)[:, None]
        apart = _apart(delay_apart, dictionary.period_taps) / _DELAY_STD_TAPS
        far = apart.square()
        for found, expected, size in ((row, paths.row_cycles, grid.rows), (column, paths.column_cycles, grid.columns)):
            if size > 1:
                far = far + (_apart(found - self._of_ue(expected)[:, None], 1.0) * (size / _BEAM_STD)).square()
        return torch.exp(-0.5 * far) * self._of_ue(paths.power)[:, None]


def _apart(difference: torch.Tensor, period: float) -> torch.Tensor:
    """Differences modulo `period`, between half of it to either side."""
    return torch.remainder(difference + period / 2, period) - period / 2


def _merged(share: torch.Tensor, mean_hz: torch.Tensor, variance: torch.Tensor, largest_hz: torch.Tensor) -> Lines:
    """Lines of `share` [N, K, J] at `mean_hz` [N, J], merged into `_LINES` by intervals of -+ `largest_hz` [N]."""
    place = ((mean_hz / largest_hz[:, None] + 1) * (_LINES / 2)).long().clamp(0, _LINES - 1)
    into = torch.nn.functional.one_hot(place, _LINES).to(share.dtype)  # [N, J, lines]
    moments = [share @ (into * weight[..., None]) for weight in (mean_hz, variance + mean_hz.square())]
    total = share @ into
    mean, second = (moment / total.clamp_min(_TINY) for moment in moments)
    return Lines(total, mean, (second - mean.square()).clamp_min(0).sqrt())


def _completed(known: Lines, unknown: torch.Tensor, mean_hz: torch.Tensor, std_hz: torch.Tensor) -> Lines:
    """The lines, and three of what the twin does not know, of the share `unknown` [N, K], for a UE's `std_hz` [N]."""
    std_hz, mean_hz = std_hz[:, None, None].expand(*unknown.shape, 1), mean_hz[:, None, None].expand(*unknown.shape, 1)
    half = 0.5 * unknown[..., None]
    return Lines(
        torch.cat([known.share, half, half, torch.full_like(half, _HELD_SHARE)], -1),
        torch.cat([known.mean_hz, torch.zeros_like(mean_hz), mean_hz, mean_hz], -1),
        torch.cat([known.std_hz, std_hz, _NARROW * std_hz, torch.zeros_like(std_hz)], -1),
    )
