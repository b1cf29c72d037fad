"""Training of the network: on channels of drawn worlds that came some slots after reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from twin_envs.base.settings import lasting, training
from twin_envs.base.units import squared_magnitude
from twin_envs.benchmarks.csi.prediction_net.routes import Routes
from twin_envs.csi.path_pursuit import BlockDictionary
from twin_envs.csi.prediction.followed_paths import Heard, Left
from twin_envs.csi.prediction.net.network import LinesNetwork, evidence
from twin_envs.csi.prediction.net.predictor import WeighedPaths
from twin_envs.csi.prediction.process import Process
from twin_envs.csi.prediction.protocol import Setting
from twin_envs.csi.prediction.spectrum import Lines

AGES_SLOTS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 160)
BATCH = 96
_AGES_A_STEP = 5
_LEARNING_RATE = 3e-3
_LARGEST_GRADIENT = 1.0
_LEAST_LOSS = 1e-3
"""What is lost counts by its logarithm, so that young reports, of which little is lost, count as much as old ones."""
_TINY = 1e-30


@dataclass(frozen=True, kw_only=True)
class Followed:
    """N UEs of whom reports were heard, and what came then.

    Attributes:
        lines: the spectra of their paths before any report.
        heard: what reports have of these paths.
        likely: the evidence of each line.
        index: of the paths, int64 [N, M].
        left: what the last report has beside its paths, complex64 [N, F, antennas].
        spectrum: the Doppler spectrum of that.
        truth: channels at `AGES_SLOTS`, complex64 [N, ages, F, antennas].
    """

    lines: Lines
    heard: Heard
    likely: torch.Tensor
    index: torch.Tensor
    left: torch.Tensor
    spectrum: Left
    truth: torch.Tensor

    def __len__(self) -> int:
        return len(self.index)

    def of(self, rows: torch.Tensor) -> Followed:
        """Some of them."""
        return Followed(
            lines=Lines(*(values[rows] for values in self.lines)),
            heard=Heard(*(values[rows] for values in self.heard)),
            likely=self.likely[rows],
            index=self.index[rows],
            left=self.left[rows],
            spectrum=Left(*(values[rows] for values in self.spectrum)),
            truth=self.truth[rows],
        )


def joined(parts: Iterable[Followed]) -> Followed:
    """All of them in one."""
    every = list(parts)

    def cat(of: Callable[[Followed], Iterable[torch.Tensor]]) -> list[torch.Tensor]:
        return [torch.cat(values) for values in zip(*map(of, every), strict=True)]

    likely, index, left, truth = cat(lambda one: (one.likely, one.index, one.left, one.truth))
    return Followed(
        lines=Lines(*cat(lambda one: one.lines)),
        heard=Heard(*cat(lambda one: one.heard)),
        likely=likely,
        index=index,
        left=left,
        spectrum=Left(*cat(lambda one: one.spectrum)),
        truth=truth,
    )


class _Recorder(LinesNetwork):
    """The network before it has learnt anything; it keeps what it was asked last."""

    asked: tuple[Lines, Heard]

    def forward(self, lines: Lines, heard: Heard) -> Lines:
        self.asked = lines, heard
        return super().forward(lines, heard)


@lasting()
def followed(
    routes: Routes,
    setting: Setting,
    make: Callable[[Setting, LinesNetwork], WeighedPaths],
    offset_hz: torch.Tensor,
    slots: Iterable[int],
    bits: int | None,
) -> Followed:
    """What a predictor hears of UEs, and what comes then.

    Args:
        routes: the UEs.
        setting: where the predictor works.
        make: the predictor.
        offset_hz: where channels are reported.
        slots: of reports, the last at 0.
        bits: of each report, or None where channels themselves are reported.
    """
    recorder = _Recorder()
    chosen = make(setting, recorder)
    state, rows = chosen.create(routes.count, 1), torch.arange(routes.count)
    for when in slots:
        chosen.learn(state, rows, torch.zeros_like(rows), routes.report(when, bits))
    lines, heard = recorder.asked
    return Followed(
        lines=lines,
        heard=heard,
        likely=evidence(lines, heard),
        index=state.index[:, 0],
        left=state.left[:, :, 0],
        spectrum=Left(state.left_mean_hz[:, 0], state.left_std_hz[:, 0]),
        truth=torch.stack([routes.channels(age, offset_hz) for age in AGES_SLOTS], 1),
    )


class Trainer:
    """What predictions of a network are like, and how they get better.

    Args:
        setting: where predictors work.
        network: trained in place.
    """

    def __init__(self, setting: Setting, network: LinesNetwork) -> None:
        self._dictionary = BlockDictionary(
            setting.grid, setting.device, setting.subband_hz / setting.grid.block_spacing_hz
        )
        self._network = network
        self._ages_s = torch.tensor(AGES_SLOTS, device=setting.device) * setting.slot_s

    def similarity(self, some: Followed, ages: torch.Tensor) -> torch.Tensor:
        """Squared cosine similarity of predictions and channels, float32 [N, ages], at some of `AGES_SLOTS`."""
        lines = self._network.weighed(some.lines, some.heard, some.likely)
        age_s = self._ages_s[ages].float().expand(len(some), -1)
        value, _ = Process(some.heard.x, some.heard.time_s, lines, some.heard.nmse).at(age_s)
        delay, beam = self._dictionary.waves(some.index)
        goes_on = Left(*(each[:, None] for each in some.spectrum)).correlation(age_s)
        h = torch.einsum("ntm,nmf,nma->ntfa", value, delay, beam) + goes_on[..., None, None] * some.left[:, None]
        truth = some.truth[:, ages]
        power = squared_magnitude(h).sum(-1) * squared_magnitude(truth).sum(-1)
        return (squared_magnitude((h.conj() * truth).sum(-1)) / power.clamp_min(_TINY)).mean(-1)

    @training()
    def train(self, sets: list[Followed], steps: int, seed: int, progress: Callable[[int, float], None]) -> None:
        """Train on sets in turn, a batch of each in each step.

        Args:
            sets: what to learn from; those of a set have as many lines.
            steps: how many.
            seed: of the batches.
            progress: told the number of steps that are done, and what was lost in the last one.
        """
        generator, device = torch.Generator().manual_seed(seed), self._ages_s.device
        optimiser = torch.optim.Adam(self._network.parameters(), lr=_LEARNING_RATE)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        share = BATCH // len(sets)
        for step in range(1, steps + 1):
            ages = torch.randperm(len(AGES_SLOTS), generator=generator)[:_AGES_A_STEP].to(device)
            optimiser.zero_grad()
            lost = 0.0
            for one in sets:
                rows = torch.randint(len(one), (share,), generator=generator).to(device)
                by_age = (1 - self.similarity(one.of(rows), ages)).mean(0)
                (by_age + _LEAST_LOSS).log().mean().backward()
                lost += float(by_age.mean().detach()) / len(sets)
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
            optimiser.step()
            falling.step()
            progress(step, lost)
