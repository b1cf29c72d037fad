"""How long does a report last? Channels predicted from reports and the twin, against what they turn out to be.

Privileged: reads reality (see `READS_REALITY`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import Policy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.rules import Choices, CsiRule
from twin_envs.base.seeds import evaluation_seeds
from twin_envs.base.settings import computing
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.site_codec import load_site_codec
from twin_envs.csi.precoding import regularised_zero_forcing, signal_to_interference
from twin_envs.csi.prediction.hold import Hold
from twin_envs.csi.prediction.protocol import Predicted, Report, Setting
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.similarity import squared_cosine
from twin_envs.csi.split import held_out_links
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.reality.cell import noise_to_power
from twin_envs.twin.knowledge import SensedState
from twin_envs.world.motion import UserKind
from twin_envs.world.store.site import Site

AGES_SLOTS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 160)
PREDICTORS = ("hold", "hold-aged", "wiener", "paths-net", "twin-paths", "twin-net")
TWIN_AIDED = ("twin-paths", "twin-net")
PATH = ("path", 329)
CODECS = (("csinet", 512), PATH, ("path-twin", 246), ("uncompressed", 512))
"""Codecs and their codewords [bits], the longest of each."""
QUICK_FOLLOWED = (("none", 0),)
FOLLOWED = (*QUICK_FOLLOWED, PATH)
"""Those whose reports are followed without a cell; `none` reports the channel itself."""
APART_SLOTS = (20, 50)
"""Time between a UE's reports where they are looked at alone: as asked for, and as ten UEs get it of the uplink."""
POSITION_STD_M, VELOCITY_STD_M_S = 2.5, 0.15
"""About what sensing has in a cell: the bias of GNSS lasts."""
ALONE_STDS_M = (1.0, 2.5, 10.0)
"""Position errors where there is no report at all."""
TOGETHER = 4
"""UEs that are served at once where there is none."""
WORTH = 0.9
"""Squared correlation down to which a prediction is counted as good."""
SEEDS, LINKS, QUICK_LINKS = 5, 240, 40
"""How many times 64 cells are drawn anew, and how many links are taken of each time."""
EPISODES, QUICK_EPISODES = 48, 24
SLOTS, QUICK_SLOTS = 2000, 1000
CELLS = {
    "20": ("FeedbackInterval", 20, CODECS),
    "40": ("FeedbackInterval", 40, CODECS[1:3]),
    "protocol": ("CsiProtocol", 20, CODECS[1:3]),
}
"""The comparisons of cells: environment, period of all reports [slots], codecs."""
QUICK_CELLS = {"20": ("FeedbackInterval", 20, CODECS[1:3])}
_REPORTS = 5
_MIDDLE_SLOTS = 300
_PLACES = 12
_MOST_SINR = 1e3
"""Beyond 30 dB no MCS carries more."""


def figures(site: Site, quick: bool, seed: int) -> dict[str, Any]:
    """What the study says.

    Args:
        site: the site.
        quick: fewer links, codecs and episodes.
        seed: of links, errors of sensing and episodes.

    Returns:
        `correlation`: by who moves (`walking`, `driving`), codec, time between reports [slots] and predictor, the mean
        squared cosine similarity of prediction and channel in reality, one for each of `ages_slots`; `expected` is what
        the predictor itself expects of it. Codec `none` is the channel itself, with a phase of its own in each report.
        `lasts_slots`: the age at which it has fallen to `WORTH`; `lasts_each`: in each of `SEEDS` independent draws of
        cells; `lasts_held_out`: on the streets and at the AP that codecs are scored on.
        `longer`: how many times as long the best with a twin lasts as the best without: in all draws together
        (`together`), and the `mean` over draws with its standard error `se`.
        `elsewhere`: the age for the best with a twin where it is asked about the place of another UE, a control.
        `twin_alone`: by who moves and position error [m], without any report, the squared cosine similarity of the
        direction of most power in the twin round the sensed position (`similarity`), and where `TOGETHER` UEs of a
        cell are served with those directions, the share of the rate that they have with their true channels
        (`rate_share`).
        `cell`: net spectral efficiency of `FeedbackInterval` where all report with a period of 20 or 40 slots, and of
        `CsiProtocol` with one of 20, by codec and predictor, the same episodes for all: `return`, and `gain` over
        `hold` with its standard error. `best`: the best twin-aided acquisition and the best without a twin, by `gain`,
        the ratio of their means less 1, and their `difference` on the same episodes with its standard error.
        `ageless`: what the cell would have if it knew all channels at all times.
        `links`: how many there were, by who moves, and how many `held_out`.
        `twin_aided_gain`: the `gain` of `best`.
    """
    count = QUICK_LINKS if quick else LINKS
    found: dict[str, dict[str, Any]] = {name: {} for name in _FOLLOWED_FIGURES}
    for who, kind in (("walking", UserKind.WALKING), ("driving", UserKind.DRIVING)):
        draws = [_Routes(site, kind, count, 100 * seed + draw) for draw in range(SEEDS)]
        for name, figure in _followed(draws, QUICK_FOLLOWED if quick else FOLLOWED).items():
            found[name][who] = figure
    cells = _Cells(site, quick, seed)
    cell = {name: cells.compare(*about) for name, about in (QUICK_CELLS if quick else CELLS).items()}
    return {
        "ages_slots": list(AGES_SLOTS),
        **found,
        "cell": cell,
        "twin_aided_gain": {name: rows["best"]["gain"] for name, rows in cell.items()},
    }


_FOLLOWED_FIGURES = (
    "correlation",
    "lasts_slots",
    "lasts_each",
    "lasts_held_out",
    "longer",
    "elsewhere",
    "twin_alone",
    "links",
)


def _followed(draws: list[_Routes], codecs: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    """The figures `_FOLLOWED_FIGURES` of one kind of UE, with these codecs."""
    found: dict[str, Any] = {name: {} for name in _FOLLOWED_FIGURES}
    held_out = torch.cat([draw.held_out for draw in draws])
    for codec, bits in codecs:
        for name in ("correlation", "lasts_slots", "lasts_each", "lasts_held_out", "longer"):
            found[name][codec] = {}
        for apart in APART_SLOTS:
            by_name = {name: [draw.follow(codec, bits, apart, name) for draw in draws] for name in PREDICTORS}
            every = {name: torch.cat([similar for similar, _ in each]) for name, each in by_name.items()}
            expected = {name: torch.cat([told for _, told in each]) for name, each in by_name.items()}
            at = str(apart)
            found["correlation"][codec][at] = {
                name: {"correlation": every[name].mean(0).tolist(), "expected": expected[name].mean(0).tolist()}
                for name in PREDICTORS
            }
            lasts = {name: _lasts(similar) for name, similar in every.items()}
            each = {name: [_lasts(similar) for similar, _ in by_draw] for name, by_draw in by_name.items()}
            found["lasts_slots"][codec][at], found["lasts_each"][codec][at] = lasts, each
            found["lasts_held_out"][codec][at] = {name: _lasts(similar[held_out]) for name, similar in every.items()}
            found["longer"][codec][at] = _longer(lasts, each)
    best = max(TWIN_AIDED, key=lambda name: found["lasts_slots"]["none"][str(APART_SLOTS[-1])][name])
    swapped = [draw.follow("none", 0, APART_SLOTS[-1], best, elsewhere=True)[0] for draw in draws]
    found["elsewhere"] = _lasts(torch.cat(swapped))
    found["twin_alone"] = {f"{std_m:g}": _alone(draws, std_m) for std_m in ALONE_STDS_M}
    found["links"] = {"all": len(held_out), "held_out": int(held_out.sum())}
    return found


def _alone(draws: list[_Routes], std_m: float) -> dict[str, float]:
    similar, share = zip(*(draw.twin_alone(std_m) for draw in draws), strict=True)
    return {"similarity": float(torch.cat(similar).mean()), "rate_share": float(np.mean(share))}


def _longer(lasts: dict[str, float], each: dict[str, list[float]]) -> dict[str, float]:
    """How many times as long a prediction lasts with the twin as the best without it (see `figures`)."""

    def ratio(lasting: dict[str, float]) -> float:
        without = [age for name, age in lasting.items() if name not in TWIN_AIDED]
        return max(lasting[name] for name in TWIN_AIDED) / max(without)

    ratios = np.array([ratio({name: ages[draw] for name, ages in each.items()}) for draw in range(SEEDS)])
    return {
        "together": ratio(lasts),
        "mean": float(ratios.mean()),
        "se": float(ratios.std(ddof=1) / SEEDS**0.5),
    }


def _lasts(similar: torch.Tensor) -> float:
    """Age [slots] at which the mean over links of `similar` [N, ages] has fallen to `WORTH`, linear between ages; the
    last age where it has not."""
    ages, values = (0, *AGES_SLOTS), (1.0, *similar.mean(0).tolist())
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
    """UEs of one kind on routes in reality, `TOGETHER` of a cell in each of up to 64 cells.

    Attributes:
        held_out: which of them are on the streets or at the AP that codecs are scored on, bool [N].
    """

    def __init__(self, site: Site, kind: UserKind, count: int, seed: int) -> None:
        population = "walkers" if kind == UserKind.WALKING else "vehicles"
        envs = make_envs("FeedbackInterval", 64, site=str(site.path), num_ue=16, population=population, device="cpu")
        envs.reset(seed=list(evaluation_seeds(seed, envs.num_envs)))
        core: Any = envs.core
        self.core, self.reality, self.network = core, core.reality, core.network
        with computing(envs.num_envs):
            rows = torch.arange(envs.num_envs)
            position, _ = self.reality.position(rows, torch.full((len(rows),), _MIDDLE_SLOTS) * core.slot_s)
            ap = self.reality.state.ap[:, None].expand(position.shape[:2])
            cell = self.reality.atlas.geometry.cell(position)
            inside = cell.clamp_min(0)
            found = (cell >= 0) & (core.motion.state.kind == kind) & (self.reality.atlas.gain[ap, inside] > 0)
            generator = torch.Generator().manual_seed(seed)
            enough = (found.sum(1) >= TOGETHER).nonzero()[:, 0]
            cells = enough[torch.randperm(len(enough), generator=generator)[: count // TOGETHER]]
            order = torch.rand(len(cells), found.shape[1], generator=generator).where(found[cells], 2.0)
            self.ue = order.argsort(1)[:, :TOGETHER].flatten()
            self.env = cells.repeat_interleave(TOGETHER)
            self.ap = ap[self.env, self.ue]
            self.held_out = held_out_links(self.reality.atlas)[self.ap, inside[self.env, self.ue]]
            self._wrong = torch.randn(len(self.env), 2, generator=generator)
            self._wrong_m_s = VELOCITY_STD_M_S * torch.randn(len(self.env), 2, generator=generator)
            self._phase = torch.rand(len(self.env), _REPORTS, generator=generator) * (2 * torch.pi)
        self.site = core.site
        self._reports: dict[tuple[str, int], list[Report]] = {}

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

    def sensed(self, slots: int, std_m: float = POSITION_STD_M) -> SensedState:
        """What sensing says then."""
        position, velocity = self._motion(slots)
        one = torch.ones(len(position))
        return SensedState(
            position_m=position[:, :2] + std_m * self._wrong,
            velocity_m_s=velocity[:, :2] + self._wrong_m_s,
            position_std_m=std_m * one,
            velocity_std_m_s=VELOCITY_STD_M_S * one,
        )

    def follow(
        self, codec: str, bits: int, apart: int, predictor: str, *, elsewhere: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Squared cosine similarity by link and age, and what is expected of it, float32 [N, ages] each.

        `elsewhere`: the predictor is told the place of another UE, and its AP.
        """
        with computing(len(self.env)):
            network = self.network
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
            reports = self._reported(codec, bits, apart)
            for report in reports:
                if elsewhere:
                    other = rows.roll(len(rows) // 2)
                    report = replace(report, position_m=report.position_m[other], ap=report.ap[other])
                chosen.learn(state, rows, torch.zeros_like(rows), report)
            last, nmse = reports[-1].h, reports[-1].nmse
            power = squared_magnitude(last).mean((1, 2))
            reported = Predicted(last[:, :, None], (nmse * power)[:, None])
            similar, expected = [], []
            for age in AGES_SLOTS:
                told = chosen.predict(state, rows, torch.full_like(rows, age), reported)
                h = self.channel(age, network.subband_hz)
                similar.append(squared_cosine(told.h[:, :, 0], h).mean(-1))
                expected.append(1 - told.error[:, 0] / power)
            return torch.stack(similar, 1), torch.stack(expected, 1)

    def _reported(self, codec: str, bits: int, apart: int) -> list[Report]:
        """The reports, oldest first."""
        if (codec, apart) not in self._reports:
            slots = [apart * (index - _REPORTS + 1) for index in range(_REPORTS)]
            self._reports[codec, apart] = [self._report(codec, bits, when, index) for index, when in enumerate(slots)]
        return self._reports[codec, apart]

    def _report(self, codec: str, bits: int, slots: int, index: int) -> Report:
        network, sensed = self.network, self.sensed(slots)
        place = network.geometry.ground.place(sensed.position_m)
        if codec == "none":
            turned = torch.polar(torch.ones(len(self.env)), self._phase[:, index])
            h, nmse = self.channel(slots, network.subband_hz) * turned[:, None, None], torch.zeros(len(self.env))
        else:
            known = load_site_codec(codec, self.site, network.device)
            length = torch.full_like(self.env, bits)
            told = known.codec.tell(network.twin, place, sensed.position_std_m, self.ap)
            x = to_angle_delay(self.channel(slots, network.block_hz), angle_delay_grid(self.site))
            side = SideInformation(codeword_bits=length, told=told)
            h, nmse = known.codec.report(x, side, network.subband), known.nmse(length)
        measured_slots = torch.full_like(self.env, slots)
        return Report(h=h, measured_slots=measured_slots, nmse=nmse, sensed=sensed, position_m=place, ap=self.ap)

    def twin_alone(self, std_m: float) -> tuple[torch.Tensor, float]:
        """The squared cosine similarity of the channel with where the twin has most power round the sensed place [N],
        and the share of the rate that UEs of a cell have with that for their channels."""
        with computing(len(self.env)):
            network, sensed = self.network, self.sensed(0, std_m)
            generator = torch.Generator().manual_seed(0)
            covariance = torch.zeros(())
            for _ in range(_PLACES):
                moved = sensed.position_m + std_m * torch.randn(len(self.env), 2, generator=generator)
                h = network.twin.channel(network.geometry.ground.place(moved), self.ap, network.subband_hz)
                covariance = covariance + h[..., :, None] * h[..., None, :].conj() / _PLACES
            power, vectors = torch.linalg.eigh(covariance)
            strongest = vectors[..., -1] * power[..., -1:].clamp_min(0).sqrt()
            left = power[..., :-1].clamp_min(0).mean((1, 2))
            h = self.channel(0, network.subband_hz)
            similar = squared_cosine(strongest, h).mean(-1)
            with_twin = self._rate(h, strongest, left)
            return similar, float(with_twin / self._rate(h, h, torch.zeros_like(left)))

    def _rate(self, h: torch.Tensor, believed: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
        """Mean rate [bit/s/Hz] of UEs of the same cell that are served `TOGETHER`, by the channels `believed`."""
        groups = torch.arange(len(self.env)).view(-1, TOGETHER)
        noise = torch.full(groups.shape, noise_to_power(self.network.recipe))
        together, meant = (each[groups].transpose(1, 2) for each in (h, believed))
        w = regularised_zero_forcing(meant, noise + error[groups], 1.0)
        return signal_to_interference(together, w, noise).clamp_max(_MOST_SINR).log1p().mean() / math.log(2)


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
            returns = {name: self._returns(env, policy, codec=codec, prediction=name) for name in PREDICTORS}
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
        returns = play(policy, envs, evaluation_seeds(self._seed, self._episodes)).returns
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
        returns = play(policy, envs, evaluation_seeds(self._seed, self._episodes)).returns
        envs.close()
        return returns
