"""Links of a world, and the pilots that UEs hear there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.base.settings import lasting
from twin_envs.base.streams import Streams
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid, mean_profile
from twin_envs.csi.estimation import hedge
from twin_envs.csi.estimation_net.estimator import NetEstimator, Seen
from twin_envs.csi.estimation_net.expected import nothing, told
from twin_envs.csi.estimation_net.network import PathsNetwork
from twin_envs.csi.expected_profile import expected_profile
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.twin.protocol import ExpectsPaths, require
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import Site

WORLD = "twin"
"""What is asked."""
STD_M = (0.6, 12.0)
"""Of sensed positions along each axis, from one to the other, by the logarithm."""
LOST = 1 / 6
"""Share of UEs for which the twin is asked about the place of another."""


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Pilots that N UEs heard with one spacing and one SNR.

    Attributes:
        spacing: resource blocks from one pilot to the next.
        seen: what they show, with a twin or without.
        x: angle-delay pictures of the channels, complex64 [N, blocks (taps), antennas (beams)], of a mean power of 1.
    """

    spacing: int
    seen: Seen
    x: torch.Tensor

    def of(self, rows: torch.Tensor) -> Reports:
        """Some of them."""
        found = type(self.seen.found)(*(values[rows] for values in self.seen.found))
        rest = {name: values[rows] for name, values in self.seen._asdict().items() if name != "found"}
        return Reports(spacing=self.spacing, seen=Seen(found=found, **rest), x=self.x[rows])


class Bench:
    """What draws reports at a site.

    Args:
        site: the site.
    """

    def __init__(self, site: Site) -> None:
        self._site, self.grid = site, angle_delay_grid(site)
        twin = channel_twins.get("traced")(site, WORLD, site.device)
        self._twin: ExpectsPaths = require(twin, ExpectsPaths, "the study")
        self._mean = mean_profile(site, WORLD)

    def estimator(self, network: PathsNetwork) -> NetEstimator:
        """The estimator of the site with a network."""
        return NetEstimator(self.grid, self._mean, network)

    @lasting()
    def draw(
        self,
        sampler: ChannelSampler,
        estimator: NetEstimator,
        *,
        count: int,
        spacing: int,
        snr_db: float,
        asks: bool,
        std_m: tuple[float, float] = STD_M,
        lost: float = LOST,
        generator: torch.Generator,
    ) -> Reports:
        """Reports of `count` links of a world.

        Args:
            sampler: draws links.
            estimator: looks at pilots.
            count: how many.
            spacing: resource blocks from one pilot to the next.
            snr_db: of a pilot sample.
            asks: whether the twin is asked.
            std_m: range of the standard deviation of sensed positions.
            lost: share of UEs for which it is asked about the place of another.
            generator: of all that is drawn.
        """
        links = sampler.links(count, generator)
        device, rows = links.h.device, torch.arange(count, device=links.h.device)

        def uniform() -> torch.Tensor:
            return torch.rand(count, generator=generator, device=device)

        h = links.h / links.h.abs().square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-30)
        x = to_angle_delay(h, self.grid)
        low, high = (math.log(std) for std in std_m)
        position_std_m = (low + (high - low) * uniform()).exp()
        wrong_m = position_std_m[:, None] * torch.randn(count, 2, generator=generator, device=device)
        sensed_m = links.position_m + torch.nn.functional.pad(wrong_m, (0, 1))
        asked = torch.where(uniform() < lost, rows.roll(1), rows)
        streams = Streams(count, device)
        streams.seed(rows, rows + int(torch.randint(2**31, (), generator=generator, device=device)))
        noise = torch.full((count,), 10 ** (-snr_db / 10), device=device)
        y = sound(h, noise, torch.full_like(rows, spacing), streams, rows)
        if asks:
            paths = self._twin.expected_paths(sensed_m[asked], links.ap[asked])
            places = told(paths, position_std_m[asked], self.grid)
            profile = expected_profile(paths, position_std_m[asked], self.grid)
        else:
            places, profile = nothing(count, device), torch.zeros(x.shape, device=device)
        seen = estimator.see(y[:, ::spacing], spacing, noise, places, hedge(profile, self._mean))
        return Reports(spacing=spacing, seen=seen, x=x)
