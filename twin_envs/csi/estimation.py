"""Channel estimates from CSI-RS: least squares, and LMMSE with a prior of where in delay and angle the power lies.

Pilots on every s-th of B blocks, zero elsewhere, transform to an angle-delay picture that repeats every B / s taps:
s times it is, at tap d, the sum of the channel's taps congruent to d modulo B / s, plus noise of s times the variance
of a pilot sample, independent between the B / s distinct taps and between beams. So if the angle-delay bins are
uncorrelated, the LMMSE estimate has a closed form, bin by bin.
"""

from __future__ import annotations

import torch

from twin_envs.base.units import squared_magnitude
from twin_envs.csi.nr.pilots import PILOT_SPACINGS
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay

MEAN_SHARE = 0.3
"""Share of the prior's power that lies where it lies in the mean of the site: for paths that the twin lacks."""
EVEN_SHARE = 0.003
"""And evenly in all bins, for paths such as no link of the twin has."""
_TINY = torch.finfo(torch.float32).tiny


def least_squares(y: torch.Tensor, spacing: torch.Tensor, grid: AngleDelayGrid) -> torch.Tensor:
    """Least-squares estimate, interpolated in delay: all taps outside the comb's unambiguous window are taken as zero.

    The window is blocks / spacing taps long and begins precursor_taps / spacing before the UE's timing.

    Args:
        y: complex64 [N, blocks, antennas], from `pilots.sound`.
        spacing: int64 [N], the spacing it was sounded with.
        grid: the sizes.

    Returns:
        x_ls, the estimate's angle-delay picture, complex64 [N, blocks (taps), antennas (beams)].
    """
    spacing = spacing[:, None]
    tap = torch.arange(grid.blocks, device=y.device)
    inside = (tap + grid.precursor_taps // spacing) % grid.blocks < grid.blocks // spacing
    return to_angle_delay(y, grid) * (inside * spacing)[..., None]


def lmmse(
    y: torch.Tensor, spacing: torch.Tensor, noise_to_pilot: torch.Tensor, profile: torch.Tensor, grid: AngleDelayGrid
) -> torch.Tensor:
    """Linear minimum mean square error estimate for a channel of zero mean with uncorrelated angle-delay bins.

    x_hat[d, b] = p[d, b] / (sum of p[d', b] over d' congruent to d + spacing noise) times the folded sample, which is
    R_hy R_yy^-1 y (Kay, "Fundamentals of statistical signal processing: estimation theory", 1993, chapter 12) for this
    prior, exactly.

    Args:
        y: complex64 [N, blocks, antennas], from `pilots.sound`.
        spacing: int64 [N], the spacing it was sounded with.
        noise_to_pilot: float32 [N], variance of a pilot sample's error.
        profile: float32 [N, blocks (taps), antennas (beams)], expected power of each angle-delay bin.
        grid: the sizes.

    Returns:
        x_hat, the estimate's angle-delay picture, complex64 [N, blocks (taps), antennas (beams)]; zero where profile
        and noise are both zero.
    """
    received = _fold(profile, spacing).add_((spacing * noise_to_pilot)[:, None, None])
    gain = torch.div(profile, received.clamp_min_(_TINY), out=received).mul_(spacing[:, None, None])
    return to_angle_delay(y, grid).mul_(gain)


def match_power(
    profile: torch.Tensor, y: torch.Tensor, spacing: torch.Tensor, noise_to_pilot: torch.Tensor
) -> torch.Tensor:
    """`profile` scaled to the power that the pilots were received with.

    A twin knows where the power lies far better than how much there is, while a UE measures the sum over its pilots
    well. Takes what `lmmse` takes and returns its `profile`. The signal is not taken below the standard deviation that
    noise alone gives to the measurement.
    """
    bins = y.shape[1] * y.shape[2]
    share = spacing / bins
    received = squared_magnitude(y).sum((1, 2)) * share
    signal = torch.maximum(received - noise_to_pilot, noise_to_pilot * share.sqrt())
    return profile * (signal * bins / profile.sum((1, 2)).clamp_min(_TINY))[:, None, None]


def hedge(profile: torch.Tensor, mean_profile: torch.Tensor) -> torch.Tensor:
    """A prior that survives paths which the twin lacks, or has elsewhere.

    Where a prior expects nothing, an LMMSE estimate sees nothing; and with a pilot in every second block, what an even
    floor expects in late taps is what early ones lose.

    Args:
        profile: what the twin expects at a place, [N, blocks (taps), antennas (beams)]; zeros where it expects nothing.
        mean_profile: what a site has on average, [blocks (taps), antennas (beams)], of the sum 1.

    Returns:
        Shares of the power, float32 like `profile`, of the sum 1: `MEAN_SHARE` as in the mean, `EVEN_SHARE` even, the
        rest as the twin expects it; where it expects nothing, that as in the mean, too.
    """
    total = profile.sum((1, 2), keepdim=True)
    twin = torch.where(total > 0, profile / total.clamp_min(_TINY), mean_profile)
    twin.mul_(1.0 - MEAN_SHARE - EVEN_SHARE)
    return twin.add_(MEAN_SHARE * mean_profile + EVEN_SHARE / mean_profile.numel())


def refine(
    y: torch.Tensor, spacing: torch.Tensor, noise_to_pilot: torch.Tensor, profile: torch.Tensor, grid: AngleDelayGrid
) -> torch.Tensor:
    """`profile` after a look at the pilots: in each bin the mean of it and of the power that it makes of them.

    The latter is |x_hat|^2 + posterior variance, a step of expectation maximisation as in sparse Bayesian learning
    (Tipping, Journal of Machine Learning Research, 2001). Takes what `lmmse` takes and returns its `profile`.
    """
    received = _fold(profile, spacing).add_((spacing * noise_to_pilot)[:, None, None]).clamp_min_(_TINY)
    gain = profile / received
    seen = squared_magnitude(to_angle_delay(y, grid).mul_(gain * spacing[:, None, None]))
    return seen.add_(profile).sub_(gain.mul_(profile)).add_(profile).mul_(0.5)


def profile_from_paths(
    delay_s: torch.Tensor,
    psi_col: torch.Tensor,
    psi_row: torch.Tensor,
    power: torch.Tensor,
    delay_std_s: torch.Tensor,
    psi_std: torch.Tensor,
    grid: AngleDelayGrid,
) -> torch.Tensor:
    """Expected power of each angle-delay bin for specular paths of unknown phase.

    A path off the grid leaks into all bins as the squared Dirichlet kernel; where its delay and angle are known with a
    Gaussian error only, it is the mean of that kernel. Paths with a power of zero are padding.

    Args:
        delay_s: [N, P], delay of each path after the UE's timing.
        psi_col: [N, P], growth of its phase from antenna column to column [cycles]; any value, read modulo 1.
        psi_row: [N, P], the same from row to row.
        power: [N, P], path gain, linear.
        delay_std_s: [N, P] or [N, 1], standard deviation of the delay.
        psi_std: [N, P] or [N, 1], standard deviation of `psi_col` and `psi_row` [cycles].
        grid: the sizes.

    Returns:
        float32 [N, blocks (taps), antennas (beams)]; it sums to blocks * antennas * (sum of `power`).
    """
    taps = mean_kernel(delay_s * grid.block_spacing_hz, delay_std_s * grid.block_spacing_hz, grid.blocks)
    rows, columns = mean_kernel(psi_row, psi_std, grid.rows), mean_kernel(psi_col, psi_std, grid.columns)
    beams = (rows[..., :, None] * columns[..., None, :]).flatten(-2)
    return (taps * (power * (grid.blocks * grid.antennas))[..., None]).mT @ beams


def _fold(profile: torch.Tensor, spacing: torch.Tensor) -> torch.Tensor:
    """Sum of `profile` [N, B, A] over the taps that the comb cannot tell apart, at every tap."""
    total = profile.clone()
    for choice in PILOT_SPACINGS[1:]:
        rows = (spacing == choice).nonzero()[:, 0]
        total[rows] = profile[rows].unflatten(1, (choice, -1)).sum(1).repeat(1, choice, 1)
    return total


def mean_kernel(position: torch.Tensor, std: torch.Tensor, size: int) -> torch.Tensor:
    """Mean over a Gaussian error of |DFT of a tone at `position`|^2 / size, [N, P, size]; it sums to 1 over the bins.

    Args:
        position: [N, P], frequency of the tone in cycles per element.
        std: [N, P] or [N, 1], of `position`.
        size: number of elements and bins.

    The squared Dirichlet kernel is the Fourier series of a triangle, whose m-th term a Gaussian error damps by
    exp(-2 (pi m std)^2).
    """
    order = torch.arange(1, size, device=position.device, dtype=position.dtype)
    weight = (2.0 / size) * (1.0 - order / size) * torch.exp(-2.0 * (torch.pi * order * std[..., None]) ** 2)
    tone = 2.0 * torch.pi * order * position[..., None]
    bins = 2.0 * torch.pi / size * torch.outer(order, torch.arange(size, device=order.device, dtype=order.dtype))
    series = (weight * tone.cos()) @ bins.cos() + (weight * tone.sin()) @ bins.sin()
    return (series + 1.0 / size).clamp_min_(0.0)
