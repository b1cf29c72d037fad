"""What CSI networks were to gain by the twin, goal by goal: what was found, and what stands between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from twin_envs.benchmarks.report.tables import load_figures, markdown_table

ACQUISITION_GAIN = 0.25
EQUIVALENT_SAMPLES = 210.0
"""Real samples that each of ten was to be worth, after fine-tuning with rehearsal."""
SCENE_GAIN_DB, BEHIND_ONLINE_DB, ONLINE = 3.0, 0.5, "online, 256"
BEHIND_COVARIANCE_DB, PILOTS_SAVED = 1.0, 0.5
LASTS_LONGER = 2.0
TIME_SHARE = 0.5
_ORDINAL = {"1": "", "2": "second ", "4": "fourth ", "8": "eighth "}
_DEFAULT, _FORMER = "path", "csinet"


class Goal(NamedTuple):
    """A goal.

    Attributes:
        wanted: what was to be shown.
        found: the figures.
        met: whether they show it.
        between: what stands between, where they do not.
    """

    wanted: str
    found: str
    met: bool
    between: str


def table() -> str:
    """All goals."""
    goals = [
        goal for of in (_codecs, _cell, _white_box, _semi_black_box, _estimation, _prediction, _costs) for goal in of()
    ]
    rows = [(goal.wanted, goal.found, "yes" if goal.met else "no", "" if goal.met else goal.between) for goal in goals]
    return markdown_table(("goal", "found", "met", "what stands between"), rows)


def _codecs() -> list[Goal]:
    claims = load_figures("codecs")["claims"]
    few = claims["few_bits"]["by_sgcs"]
    aided, plain = claims["best_with_twin"], claims["best_without_twin"]
    margins = claims["best_at_every_length"]["margin"]
    more = [value for value in claims["wrong_twin"]["more_bits"].values() if value is not None]
    lost = claims["noisy_estimates"]["by_snr_db"]
    return [
        Goal(
            f"SGCS of {_listed(few)} with {_listed(row['limit'] for row in few.values())} bits",
            f"{_listed(_number(row['bits']) for row in few.values())} bits (`{aided}`)",
            all(row["holds"] for row in few.values()),
            "reality has more paths than the channels on which the bits were first counted; each takes bits",
        ),
        Goal(
            "with half of enhanced Type II's bits or fewer",
            f"enhanced Type II takes {_listed(_number(row['etype2']) for row in few.values())}",
            all(row["half"] for row in few.values()),
            "",
        ),
        Goal(
            "the best codec without a twin is better than codebooks, transform code and networks at every length",
            f"`{plain}`, by {min(margins.values()):.3f} at least",
            claims["best_at_every_length"]["holds"],
            "",
        ),
        Goal(
            "positions wrong by 4 m: never worse than without a twin",
            f"{claims['never_worse_at_4_m']['margin']:+.4f} at the least",
            claims["never_worse_at_4_m"]["holds"],
            "a tie in the longest reports, where the twin has little to say",
        ),
        Goal(
            "a twin of another place: a tenth more bits at most",
            f"{max(more):+.0%}",
            claims["wrong_twin"]["holds"],
            "the network believes what is told, since that was true of most that it learnt from",
        ),
        Goal(
            "estimates with noise: 100 bits lose 0.01 of SGCS at most",
            f"{lost['cell']['lost']:.3f} with a cell's noise, {lost['0']['lost']:.3f} with pilots as strong as noise",
            claims["noisy_estimates"]["holds"],
            "100 bits name too few paths; all that is lost is lost by coding",
        ),
    ]


def _cell() -> list[Goal]:
    best = next(iter(load_figures("csi-prediction")["cell"].values()))["best"]
    return [
        Goal(
            f"a cell whose acquisition has a twin carries {ACQUISITION_GAIN:.0%} more",
            f"{best['gain']:+.1%}: codec and predictor {_codes(best['with_twin'])} over {_codes(best['without'])}",
            best["gain"] >= ACQUISITION_GAIN,
            "following paths gains much without a twin, too; the codec's error stays, and pilots are so strong in a "
            "cell that no estimator matters",
        )
    ]


def _white_box() -> list[Goal]:
    study = load_figures("csi-white-box")
    goals = []
    for streets, where in (("seen", "new places on the samples' streets"), ("held_out", "streets without samples")):
        errors, spread = study["nmse_db"][streets], study["spread_db"][streets]
        twin, real = errors["twin"], errors["real"]
        rehearsed = {arm: by for arm, by in errors.items() if "rehearsal" in arm}
        best = min(rehearsed, key=lambda arm: rehearsed[arm][0])
        worth = max(by[0] or 0.0 for arm, by in study["equivalent_relative"][streets].items() if "rehearsal" in arm)
        few, most = study["samples"][0], study["samples"][-1]
        goals += [
            Goal(
                f"{where}: another city's data are useless (0 dB or more)",
                f"{errors['generic'][0]:.1f} dB",
                errors["generic"][0] >= 0,
                "to a network the channels of two cities are much alike, once delays begin with the first path",
            ),
            Goal(
                f"{where}: twin-trained networks reach a plateau that real samples overtake",
                f"{twin[-1]:.1f} dB against {real[-1]:.1f} dB with {most:,} samples",
                real[-1] < twin[-1],
                "",
            ),
            Goal(
                f"{where}: the hardest of {few} samples without rehearsal hurt",
                f"{errors['worst'][0]:.1f} dB, {twin[-1]:.1f} dB before",
                errors["worst"][0] > twin[-1],
                "",
            ),
            Goal(
                f"{where}: {few} samples with rehearsal help",
                f"{rehearsed[best][0]:.1f} ± {spread[best][0]:.1f} dB (`{best}`), {twin[-1]:.1f} dB before",
                rehearsed[best][0] < twin[-1] - spread[best][0],
                "so few samples tell nothing that seeds would not, either",
            ),
            Goal(
                f"{where}: each of these is worth more than {EQUIVALENT_SAMPLES:.0f} real ones",
                f"{worth:.0f}",
                worth > EQUIVALENT_SAMPLES,
                "the gap between twin and reality is larger here, so real samples overtake sooner",
            ),
        ]
    return goals


def _semi_black_box() -> list[Goal]:
    gain_db = load_figures("csi-semi-black-box")["gain_db"]["reality"]
    ours = gain_db["hypernetwork"]
    return [
        Goal(
            f"weights written from a map gain {SCENE_GAIN_DB:g} dB on unseen scenes",
            f"{ours:.1f} dB in reality",
            ours >= SCENE_GAIN_DB,
            f"knowing a scene's channels themselves gains {gain_db['per scene']:.1f} dB: there is no more to have",
        ),
        Goal(
            f"and are within {BEHIND_ONLINE_DB:g} dB of fine-tuning there",
            f"{gain_db[ONLINE] - ours:.1f} dB behind",
            gain_db[ONLINE] - ours <= BEHIND_ONLINE_DB,
            "what a map says of where power lies is not exact enough",
        ),
        Goal(
            "and gain nothing where scenes are shuffled",
            f"{gain_db['hypernetwork, shuffled']:+.1f} dB",
            gain_db["hypernetwork, shuffled"] <= 0,
            "",
        ),
    ]


def _estimation() -> list[Goal]:
    figures = load_figures("csi-estimation")
    behind = figures["behind_true_covariance_db"]["1"]["twin-net-1m"]
    saved = {spacing: by["paths-net"] for spacing, by in figures["pilots_saved"]["twin-net-1m"].items()}
    over = {name: figures["pilots_saved"]["twin-net-1m"]["1"][name] for name in ("lmmse-mean", "pursuit")}
    return [
        Goal(
            f"estimates within {BEHIND_COVARIANCE_DB:g} dB of LMMSE with the true covariance, at a place known to 1 m",
            f"{behind:.1f} dB behind (`twin-net`, pilots at 10 dB)",
            behind <= BEHIND_COVARIANCE_DB,
            "that covariance has each path's delay and direction exactly; the twin has them a metre off, so they are "
            "estimated, too, which more than doubles what is not known, and weak paths drown",
        ),
        Goal(
            f"the twin saves {PILOTS_SAVED:.0%} of pilots over the same network without it",
            ", ".join(f"{_share(share)} (in every {_ORDINAL[spacing]}block)" for spacing, share in saved.items()),
            _at_least(saved["1"], PILOTS_SAVED),
            "where pilots tell delays apart the paths are found in them, with a twin or without",
        ),
        Goal(
            f"and {PILOTS_SAVED:.0%} over the estimators that knew no place before",
            ", ".join(f"{_share(share)} over `{name}`" for name, share in over.items()),
            all(_at_least(share, PILOTS_SAVED) for share in over.values()),
            "",
        ),
    ]


def _prediction() -> list[Goal]:
    goals = []
    for who, by_codec in load_figures("csi-prediction")["longer"].items():
        by_apart = by_codec["none"]
        goals.append(
            Goal(
                f"with a twin predictions last {LASTS_LONGER:g} times as long, {who}",
                ", ".join(
                    f"{ratio['together']:.1f} (reports {apart} slots apart)" for apart, ratio in by_apart.items()
                ),
                all(ratio["together"] >= LASTS_LONGER for ratio in by_apart.values()),
                "where paths turn little between two reports, reports alone tell how",
            )
        )
    return goals


def _costs() -> list[Goal]:
    figures = load_figures("codecs")["codecs"]
    time_ms = {name: figures[name]["costs"]["cpu_ms"] for name in (_DEFAULT, _FORMER)}
    share = time_ms[_DEFAULT] / time_ms[_FORMER]
    shown = ", ".join(f"`{name}` {each:.2f} ms" for name, each in time_ms.items())
    return [
        Goal(
            f"the default codec takes {TIME_SHARE:.0%} of the former one's time at most, in a batch of 256",
            f"{share:.0%}: {shown}",
            share <= TIME_SHARE,
            "its search takes one path after the other",
        ),
        Goal(
            "and is better than any other at equal bits",
            f"`{load_figures('codecs')['claims']['best_without_twin']}` is",
            load_figures("codecs")["claims"]["best_without_twin"] == _DEFAULT,
            "`path-net` needs fewer bits and takes longer",
        ),
        Goal(
            "on a GPU it takes a batch of 4,096 in one pass, without a loop over paths",
            _of_gpu(figures[_DEFAULT]["costs"]["gpu_ms"]),
            False,
            "the search is a loop over paths, each step of which takes the whole batch",
        ),
    ]


def _of_gpu(time_ms: float | None) -> str:
    return "not measured" if time_ms is None else f"{time_ms:.3f} ms a report"


def _at_least(share: float | None, wanted: float) -> bool:
    return share is not None and share >= wanted


def _share(share: float | None) -> str:
    return "out of range" if share is None else f"{share:.0%}"


def _number(value: float | None) -> str:
    return "out of reach" if value is None else f"{value:.0f}"


def _codes(names: Iterable[str]) -> str:
    return _listed(f"`{name}`" for name in names)


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)
