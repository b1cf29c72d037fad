"""How long does a report last? Channels predicted from reports and the twin, against what they turn out to be.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.rules import Choices, CsiRule
from twin_envs.base.settings import computing
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.site_codec import load_site_codec
from twin_envs.csi.prediction.hold import Hold
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.similarity import squared_cosine
from twin_envs.csi.split import held_out_links
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.twin.knowledge import SensedState
from twin_envs.world.motion import UserKind
from twin_envs.world.store.site import Site

AGES_SLOTS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 160)
PREDICTORS = ("hold", "hold-aged", "wiener", "twin-doppler", "twin-wiener")
TWIN_AIDED = ("twin-doppler", "twin-wiener")
CODECS = (("csinet", 512), ("path", 329), ("path-twin", 246), ("uncompressed", 512))
"""Codecs and their codewords [bits], the longest of each."""
FOLLOWED = (("none", 0), *CODECS[1:3])
"""Those whose reports are followed without a cell; `none` reports the channel itself."""
APART_SLOTS = (20, 50)
"""Time between a UE's reports where they are looked at alone: as asked for, and as ten UEs get it of the uplink."""
POSITION_STD_M, VELOCITY_STD_M_S = 2.5, 0.15
"""About what sensing has in a cell: the bias of GNSS lasts."""
WORTH = 0.9
"""Squared correlation down to which a prediction is counted as good."""
LINKS, QUICK_LINKS = 600, 100
EPISODES, QUICK_EPISODES = 48, 6
SLOTS, QUICK_SLOTS = 2000, 400
IN_CELLS = ("hold", "hold-aged", "wiener", "twin-wiener")
CELLS = {
    "20": ("FeedbackInterval", 20, CODECS),
    "40": ("FeedbackInterval", 40, CODECS[1:3]),
    "protocol": ("CsiProtocol", 20, CODECS[1:3]),
}
"""The comparisons of cells: environment, period of all reports [slots], codecs."""
_REPORTS = 4
_MIDDLE_SLOTS = 300
_PLACES = 24


def figures(site: Site, quick: bool, seed: int) -> dict[str, Any]:
    """What the study says.

    Args:
        site: the site.
        quick: fewer links and episodes.
        seed: of links, errors of sensing and episodes.

    Returns:
        `correlation`: by who moves (`walking`, `driving`), codec, time between reports [slots] and predictor, the mean
        squared cosine similarity of prediction and channel in reality on held-out streets, one for each of
        `ages_slots`; `expected` is what the predictor itself expects of it. Codec `none` is the channel itself,
        with a phase of its own in each report.
        `lasts_slots`: the age at which it has fallen to `WORTH`.
        `twin_alone`: by who moves, the squared cosine similarity without any report: of the direction of most power
        in the twin round the sensed position.
        `cell`: net spectral efficiency of `FeedbackInterval` where all report with a period of 20 or 40 slots, and of
        `CsiProtocol` with one of 20, by codec and predictor, the same episodes for all: `return`, and `gain` over
        `hold` with its standard error. `best`: the best twin-aided acquisition and the best without a twin, by `gain`,
        the ratio of their means less 1, and their `difference` on the same episodes with its standard error.
        `ageless`: what the cell would have if it knew all channels at all times.
        `links`: how many there were, by who moves; no more than asked for, and fewer where there are not so many.
        `twin_aided_gain`: the `gain` of `best`.
    """
    count = QUICK_LINKS if quick else LINKS
    correlation: dict[str, Any] = {}
    alone: dict[str, float] = {}
    counts: dict[str, int] = {}
    for who, kind in (("walking", UserKind.WALKING), ("driving", UserKind.DRIVING)):
        links = _Routes(site, kind, count, seed)
        alone[who], counts[who] = links.twin_alone(), len(links.env)
        correlation[who] = {
            codec: {
                str(apart): {name: links.follow(codec, bits, apart, name) for name in PREDICTORS}
                for apart in APART_SLOTS
            }
            for codec, bits in FOLLOWED
        }
    lasts = {
        who: {
            codec: {
                apart: {name: _lasts(result["correlation"]) for name, result in by_name.items()}
                for apart, by_name in by_apart.items()
            }
            for codec, by_apart in by_codec.items()
        }
        for who, by_codec in correlation.items()
    }
    cells = _Cells(site, quick, seed)
    cell = {name: cells.compare(*about) for name, about in CELLS.items()}
    return {
        "ages_slots": list(AGES_SLOTS),
        "correlation": correlation,
        "lasts_slots": lasts,
        "twin_alone": alone,
        "cell": cell,
        "links": counts,
        "twin_aided_gain": {name: rows["best"]["gain"] for name, rows in cell.items()},
    }


def _lasts(correlation: list[float]) -> float:
    """Age [slots] at which the correlation has fallen to `WORTH`, linear between ages; the last where it has not."""
    ages, values = (0, *AGES_SLOTS), (1.0, *correlation)
    for (age, value), (later, less) in pairwise(zip(ages, values, strict=True)):
        if less < WORTH:
            return float(age + (later - age) * max(value - WORTH, 0.0) / (value - less)) if value > less else float(age)
    return float(ages[-1])


def _best(returns: dict[tuple[str, str], np.ndarray[Any, Any]]) -> dict[str, Any]:
    """The best acquisitions with a twin's codec or predictor and with neither. Without a codec none counts.

    Args:
        returns: of each episode, by codec and predictor.
    """
    best = {}
    for aided in (True, False):
        among = [
            about
            for about in returns
            if about[0] != "uncompressed" and aided == (about[0] == "path-twin" or about[1] in TWIN_AIDED)
        ]
        best[aided] = max(among, key=lambda about: float(returns[about].mean()), default=None)
    with_twin, without = best[True], best[False]
    if with_twin is None or without is None:
        return {"gain": None}
    difference = returns[with_twin] - returns[without]
    return {
        "with_twin": list(with_twin),
        "without": list(without),
        "gain": float(returns[with_twin].mean() / returns[without].mean() - 1),
        "difference": float(difference.mean()),
        "difference_se": float(difference.std(ddof=1) / len(difference) ** 0.5),
    }


class _Routes:
    """UEs of one kind on routes in reality, where an AP serves them that is held out, or on held-out streets."""

    def __init__(self, site: Site, kind: UserKind, count: int, seed: int) -> None:
        population = "walkers" if kind == UserKind.WALKING else "vehicles"
        envs = make_envs("FeedbackInterval", 64, site=str(site.path), num_ue=16, population=population, device="cpu")
        envs.reset(seed=[seed + index for index in range(envs.num_envs)])
        core: Any = envs.core
        self.core, self.reality, self.network = core, core.reality, core.network
        with computing(envs.num_envs):
            rows = torch.arange(envs.num_envs)
            position, _ = self.reality.position(rows, torch.full((len(rows),), _MIDDLE_SLOTS) * core.slot_s)
            ap = self.reality.state.ap[:, None].expand(position.shape[:2])
            cell = self.reality.atlas.geometry.cell(position)
            found = (cell >= 0) & (core.motion.state.kind == kind)
            inside = cell.clamp_min(0)
            found &= held_out_links(self.reality.atlas)[ap, inside] & (self.reality.atlas.gain[ap, inside] > 0)
            index = found.nonzero()
            generator = torch.Generator().manual_seed(seed)
            chosen = index[torch.randperm(len(index), generator=generator)[:count]]
            self.env, self.ue = chosen.unbind(-1)
            self.ap = ap[self.env, self.ue]
            self._wrong_m = POSITION_STD_M * torch.randn(len(chosen), 2, generator=generator)
            self._wrong_m_s = VELOCITY_STD_M_S * torch.randn(len(chosen), 2, generator=generator)
            self._phase = torch.rand(len(chosen), _REPORTS, generator=generator) * (2 * torch.pi)
        self.site = core.site

    def channel(self, slots: int, offset_hz: torch.Tensor) -> torch.Tensor:
        """Channels, complex64 [N, F, antennas], so many slots after the last report."""
        position, _ = self._motion(slots)
        h: torch.Tensor = self.reality.channel(self.env, position[:, None], offset_hz, synchronised=True)[:, 0]
        return h

    def _motion(self, slots: int) -> tuple[torch.Tensor, torch.Tensor]:
        time_s = torch.full((len(self.env),), _MIDDLE_SLOTS + slots, dtype=torch.float64) * self.core.slot_s
        position, velocity = self.reality.position(self.env, time_s)
        index = torch.arange(len(self.env))
        return position[index, self.ue], velocity[index, self.ue]

    def sensed(self, slots: int) -> SensedState:
        """What sensing says then."""
        position, velocity = self._motion(slots)
        one = torch.ones(len(position))
        return SensedState(
            position_m=position[:, :2] + self._wrong_m,
            velocity_m_s=velocity[:, :2] + self._wrong_m_s,
            position_std_m=POSITION_STD_M * one,
            velocity_std_m_s=VELOCITY_STD_M_S * one,
        )

    def follow(self, codec: str, bits: int, apart: int, predictor: str) -> dict[str, list[float]]:
        """Mean squared cosine similarity by age, and what is expected of it."""
        with computing(len(self.env)):
            network, ground = self.network, self.network.geometry.ground
            setting = Setting(
                grid=network.grid,
                subband_hz=network.subband_hz,
                wavelength_m=network.recipe.wavelength_m,
                slot_s=network.slot_s,
                twin=network.twin,
                device=network.device,
            )
            chosen = predictors.get(predictor)(setting)
            state, rows = chosen.create(len(self.env), 1), torch.arange(len(self.env))
            ue, last = torch.zeros_like(rows), torch.empty(0)
            nmse = torch.zeros(len(rows))
            for index in range(_REPORTS):
                slots = apart * (index - _REPORTS + 1)
                sensed = self.sensed(slots)
                place = ground.place(sensed.position_m)
                last, nmse = self._report(codec, bits, slots, place, index)
                report = Report(
                    h=last,
                    measured_slots=torch.full_like(rows, slots),
                    nmse=nmse,
                    sensed=sensed,
                    position_m=place,
                    ap=self.ap,
                )
                chosen.learn(state, rows, ue, report)
            power = squared_magnitude(last).mean((1, 2))
            reported = Predicted(last[:, :, None], (nmse * power)[:, None])
            correlation, expected = [], []
            for age in AGES_SLOTS:
                told = chosen.predict(state, rows, torch.full_like(rows, age), reported)
                h = self.channel(age, network.subband_hz)
                correlation.append(float(squared_cosine(told.h[:, :, 0], h).mean()))
                expected.append(float((1 - told.error[:, 0] / power).mean()))
            return {"correlation": correlation, "expected": expected}

    def _report(
        self, codec: str, bits: int, slots: int, place: torch.Tensor, index: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        network = self.network
        if codec == "none":
            turned = torch.polar(torch.ones(len(self.env)), self._phase[:, index])
            return self.channel(slots, network.subband_hz) * turned[:, None, None], torch.zeros(len(self.env))
        known = load_site_codec(codec, self.site, network.device)
        length = torch.full_like(self.env, bits)
        std_m = torch.full((len(self.env),), POSITION_STD_M)
        side = SideInformation(codeword_bits=length, told=known.codec.tell(network.twin, place, std_m, self.ap))
        x = to_angle_delay(self.channel(slots, network.block_hz), angle_delay_grid(self.site))
        return known.codec.report(x, side, network.subband), known.nmse(length)

    def twin_alone(self) -> float:
        """Mean squared cosine similarity of the channel with where the twin has most power round the sensed place."""
        with computing(len(self.env)):
            network, sensed = self.network, self.sensed(0)
            generator = torch.Generator().manual_seed(0)
            covariance = torch.zeros(())
            for _ in range(_PLACES):
                moved = sensed.position_m + POSITION_STD_M * torch.randn(len(self.env), 2, generator=generator)
                h = network.twin.channel(network.geometry.ground.place(moved), self.ap, network.subband_hz)
                covariance = covariance + h[..., :, None] * h[..., None, :].conj()
            strongest = torch.linalg.eigh(covariance).eigenvectors[..., -1]
            return float(squared_cosine(strongest, self.channel(0, network.subband_hz)).mean())


@dataclass(kw_only=True)
class _Ageless(Hold):
    """No predictor but a bound: the channels as they are."""

    core: Any = None
    predicts = True

    def predict(self, state: Any, rows: torch.Tensor, slots: torch.Tensor, reported: Predicted) -> Predicted:
        if self.core is None or not len(rows):
            return reported
        reality, network = self.core.reality, self.core.network
        position, _ = reality.position(rows, slots * network.slot_s)
        h = reality.channel(rows, position, network.subband_hz, synchronised=True)
        return Predicted(h.transpose(1, 2), torch.zeros_like(reported.error))


class _Fixed(CsiRule):
    """Reports with one period."""

    def __init__(self, period_slots: int) -> None:
        super().__init__()
        self._period = REPORT_PERIODS_SLOTS.index(period_slots)

    def choose(self, observation: np.ndarray[Any, Any]) -> Choices:
        """The period alone."""
        return {"period": self._period}


class _Cells:
    """Cells that differ in codec and predictor alone, with the same episodes."""

    def __init__(self, site: Site, quick: bool, seed: int) -> None:
        self._site, self._episodes = site, QUICK_EPISODES if quick else EPISODES
        self._slots, self._seed = QUICK_SLOTS if quick else SLOTS, seed

    def compare(self, env: str, period: int, codecs: tuple[tuple[str, int], ...]) -> dict[str, Any]:
        """Returns by codec and predictor."""
        policy, rows = _Fixed(period), {}
        every: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        for codec, _ in codecs:
            returns = {name: self._returns(env, policy, codec=codec, prediction=name) for name in IN_CELLS}
            every |= {(codec, name): each for name, each in returns.items()}
            rows[codec] = {
                name: {
                    "return": float(each.mean()),
                    "gain": float((each - returns["hold"]).mean()),
                    "gain_se": float((each - returns["hold"]).std(ddof=1) / len(each) ** 0.5),
                }
                for name, each in returns.items()
            }
        return {"codecs": rows, "best": _best(every), "ageless": float(self._ageless(env, policy).mean())}

    def _make(self, env: str, **options: Any) -> TaskVectorEnv:
        common = {"site": str(self._site.path), "episode_slots": self._slots, "device": str(self._site.device)}
        return make_envs(env, self._episodes, **common, **options)

    def _returns(self, env: str, policy: Policy, **options: Any) -> np.ndarray[Any, Any]:
        envs = self._make(env, **options)
        returns = play(policy, envs, range(self._seed, self._seed + self._episodes)).returns
        envs.close()
        return returns

    def _ageless(self, env: str, policy: Policy) -> np.ndarray[Any, Any]:
        bound = _Ageless()
        predictors.register("ageless", lambda setting: bound)
        try:
            envs = self._make(env, codec="uncompressed", prediction="ageless")
        finally:
            predictors.unregister("ageless")
        bound.core = envs.core
        returns = play(policy, envs, range(self._seed, self._seed + self._episodes)).returns
        envs.close()
        return returns
