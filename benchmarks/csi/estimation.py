"""How many pilots does the twin save? Channel estimates in reality, with and without what the twin expects.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from twin_envs.base.settings import computing
from twin_envs.base.streams import Streams
from twin_envs.base.units import linear_to_db
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid, mean_profile
from twin_envs.csi.codecs.uncompressed.codec import from_site as uncompressed
from twin_envs.csi.estimation import lmmse, match_power, profile_from_paths
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.transforms import from_angle_delay
from twin_envs.envs.csi_cell.acquisition import Acquisition
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.twin.registry import channel_twins
from twin_envs.twin.traced import TracedTwin
from twin_envs.world.store.site import Site

LINKS, QUICK_LINKS = 4000, 160
SNRS_DB = (-10, -5, 0, 5, 10, 15, 20, 30)
SPACINGS = (1, 2, 4, 8)
POSITION_STDS_M = (1.0, 3.0, 10.0)
PLAIN = ("ls", "lmmse-mean", "pursuit", "paths-net")
"""Estimators that do not know the place."""
PLACED = ("lmmse", "twin-net")
"""Those that ask the twin what there is at the sensed one."""
UNBUILT = ("true-profile", "true-covariance")
"""Those that nobody could build."""
ELSEWHERE = "elsewhere"
_LEAST_NOISE = 1e-6


def figures(site: Site, quick: bool, seed: int) -> dict[str, Any]:
    """What the study says.

    Args:
        site: the site.
        quick: fewer links.
        seed: of the links, noise, and position errors.

    Returns:
        `pilot_snr_db`: quantiles over links of the SNR that a pilot sample has with the site's own powers, without
        interference [dB].
        `nmse_db`: by spacing of the pilots in resource blocks, then by estimator, the mean normalised error over links
        on held-out streets of reality [dB], one for each of `snrs_db`, the SNR of a pilot sample. Estimators: `PLAIN`;
        each of `PLACED` where positions are wrong by 1, 3 and 10 m in each axis, and where the twin is asked about the
        place of another UE, `ELSEWHERE`; and two that nobody could build: `true-profile`, with the power in each
        angle-delay bin as it is in reality, and `true-covariance`, with the covariance of the channel.
        `pilots_saved`: by estimator and spacing, the share of the pilots' energy that it saves at the error that each
        of `PLAIN` has at 10 dB.
        `behind_true_covariance_db`: by spacing and estimator, how much larger its error is than that of
        `true-covariance` at 10 dB.
    """
    links = _Links(site, QUICK_LINKS if quick else LINKS, seed)
    nmse_db = {
        str(spacing): {
            name: [links.nmse_db(name, spacing, 10.0 ** (-snr_db / 10)) for snr_db in SNRS_DB]
            for name in (*PLAIN, *_placed(), *UNBUILT)
        }
        for spacing in SPACINGS
    }
    found = (*PLAIN[1:], *_placed())
    saved = {
        name: {
            spacing: {without: _saved(errors[without], errors[name]) for without in PLAIN if without != name}
            for spacing, errors in nmse_db.items()
        }
        for name in found
    }
    at = SNRS_DB.index(10)
    return {
        "links": len(links.h),
        "pilot_snr_db": links.pilot_snr_db(),
        "snrs_db": list(SNRS_DB),
        "nmse_db": nmse_db,
        "pilots_saved": saved,
        "behind_true_covariance_db": {
            spacing: {name: errors[name][at] - errors["true-covariance"][at] for name in found}
            for spacing, errors in nmse_db.items()
        },
    }


def _placed() -> list[str]:
    how = [*(f"{std_m:g}m" for std_m in POSITION_STDS_M), ELSEWHERE]
    return [f"{name}-{which}" for name in PLACED for which in how]


def _saved(without_db: list[float], with_db: list[float]) -> float | None:
    """Share of the energy saved at the error that is had without at 10 dB; None beyond the SNRs looked at."""
    wanted_db = without_db[SNRS_DB.index(10)]
    if not min(with_db) <= wanted_db <= max(with_db):
        return None
    needed_db = np.interp(-wanted_db, [-error for error in with_db], SNRS_DB)
    return float(1 - 10 ** ((needed_db - 10) / 10))


class _Links:
    """Links of reality on held-out streets, their channels of unit power, and what is known of them."""

    def __init__(self, site: Site, count: int, seed: int) -> None:
        generator = torch.Generator(site.device).manual_seed(seed)
        self.site, self.grid, self.seed = site, angle_delay_grid(site), seed
        sampler = ChannelSampler(site, site.reality("reality"), held_out=True)
        links = sampler.links(count, generator)
        self.ap, self.position_m = links.ap, links.position_m
        self._wrong_m = links.sensed_m(1.0, generator) - links.position_m
        boresight = torch.tensor([ap.yaw_rad for ap in site.recipe.access_points])
        self._truth = TracedTwin(sampler.atlas, boresight, site.recipe.array.columns)
        self._twin = channel_twins.get("traced")(site, "twin", site.device)
        block = torch.arange(self.grid.blocks, device=site.device) - (self.grid.blocks - 1) / 2
        self._offset_hz = block * self.grid.block_spacing_hz
        self._power = links.h.abs().square().mean((1, 2))
        self.h = links.h / self._power.sqrt()[:, None, None]

    def pilot_snr_db(self) -> dict[str, float]:
        """Quantiles of the SNR of a pilot sample [dB]."""
        snr_db = linear_to_db(self._power / noise_to_power(self.site.recipe)).double()
        return {f"{share:.0%}": float(snr_db.quantile(share)) for share in (0.05, 0.5, 0.95)}

    def nmse_db(self, name: str, spacing: int, noise: float) -> float:
        """Mean normalised error of an estimator [dB], with noise of variance `noise` in each pilot sample."""
        with computing(len(self.h)):
            rows = torch.arange(len(self.h), device=self.h.device)
            streams = Streams(len(rows), self.h.device)
            streams.seed(rows, rows + self.seed)
            if name.startswith("true"):
                estimate = self._privileged(name, spacing, noise, rows, streams)
            else:
                estimator, _, how = name.rpartition("-") if name in _placed() else (name, "", "")
                asked = rows.roll(1) if how == ELSEWHERE else rows
                std_m = float(how.removesuffix("m")) if how and how != ELSEWHERE else POSITION_STDS_M[0]
                acquisition = Acquisition(
                    self.grid,
                    uncompressed(self.site, self.site.device),
                    self._twin,
                    estimator,
                    mean_profile(self.site, "twin"),
                )
                estimate = acquisition.estimate(
                    self.h,
                    noise,
                    rows=rows,
                    ap=self.ap[asked],
                    sensed_m=(self.position_m + std_m * self._wrong_m)[asked],
                    sensed_std_m=torch.full((len(rows),), std_m, device=self.h.device),
                    last=self.h,
                    ports=torch.full_like(rows, self.grid.antennas),
                    spacing=torch.full_like(rows, spacing),
                    streams=streams,
                )
                estimate = from_angle_delay(estimate, self.grid)
            error = (estimate - self.h).abs().square().sum((1, 2)) / self.h.abs().square().sum((1, 2))
            return 10.0 * math.log10(float(error.mean()))

    def _privileged(self, name: str, spacing: int, noise: float, rows: torch.Tensor, streams: Streams) -> torch.Tensor:
        variance, spacings = torch.full((len(rows),), noise, device=self.h.device), torch.full_like(rows, spacing)
        y = sound(self.h, variance, spacings, streams, rows)
        if name == "true-profile":
            paths = self._truth.expected_paths(self.position_m, self.ap)
            certain = torch.zeros(len(rows), 1, device=self.h.device)
            profile = profile_from_paths(
                paths.delay_s, paths.column_cycles, paths.row_cycles, paths.power, certain, certain, self.grid
            )
            prior = match_power(profile, y, spacings, variance)
            return from_angle_delay(lmmse(y, spacings, variance, prior, self.grid), self.grid)
        return torch.cat([self._known_paths(y[k], k, spacing, noise) for k in rows.split(64)])

    def _known_paths(self, y: torch.Tensor, k: torch.Tensor, spacing: int, noise: float) -> torch.Tensor:
        """LMMSE for paths of known directions, delays and powers, and unknown phases: a covariance of low rank."""
        paths = self._truth.paths(self.position_m[k], self.ap[k])
        wave, steering = self._truth.atlas.waves(paths, self._offset_hz, paths.first_m)
        columns = wave.mT[..., None] * steering[:, :, None]  # [N, P, F, A]
        columns = columns.to(torch.complex128) / self._power[k].sqrt()[:, None, None, None]
        seen = columns[:, :, ::spacing].flatten(2)
        inner = seen.conj() @ seen.mT  # [N, P, P]
        eye = torch.eye(inner.shape[-1], device=y.device, dtype=torch.complex128)
        right = seen.conj() @ y[:, ::spacing].flatten(1).to(torch.complex128)[..., None]
        weight = torch.linalg.solve(inner + max(noise, _LEAST_NOISE) * eye, right)  # of each path
        return (columns * weight[..., None]).sum(1).to(torch.complex64)
