"""Tables of the audit and of the studies of CSI networks, for the documentation: from `benchmarks/results`."""

from __future__ import annotations

from typing import Any

from twin_envs.benchmarks.report.tables import load_figures, markdown_table
from twin_envs.twin.registry import channel_twins

_CELLS = {
    "20": "`FeedbackInterval`, 20 slots",
    "40": "`FeedbackInterval`, 40 slots",
    "protocol": "`CsiProtocol`, 20 slots",
}


def knowledge() -> str:
    """By field of knowledge, how many percent of links lie within one and within two of its standard deviations."""
    sites = load_figures("audit")["knowledge"]
    kinds = {"raw": "twin alone", "learnt": "with its error"}
    fields = [name for name, value in next(iter(sites.values()))["raw"].items() if "within_1_std" in value]
    rows = [
        (
            f"`{field}`",
            *(
                f"{found[kind][field]['within_1_std']:.0%}, {found[kind][field]['within_2_std']:.0%}"
                for found in sites.values()
                for kind in kinds
            ),
        )
        for field in fields
    ]
    head = ("field", *(f"{shown}, `{site}`" for site in sites for shown in kinds.values()))
    return markdown_table(head, rows)


def estimation() -> str:
    """Errors of channel estimates by estimator, spacing and SNR of the pilots."""
    figures = load_figures("csi-estimation")
    rows = [
        (f"`{name}`", spacing, *(f"{error:.1f}" for error in by_snr))
        for spacing, errors in figures["nmse_db"].items()
        for name, by_snr in errors.items()
    ]
    return markdown_table(("estimator", "a pilot in every", *(f"{snr} dB" for snr in figures["snrs_db"])), rows)


def twin_errors() -> str:
    """Mean absolute error of each channel twin's gain by site, split and number of measured places."""
    return _by_places("mae_db", "{:.1f}")


def twin_intervals() -> str:
    """Which share of gains lies in each channel twin's 90 % interval, by site, split and number of measured places."""
    return _by_places("within_90", "{:.0%}")


def twin_claims() -> str:
    """Which share of links that are not served each channel twin knows of, by site, split and number of places."""
    return _by_places("claimed", "{:.0%}")


def _by_places(figure: str, shown: str) -> str:
    found = load_figures("twins")[figure]
    cases = [
        (split, site, places)
        for split, sites in next(iter(found.values())).items()
        for site, by_places in sites.items()
        for places in by_places
    ]
    head = ("site", "kept from the twin", "places", *(f"`{twin}`" for twin in found))
    rows = [
        (f"`{site}`", split, places, *(_shown(found[twin], (split, site, places), shown) for twin in found))
        for split, site, places in cases
    ]
    return markdown_table(head, rows)


def _shown(tree: dict[str, Any], keys: tuple[str, ...], shown: str) -> str:
    for key in keys:
        tree = tree.get(key, {})
    return "refused" if tree == {} else shown.format(tree)


def twin_staleness() -> str:
    """The error of twins' gains after drift, by how they were brought up to date, and when drift is told of."""
    figures = load_figures("twins-staleness")
    found = figures["mae_db"]
    cases = [(kind, count) for kind, by_count in next(iter(found["none"].values())).items() for count in by_count]
    shown = [kind if kind == "kept" else f"{kind}, {count}" for kind, count in cases]
    rows = []
    for drift, by_twin in found.items():
        for twin, by_kind in by_twin.items():
            links = figures["links_to_alarm"][drift][twin]
            rows.append(
                (
                    drift,
                    f"`{twin}`",
                    *(f"{by_kind[kind][count]:.1f}" for kind, count in cases),
                    f"{figures['alarms'][drift][twin]:.0%}",
                    "" if links is None else f"{links:.0f}",
                )
            )
    return markdown_table(("drift", "twin", *shown, "alarms", "links to alarm"), rows)


def twin_drift_scores() -> str:
    """What is earned with twins after drift, over that with the same twin commissioned then, by how they are kept."""
    figures = load_figures("twins-staleness")
    rows = []
    for drift, by_twin in figures["over_fresh"].items():
        for twin, by_kind in by_twin.items():
            for kind, by_count in by_kind.items():
                for count, over in by_count.items():
                    earned = figures["earned"][drift][twin][kind][count]["mean"]
                    told = f"{over['mean']:+.2f} ({over['low']:+.2f} to {over['high']:+.2f})"
                    rows.append((drift, f"`{twin}`", kind, count if int(count) else "none", f"{earned:.2f}", told))
    head = ("drift", "twin", "what is done", "places that reported", "return [bit/s/Hz]", "over no drift")
    return markdown_table(head, rows)


def twin_associations() -> str:
    """The share of the truly best access points' gain that each channel twin's choice keeps, and its speed."""
    figures = load_figures("twins")
    kept, speeds = figures["association"]["gain_kept"], figures["queries_per_second"]
    by_twin = {twin: by_places for twin, by_places in kept.items() if twin != "distance"}
    places = list(next(iter(by_twin.values())))
    rows = [
        (f"`{twin}`", *(f"{by_places[count]:.1%}" for count in places), f"{speeds[twin]:,.0f}")
        for twin, by_places in by_twin.items()
    ]
    rows.append(("by distance", *(f"{kept['distance']:.1%}" for _ in places), ""))
    return markdown_table(("chosen by", *(f"{count} places" for count in places), "links a second"), rows)


def twin_stages() -> str:
    """Mean absolute error of the gain of a network that has learnt from traced links, from measurements and both."""
    found = load_figures("twins-stages")["mae_db"]
    rows = [
        (f"`{site}`", split, places, *(f"{found[stage][split][site][places]:.1f}" for stage in found))
        for split, sites in found["synthetic"].items()
        for site, by_places in sites.items()
        for places in by_places
    ]
    return markdown_table(("site", "kept from the twin", "places", *found), rows)


def twin_fewer() -> str:
    """How many times as many places it takes to be as good without what was learnt from traced links."""
    found = load_figures("twins-stages")["fewer"]
    rows = [
        (f"`{site}`", split, *(_times(times) for times in by_places.values()))
        for split, sites in found.items()
        for site, by_places in sites.items()
    ]
    counts = next(iter(next(iter(found.values())).values()))
    return markdown_table(("site", "kept from the twin", *(f"{count} places" for count in counts)), rows)


def _times(found: dict[str, Any]) -> str:
    times = f"{found['times']:.1f}"
    return {"exact": times, "more": f"more than {times}", "less": f"{times} or less"}[found["bound"]]


def twin_federation() -> str:
    """By contender of the federation, errors of the gain and what happened to what clients sent."""
    figures = load_figures("twins-federation")
    rows = []
    for name, error_db in figures["mae_db"].items():
        low_db, high_db = figures["box_db"][name][1], figures["box_db"][name][3]
        tally = figures["tally"].get(name, {})
        mse = figures["mse_db2"].get(name)
        rows.append(
            (
                name,
                "" if mse is None else f"{mse[-1]:.0f}",
                f"{error_db:.1f}",
                f"{low_db:.1f} to {high_db:.1f}",
                *(str(tally[event]) if tally else "" for event in ("asked", "dropped", "refused", "bounded")),
            )
        )
    head = ("contender", "MSE [dB²]", "MAE [dB]", "middle half [dB]", "asked", "dropped", "refused", "bounded")
    return markdown_table(head, rows)


def twin_homes() -> str:
    """Mean absolute errors of UEs that stay in a region, there and elsewhere, with and without layers of their own."""
    figures = load_figures("twins-federation")
    rows = [(name, f"{home_db:.1f}", f"{figures['away_db'][name]:.1f}") for name, home_db in figures["home_db"].items()]
    return markdown_table(("network", "at home [dB]", "away [dB]"), rows)


def twin_completion() -> str:
    """By unknown share of the map and what is made of it, errors of the semantic twin's gains."""
    figures = load_figures("twins-completion")
    rows = []
    for share, by_map in figures["mae_db"].items():
        for name, by_count in by_map.items():
            right = figures["right"][share].get(name)
            shown = []
            for count, error in by_count.items():
                gained = figures["gained_db"][share][name][count]
                shown += [
                    "" if right is None else f"{right[count]['mean']:.0%}",
                    f"{error['mean']:.2f}",
                    "" if not gained["se"] else f"{gained['mean']:+.2f} ± {gained['se']:.2f}",
                ]
            rows.append((f"{float(share):.0%}", name, *shown))
    counts = next(iter(next(iter(figures["mae_db"].values())).values()))
    head = (f"{what}, {count} places" for count in counts for what in ("cells right", "MAE [dB]", "won back [dB]"))
    return markdown_table(("unknown", "map", *head), rows)


def twin_calibration(result: str = "twins-calibration") -> str:
    """Errors of gains by contender and measured places, as twins say them and when they know how wrong they are."""
    figures = load_figures(result)
    rows = []
    for part, told in (("", figures), ("its error known", figures["learnt"])):
        for name, by_count in told["mae_db"].items():
            shown = f"`{name}`" if name in channel_twins else name
            for count, error_db in by_count.items():
                rows.append(
                    (
                        f"{shown}, {part}" if part else shown,
                        count if int(count) else "none",
                        f"{error_db:.2f}",
                        f"{told['mae_known_db'][name][count]:.2f}",
                        *(f"{told[figure][name][count]:.0%}" for figure in ("missed", "claimed")),
                        f"{told['within_90'][name][count]:.0%}" if part else "",
                    )
                )
    head = (
        "twin",
        "measured places",
        "MAE [dB]",
        "of links it knows of [dB]",
        "missed",
        "claimed",
        "in its 90 % interval",
    )
    return markdown_table(head, rows)


def pilots_saved() -> str:
    """Which share of the pilots' energy an estimator saves over those that do not know the place."""
    found = load_figures("csi-estimation")["pilots_saved"]
    rivals = list(next(iter(found["twin-net-1m"].values())))
    rows = []
    for name, by_spacing in found.items():
        for spacing, saved in by_spacing.items():
            rows.append((f"`{name}`", spacing, *(_saved(saved, rival) for rival in rivals)))
    return markdown_table(("estimator", "a pilot in every", *(f"over `{rival}`" for rival in rivals)), rows)


def _saved(saved: dict[str, float | None], rival: str) -> str:
    if rival not in saved:
        return ""
    share = saved[rival]
    return "out of range" if share is None else f"{share:.0%}"


def lasting() -> str:
    """How long a prediction lasts, by who moves, codec, time between reports and predictor."""
    lasts = load_figures("csi-prediction")["lasts_slots"]
    rows = [
        (who, f"`{codec}`" if codec != "none" else "none", apart, *(f"{age:.1f}" for age in by_name.values()))
        for who, by_codec in lasts.items()
        for codec, by_apart in by_codec.items()
        for apart, by_name in by_apart.items()
    ]
    names = next(iter(next(iter(next(iter(lasts.values())).values())).values()))
    return markdown_table(("UE", "codec", "slots between reports", *(f"`{name}`" for name in names)), rows)


def lasting_longer() -> str:
    """How many times as long predictions last with the twin, by who moves, codec and time between reports."""
    figures = load_figures("csi-prediction")
    rows = [
        (
            who,
            f"`{codec}`" if codec != "none" else "none",
            apart,
            f"{ratio['together']:.2f}",
            f"{ratio['mean']:.2f} ± {ratio['se']:.2f}",
            f"{_times_as_long(figures['lasts_held_out'][who][codec][apart]):.2f}",
        )
        for who, by_codec in figures["longer"].items()
        for codec, by_apart in by_codec.items()
        for apart, ratio in by_apart.items()
    ]
    head = ("UE", "codec", "slots between reports", "all links", "mean of five draws", "held-out links")
    return markdown_table(head, rows)


def _times_as_long(lasts: dict[str, float]) -> float:
    """The longest age with the twin over the longest without."""
    aided = [age for name, age in lasts.items() if name.startswith("twin-")]
    return max(aided) / max(age for name, age in lasts.items() if not name.startswith("twin-"))


def twin_alone() -> str:
    """What the twin knows of channels without any report, by who moves and position error."""
    rows = [
        (who, f"{error_m} m", f"{found['similarity']:.2f}", f"{found['rate_share']:.0%}")
        for who, by_error in load_figures("csi-prediction")["twin_alone"].items()
        for error_m, found in by_error.items()
    ]
    return markdown_table(("UE", "position error", "squared correlation", "share of the rate"), rows)


def predicting_cells() -> str:
    """Net spectral efficiency of cells by codec and predictor, and what is gained over holding reports."""
    figures = load_figures("csi-prediction")["cell"]
    predictors = next(iter(next(iter(figures.values()))["codecs"].values()))
    rows = []
    for name, compared in figures.items():
        for codec, by_predictor in compared["codecs"].items():
            shown = [
                f"{row['return']:.2f}" + ("" if each == "hold" else f" ({row['gain']:+.2f} ± {row['gain_se']:.2f})")
                for each, row in by_predictor.items()
            ]
            rows.append((_CELLS[name], f"`{codec}`", *shown))
        rows.append(
            (
                _CELLS[name],
                "all channels known at all times",
                f"{compared['ageless']:.2f}",
                *[""] * (len(predictors) - 1),
            )
        )
    return markdown_table(("cell", "codec", *(f"`{name}`" for name in predictors)), rows)


def sensing() -> str:
    """What each set of sensors is worth, by environment: errors, what they are told to be, knowledge and score."""
    found = load_figures("sensing")
    parts = []
    for env, own in found.items():
        policies = list(own["score"])
        rows = [
            (
                f"`{sensors}`",
                f"{values['position_m_50']:.2f} m, {values['position_m_90']:.2f} m",
                f"{values['velocity_m_s_50']:.2f} m/s",
                f"{values['nees']:.2f} +- {values['nees_standard_error']:.2f}",
                "{gain_db:.1f} dB, {gain_beyond_true_db:.1f} dB".format(**own["knowledge"][sensors]),
                "{azimuth_deg:.2f}, {azimuth_beyond_true_deg:.2f}".format(**own["knowledge"][sensors]),
                *(_paired(own["score"][name][sensors]) for name in policies),
            )
            for sensors, values in own["sensing"].items()
        ]
        head = (
            f"`{env}`",
            "position, 50 % and 90 %",
            "velocity, 50 %",
            "NEES (4)",
            "gain: off reality, off the true place's",
            "departure, degrees, the same",
            *(f"`{name}`" for name in policies),
        )
        parts.append(markdown_table(head, rows))
    return "\n\n".join(parts)


def _paired(score: dict[str, dict[str, float]]) -> str:
    own, paired = score["return"], score["paired"]
    return f"{own['mean']:.3f} ({paired['mean']:+.3f}, {paired['low']:+.3f} to {paired['high']:+.3f})"
