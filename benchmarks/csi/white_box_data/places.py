"""Where users are: how likely each grid point of a site is, and what GNSS fixes tell of it.

A distribution is a weight for each grid point, float32 [points]; only its proportions count.
"""

from __future__ import annotations

import math

import torch

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.motion import RouteKind
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.store.site import Site

SPOT_STD_M = 4.0
"""How far users of a hot spot are from its middle, in each axis."""
AT_SPOTS = 0.8
"""Share of users at hot spots; the others are anywhere on walking routes."""
BANDWIDTHS_M = (1.5, 2.5, 4.0, 6.0, 10.0, 16.0, 25.0)
"""Standard deviations of kernels that fixes may be smoothed with."""


def uniform(site: Site) -> torch.Tensor:
    """All grid points alike: anywhere in the open."""
    return torch.ones(len(site.geometry.point_m), device=site.device)


def walkable(site: Site) -> torch.Tensor:
    """Metres of walking routes about each grid point.

    Raises:
        ConfigurationError: there is no such route.
    """
    routes = site.routes
    vertex = torch.arange(routes.points.shape[1], device=site.device)
    walked = (vertex <= routes.length_m[:, None]) & (routes.kind == RouteKind.WALKING)[:, None]
    cell = site.geometry.cell(routes.points[walked])
    metres = torch.bincount(cell[cell >= 0], minlength=len(site.geometry.point_m)).float()
    if not bool(metres.any()):
        raise ConfigurationError(f"site must have walking routes on its grid; {site.recipe.name!r} has none")
    return metres


def hot_spots(site: Site, cells: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """A few places where most users are, on walking routes.

    Args:
        site: the site.
        cells: grid points that spots may be at, int64 [N]; the weights of all others are zero.
        count: how many spots. How many users each has is drawn, too, from an exponential distribution.
        generator: of what is drawn.

    Raises:
        ConfigurationError: `count` is below 1, or there are fewer walkable points among `cells`.
    """
    check_number("count", count, 1, integer=True)
    walked = walkable(site)[cells]
    if int((walked > 0).sum()) < count:
        raise ConfigurationError(f"cells must have {count} walkable points or more, got {int((walked > 0).sum())}")
    middle = cells[torch.multinomial(walked, count, generator=generator)]
    users = -torch.rand(count, generator=generator, device=cells.device).clamp_min(1e-6).log()
    point = site.geometry.point_m[:, :2]
    near = torch.cdist(point[cells], point[middle]).square().mul(-0.5 / SPOT_STD_M**2).exp()
    at_spots = (users * near / near.sum(0)).sum(1)
    share = AT_SPOTS * at_spots / at_spots.sum() + (1 - AT_SPOTS) * walked / walked.sum()
    return torch.zeros(len(point), device=cells.device).index_copy_(0, cells, share)


def gnss_fixes(site: Site, position_m: torch.Tensor, gnss: Gnss, generator: torch.Generator) -> torch.Tensor:
    """One fix of each user who sees enough of the sky.

    Args:
        site: the site.
        position_m: where the users are [N, 3].
        gnss: their receivers.
        generator: of the errors.

    Returns:
        [M, 2], M <= N.
    """
    where = position_m[:, :2]
    error = gnss.position_std_m * torch.randn(where.shape, generator=generator, device=where.device)
    return (where + error)[site.sky_view.at(where) >= gnss.least_sky_view]


def learnt(fixes_m: torch.Tensor, geometry: Geometry) -> tuple[torch.Tensor, float]:
    """A distribution as fixes tell of it: a Gaussian kernel round each.

    The kernel's width is the one of `BANDWIDTHS_M` with which each fix is likeliest by the others (leave-one-out
    likelihood: Habbema, Hermans and van den Broek, 1974; Duin, IEEE Transactions on Computers, 1976).

    Args:
        fixes_m: [M, 2].
        geometry: of the site.

    Returns:
        The distribution, and the kernel's standard deviation [m].

    Raises:
        ConfigurationError: there are fewer than two fixes, or one is not finite.
    """
    if fixes_m.dim() != 2 or fixes_m.shape[1] != 2 or len(fixes_m) < 2 or not bool(fixes_m.isfinite().all()):
        raise ConfigurationError(f"fixes_m must be two or more finite places [M, 2], got {list(fixes_m.shape)}")
    apart = torch.cdist(fixes_m, fixes_m).square()
    apart.fill_diagonal_(math.inf)
    likely = [
        float((torch.logsumexp(-0.5 * apart / std_m**2, 1) - 2 * math.log(std_m)).double().mean())
        for std_m in BANDWIDTHS_M
    ]
    std_m = BANDWIDTHS_M[likely.index(max(likely))]
    far = torch.cdist(geometry.point_m[:, :2], fixes_m).square()
    return far.mul(-0.5 / std_m**2).exp().sum(1), std_m


def overlap(one: torch.Tensor, other: torch.Tensor, cells: torch.Tensor) -> float:
    """How much two distributions have in common at `cells`: 1 less their total variation distance, 0 to 1."""
    one, other = (each[cells].double() / each[cells].double().sum() for each in (one, other))
    return float(torch.minimum(one, other).sum())
