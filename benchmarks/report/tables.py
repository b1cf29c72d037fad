"""Figures as Markdown tables, for the README and the documentation: from `benchmarks/results` and sites' manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""Where the results are that a release quotes."""
_PREFIX = "decisions-"
_HEADROOMS = ("headroom_by_uplink", "headroom_by_opportunities")
_STUDIES = {
    "headroom_by_uplink": "By the share of the uplink that is for CSI",
    "headroom_by_opportunities": "By what the uplink has for CSI, and by who the UEs are",
    "one_ue": "One UE alone, where the optimum is known exactly",
    "gain_kept": "Share of the gain of the truly best APs that a choice keeps",
    "mean_by_deadline": "By length of the burst [slots]",
}
"""The studies that are told in a table, and what of; the JSON holds the others, too."""


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def result_names() -> list[str]:
    """Names of the comparisons in `RESULTS`, such as `FeedbackInterval` and `CsiProtocol-144`."""
    return sorted(path.stem.removeprefix(_PREFIX) for path in RESULTS.glob(f"{_PREFIX}*.json"))


def load_document(name: str) -> dict[str, Any]:
    """The committed result `name`: its `benchmark`, `provenance` and `figures`."""
    document: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def load_figures(name: str) -> dict[str, Any]:
    """The figures of the committed result `name`."""
    figures: dict[str, Any] = load_document(name)["figures"]
    return figures


def load_result(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Environment, figures and provenance of the comparison `name`, one of `result_names`."""
    document = load_document(f"{_PREFIX}{name}")
    ((env, figures),) = document["figures"].items()
    return env, figures, document["provenance"]


def score_text(score: Mapping[str, float] | float) -> str:
    """A number, or a mean with its interval."""
    if isinstance(score, Mapping):
        return f"{score['mean']:.2f} ({score['low']:.2f} to {score['high']:.2f})"
    return f"{score:.2f}" if isinstance(score, float) else f"{score}"


def difference(score: Mapping[str, float]) -> str:
    """A difference with its interval."""
    return f"{score['mean']:+.2f} ({score['low']:+.2f} to {score['high']:+.2f})"


def best_without_the_twin(figures: Mapping[str, Any]) -> str:
    """Of the policies that nobody trained and that read neither the twin nor reality, the one that earns most."""
    roles, policies = figures["roles"], figures["policies"]
    others = {*roles["twins"], *roles["trained"]}
    rivals = [name for name in policies if name not in others and not name.startswith("oracle")]
    return max(rivals, key=lambda name: (policies[name]["mean"], name == "best-fixed"))


def overview(environments: Mapping[str, str]) -> str:
    """What the twin is worth in each environment.

    Args:
        environments: what the first column says of each, by the environments' names; those without a result are left
            out.
    """
    head = ("environment", "best fixed", "best without the twin", "with the twin", "oracle", "the twin adds")
    rows = []
    for name, shown in environments.items():
        if name in result_names():
            _, figures, _ = load_result(name)
            policies, twin, rival = figures["policies"], figures["roles"]["best_twin"], best_without_the_twin(figures)
            fixed, without, planned, oracle = (policies[of]["mean"] for of in ("best-fixed", rival, twin, "oracle"))
            means = [f"{fixed:.2f}", f"{without:.2f} ({rival})", f"{planned:.2f} ({twin})", f"{oracle:.2f}"]
            rows.append([shown, *means, difference(_margin(figures, twin, rival))])
    return markdown_table(head, rows)


def _margin(figures: Mapping[str, Any], twin: str, rival: str) -> Mapping[str, float]:
    """By how much the best twin policy beats another one: as the page of the result tells it, if it does."""
    pair = f"{twin} - {rival}"
    return figures["paired"][pair] if pair in figures["paired"] else figures["twin_margins"][rival]


def comparison(name: str) -> str:
    """All that is told of a comparison: how it was made, what each policy earned, paired differences and studies."""
    _, figures, provenance = load_result(name)
    parts = [_setting(name, figures, provenance), "## What each policy earns", _policies(figures)]
    parts += ["## On the same episodes", _paired(figures)]
    for study, title in _STUDIES.items():
        if study in figures:
            parts += [f"## {title}", _study(study, figures[study])]
    return "\n\n".join(parts)


def _setting(name: str, figures: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    arguments, gap = provenance["arguments"], figures["gap"]
    options = json.loads(arguments["options"])
    first, last = figures["evaluation_seeds"]
    rows = [
        ("episodes", f"{figures['episodes']}, with the seeds {first} to {last}"),
        ("site", f"`{figures['site']['name']}`"),
        ("options", f"`{json.dumps(options)}`" if options else "the defaults"),
        (
            "gap of the twin",
            f"gain MAE {gap['gain_mae_db']:.1f} dB, same best AP at {gap['best_ap_agreement']:.0%} of the points, "
            f"same best beam on {gap['best_beam_agreement']:.0%} of the links",
        ),
        ("headroom", f"{figures['headroom']:.1%}: oracle over best fixed"),
        ("commit", f"`{provenance['commit']}`"),
        ("file", f"`benchmarks/results/{_PREFIX}{name}.json`"),
    ]
    return markdown_table(("", ""), rows)


def _policies(figures: Mapping[str, Any]) -> str:
    """Policies from worst to best, of the fixed choices the chosen one; and what the link lost, where that is told."""
    policies, chosen, link = figures["policies"], figures["chosen"], figures.get("link", {})
    reference = policies["best-fixed"]["mean"]
    shown = {name: policies[name] for name in ("random", "best-fixed", *figures["roles"]["rivals"])}
    rows = []
    for name, score in sorted(shown.items(), key=lambda item: item[1]["mean"]):
        constant = f" ({chosen[name]['choice']})" if name in chosen else ""
        lost = [f"{link[name][of]:.1%}" for of in ("bler", "outage")] if link else []
        rows.append([f"{name}{constant}", score_text(score), f"{score['mean'] / reference - 1:+.1%}", *lost])
    head = ["policy (what was chosen on training seeds)", "mean, 95 % interval [bit/s/Hz]", "over best fixed"]
    return markdown_table([*head, "transport blocks lost at first", "UEs in outage"] if link else head, rows)


def _paired(figures: Mapping[str, Any]) -> str:
    rows = [(pair.replace(" - ", " over "), difference(score)) for pair, score in figures["paired"].items()]
    return markdown_table(("policies", "mean, 95 % interval [bit/s/Hz]"), rows)


def _study(study: str, figures: Mapping[str, Any]) -> str:
    if study == "one_ue":
        rows = [(name, f"{value:.3f}") for name, value in figures.items() if isinstance(value, float)]
        return markdown_table(("decisions of", "mean [bit/s/Hz]"), rows)
    if study in _HEADROOMS:
        return _grid(
            {
                label: {**{name: score_text(score) for name, score in by["policies"].items()}, "headroom": _share(by)}
                for label, by in figures.items()
            }
        )
    if study == "gain_kept":
        return _grid({name: {"kept": f"{by['kept']['mean']:.1%}"} for name, by in figures.items()})
    return _grid({name: {label: score_text(value) for label, value in by.items()} for name, by in figures.items()})


def _share(by: Mapping[str, Any]) -> str:
    return f"{by['headroom']:.1%}"


def _grid(cells: Mapping[str, Mapping[str, str]]) -> str:
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    rows = [[name, *(row.get(column, "") for column in columns)] for name, row in cells.items()]
    return markdown_table(("", *columns), rows)


def load_budgets() -> dict[str, dict[str, Any]]:
    """How decisions fare against their budgets, by environment, as `benchmarks.budget` wrote it."""
    files = sorted(RESULTS.glob("budget-*.json"))
    return {env: told for file in files for env, told in load_figures(file.stem).items()}


def budgets() -> str:
    """What is to be gained in each environment at each value of its budget, and what the twin gains."""
    rows = []
    for env, budget in load_budgets().items():
        for value, point in zip(budget["values"], budget["points"], strict=True):
            policies, twin = point["policies"], point["best_twin"]
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.0%}"
            means = [f"{policies[name]['mean']:.2f}" for name in ("best-fixed", point["reference"], twin, "oracle")]
            adds = difference(point["twin_margins"]["best-fixed"])
            rows.append((f"`{env}`", f"`{budget['option']}` {shown}", *means, f"{point['headroom']:.1%}", adds))
    head = (
        "environment",
        "budget",
        "best fixed",
        "rule",
        "with the twin",
        "oracle",
        "headroom",
        "twin over best fixed",
    )
    return markdown_table(head, rows)


def figures_of(name: str) -> str:
    """All numbers of another result in `RESULTS`, such as `speed`, row by row; of long lists the ends alone."""
    return markdown_table(("figure", "value"), _rows(load_figures(name), ""))


def _rows(figures: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    rows = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{name}: ")
        else:
            shown = f"{_number(value[0])} to {_number(value[-1])}" if isinstance(value, list) else _number(value)
            rows.append((f"{prefix}{name}", shown))
    return rows


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def sites(folders: Iterable[Path]) -> str:
    """The gap of every twin world of built sites, and how long it takes to ask it live.

    Args:
        folders: of the sites.
    """
    rows = []
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for world, gap in manifest["gap"].items():
            latency_s = manifest.get("latency_s", {}).get(world)
            rows.append(
                (
                    f"`{folder.name}`",
                    f"`{world}`",
                    f"{gap['gain_mae_db']:.1f} dB",
                    f"{gap['coverage_mismatch']:.0%}",
                    f"{gap['best_ap_agreement']:.0%}",
                    f"{gap['best_beam_agreement']:.0%}",
                    f"{gap['cosine_similarity']:.2f}",
                    "" if latency_s is None else f"{1e3 * latency_s:.0f} ms",
                )
            )
    head = ("site", "twin", "gain MAE", "coverage mismatch", "best AP", "best beam", "cosine similarity", "asked live")
    return markdown_table(head, rows)


def built_sites() -> str:
    """What recipes took to build, and what they have: time, memory, disk, links, and the gap of the twin."""
    rows = []
    for name, site in load_figures("sites").items():
        gap, worlds = site["gap"]["twin"], site["worlds"]
        rows.append(
            (
                f"`{name}`",
                f"{site['aps']}",
                f"{site['grid_points']:,}",
                f"{len(worlds)}",
                f"{site['core_s'] / 60:.1f} min",
                f"{site['building']['peak_memory_mb']:,.0f} MB",
                f"{site['disk_mb']:.1f} MB",
                *(f"{worlds[world]['links_served']:,}" for world in ("reality", "twin")),
                f"{gap['gain_mae_db']:.1f} dB",
                f"{gap['coverage_mismatch']:.0%}",
                f"{gap['best_ap_agreement']:.0%}",
            )
        )
    head = ("site", "APs", "grid points", "worlds", "time of a core", "memory", "on disk", "links served in reality")
    return markdown_table((*head, "in the twin", "gain MAE", "coverage mismatch", "best AP"), rows)


def codecs(folders: Iterable[Path]) -> str:
    """NMSE and SGCS of the codecs of built sites by world and codeword length [bits].

    Args:
        folders: of the sites.
    """
    rows = []
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for file, entry in manifest["files"].items():
            for world, scores in entry.get("scores", {}).items():
                shown = [f"{score['nmse_db']:.1f} dB ({score['sgcs']:.2f})" for score in scores.values()]
                rows.append((f"`{folder.name}`", f"`{Path(file).stem}`", f"`{world}`", *shown))
                lengths = list(scores)
    return markdown_table(("site", "codec", "world", *(f"{length} bit" for length in lengths)), rows)
