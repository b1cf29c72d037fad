"""A report to read: `python -m benchmarks.report runs/decisions-FeedbackInterval.json --out runs/report.html`.

One HTML file with its pictures inside, made of what `benchmarks.decisions` wrote and of what the network knows of the
site; or of what `benchmarks.suite` wrote, see `suite_page`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from twin_envs.agents.core.policies import Array
from twin_envs.agents.train import CURVE_EPISODES
from twin_envs.base.commands import run_command
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.files import write_files
from twin_envs.benchmarks.report import markup, pictures, site_map, snapshot, suite, suite_page
from twin_envs.benchmarks.report.drawing import colours, frame_uri
from twin_envs.benchmarks.report.site_map import SiteMap
from twin_envs.envs.rendering.ground import style

_GAP = {
    "gain_mae_db": ("mean absolute error of the gain, links that both worlds serve", "{:.1f} dB"),
    "gain_rmse_db": ("root mean square error of the gain, the same links", "{:.1f} dB"),
    "best_ap_agreement": ("points at which both worlds have the same strongest AP", "{:.0%}"),
    "best_beam_agreement": ("links on which both worlds have the same strongest beam", "{:.0%}"),
    "coverage_mismatch": ("links that one world serves and the other does not", "{:.0%}"),
    "cosine_similarity": ("mean correlation of the two worlds' channels", "{:.2f}"),
}


def render(
    document: dict[str, Any],
    arrays: dict[str, Array],
    site: SiteMap | None = None,
    seen: tuple[str, Array] | None = None,
) -> str:
    """The report as HTML that needs no other file.

    Args:
        document: what `benchmarks.decisions` wrote: `figures` of one environment, and `provenance`.
        arrays: what it wrote beside, see `suite.figures.trace`.
        site: a map with an episode on it, for the environments in `site_map.MAPPED`.
        seen: a policy and a picture of an episode under it, for the others.

    Raises:
        ConfigurationError: `document` is not of this kind.
    """
    env, result = _only_environment(document)
    with style():
        sections = [
            ("Who does best", _scores(result)),
            *([("The site and an episode on it", _site(site))] if site else []),
            *([("An episode", _episode(*seen))] if seen else []),
            ("What the policies decide", _decisions(env, result, arrays)),
            *([("When the uplink is scarce", _uplink(result))] if "headroom_by_uplink" in result else []),
            *([("How near to the optimum", _one_ue(result["one_ue"]))] if "one_ue" in result else []),
            ("How agents learn", _learning(result)),
            ("What the twin is worth", _twin(result)),
            ("All numbers", _numbers(result)),
            ("Where this comes from", _origin(document["provenance"], result)),
        ]
    title = f"{env} on {result['site']['name']}"
    lead = (
        f"{result['question']} {len(result['policies'])} policies meet the same {result['episodes']} episodes in "
        "reality; none was trained or tuned on these."
    )
    body = "\n".join(markup.section(heading, text) for heading, text in sections if text)
    return markup.document(title, lead, f"{_tiles(result)}\n{body}")


def _only_environment(document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if not isinstance(document, dict) or document.get("benchmark") != "decisions" or len(document["figures"]) != 1:
        raise ConfigurationError("a report needs what `python -m benchmarks.decisions` wrote for one environment")
    return next(iter(document["figures"].items()))


def _tiles(result: dict[str, Any]) -> str:
    best, choice = result["policies"]["best-fixed"]["mean"], result["chosen"]["best-fixed"]["choice"]
    roles = result["roles"]
    tiles = [
        ("best fixed choice", choice, f"{best:.2f} bit/s/Hz; chosen on training episodes"),
        ("headroom", f"{result['headroom']:+.1%}", "oracle over best fixed choice"),
    ]
    rivals = [(roles["best_twin"], "best that knows the twin")] if roles["best_twin"] else []
    for name, label in (*rivals, *((name, "trained in the twin") for name in roles["trained"])):
        score = result["paired"][f"{name} - best-fixed"]
        low, mean, high = (score[key] / best for key in ("low", "mean", "high"))
        note = f"over best fixed choice; 95 % interval {low:+.1%} to {high:+.1%}"
        tiles.append((f"{label}: {name}", f"{mean:+.1%}", note))
    inner = "".join(
        f'<div class="tile"><dt>{label}</dt><dd>{value}<small>{note}</small></dd></div>'
        for label, value, note in (map(markup.escape, tile) for tile in tiles)
    )
    return f'<dl class="tiles">{inner}</dl>'


def _scores(result: dict[str, Any]) -> str:
    shown, tried = (
        sum(name in result["chosen"]["best-fixed"]["training_returns"] for name in result["policies"]),
        len(result["chosen"]["best-fixed"]["training_returns"]),
    )
    bars = (
        f"Mean net spectral efficiency over {result['episodes']} episodes (bars) with 95 % bootstrap intervals (thin "
        "lines). Pale bars are fixed choices, the same one whatever happens"
        + (f" (the {shown} best of {tried} on training episodes)" if shown < tried else "")
        + "; best-fixed is the one of them that did best on training episodes. The dashed line is the oracle, which "
        "plans with reality where others have reports and the twin. It is no bound: where planning falls short, "
        "another policy may earn more. Episodes differ far more than policies do, so the intervals overlap: compare "
        "policies below."
    )
    pairs = (
        "The same policies, compared episode by episode: mean difference and its 95 % bootstrap interval. A filled "
        "dot means that the interval excludes zero."
    )
    hues = colours(result["roles"])
    return markup.figure(pictures.scores(result["policies"], hues), bars) + markup.figure(
        pictures.differences(result["paired"], hues), pairs
    )


def _site(site: SiteMap) -> str:
    length_s = max(float(track.time_s.max(initial=0.0)) for track in site.tracks)
    caption = (
        f"Left: {site.name}, buildings in grey (darker is higher), APs as triangles with their boresight, the serving "
        f"AP in red. Colour on the streets: how strongly the twin believes that AP to be received; pale: not at all. "
        f"Upper right: where the UEs are, the dashed box enlarged. The lines are their tracks as sensed over "
        f"{length_s:.1f} s, ending at the number and coloured by the SNR that they reported. Lower right: when each of "
        "them reported, the slowest on top with its sensed speed, as the planner with the twin decided. This episode "
        "was run for the picture: longer than those that are scored, with walkers and vehicles."
    )
    return markup.figure(site_map.draw(site), caption)


def _episode(policy: str, frame: Array) -> str:
    caption = (
        f"What the network sees in the middle of the first evaluation episode, in which {policy} decides: UEs where "
        "they are believed to be, APs, whom they serve, and how strongly the twin believes them to be received."
    )
    return markup.image(frame_uri(frame), caption, frame.shape[1])


def _decisions(env: str, result: dict[str, Any], arrays: dict[str, Array]) -> str:
    text, shares, hues = "", result["action_shares"], colours(result["roles"])
    if all(shares.values()):
        caption = "How often each policy chose each action, over all decisions in the evaluation: a row is a policy."
        text += markup.figure(pictures.action_shares(shares, result["action_names"], hues), caption)
    if env == "FeedbackInterval":
        caption = (
            "Report period that each policy chose, against the UE's sensed speed: median (line) and quartiles (band) "
            "of all decisions in the evaluation, with and without line of sight according to the twin. A period "
            "shorter than the uplink can carry means “as soon as there is room”. Speeds at which a policy decided "
            f"fewer than {pictures.LEAST_DECISIONS} times are left out."
        )
        text += markup.figure(pictures.chosen_periods(arrays, list(shares), hues), caption)
    if "best_fixed_by_speed" in result:
        classes = result["best_fixed_by_speed"]
        caption = (
            "What UEs of each class of speed earn if all UEs of the cell report with one fixed period, relative to the "
            "best period for that class (star), on an uplink that carries every report: "
            + ", ".join(f"{entry['best_period_slots']} slots for {name}" for name, entry in classes.items())
            + "."
        )
        text += markup.figure(pictures.best_fixed_by_speed(classes), caption)
    return text


def _uplink(result: dict[str, Any]) -> str:
    caption = (
        "How much more than the best fixed period the oracle and the planner with the twin earn, against what the "
        "cell's uplink carries: from left to right one report in fewer and fewer slots. The best fixed period is "
        "chosen anew for each. Ratios of means, no intervals; those of the means are in the JSON."
    )
    return markup.figure(pictures.headroom(result["headroom_by_uplink"]), caption)


def _one_ue(figures: dict[str, Any]) -> str:
    best = max((name for name in figures if name.startswith("fixed-")), key=lambda name: figures[name])
    means = {
        "the optimum": figures["optimum"],
        "the oracle's planner, which reads reality": figures["oracle"],
        "the planner with the twin": figures["twin"],
        f"{best}, the best fixed choice in these episodes": figures[best],
    }
    text = (
        f"For one UE alone the best of all sequences of periods can be found exactly. Means over {figures['episodes']} "
        f"episodes with the options {json.dumps(figures['options'])}."
    )
    rows = [(name, f"{mean:.3f}", f"{mean / figures['optimum']:.1%}") for name, mean in means.items()]
    table = markup.table(("decisions of", "mean [bit/s/Hz]", "of the optimum"), rows, numbers_from=1)
    return f"<p>{markup.escape(text)}</p>\n{table}"


def _learning(result: dict[str, Any]) -> str:
    text = ""
    for name, card in result["trained"].items():
        caption = (
            f"{name}: mean return of the policy, without exploring, on the same {CURVE_EPISODES} training episodes "
            f"while it learns from {card['steps']:,} decisions in the world “{card['options']['world']}”. The twin is "
            "not reality, so these returns are not those of the first picture."
        )
        text += markup.figure(pictures.learning_curve(card["learning_curve"]), caption)
    return text


def _twin(result: dict[str, Any]) -> str:
    rows = [(_GAP[key][0], _GAP[key][1].format(value)) for key, value in result["gap"].items()]
    text = markup.table(("how far the twin is from reality", "value"), rows, numbers_from=1)
    if "codec" in result:
        caption = (
            "The CSI codec on channels of streets kept from its training: normalised mean square error (lower is "
            "better) and squared generalised cosine similarity (higher is better) against the codeword's length, in "
            f"the twin that it was trained on and in reality. By default, episodes use "
            f"{result['options']['codeword_bits']} bits."
        )
        text += markup.figure(pictures.codec(result["codec"]), caption)
    return text


def _numbers(result: dict[str, Any]) -> str:
    best = result["policies"]["best-fixed"]["mean"]
    ordered = sorted(result["policies"].items(), key=lambda item: -item[1]["mean"])
    keys = ("mean", "low", "high")
    policies = [(name, *(f"{s[key]:.3f}" for key in keys), f"{s['mean'] / best - 1:+.2%}") for name, s in ordered]
    paired = [(name, *(f"{s[key]:+.3f}" for key in keys)) for name, s in result["paired"].items()]
    unit = "[bit/s/Hz]"
    return markup.table(
        ("policy", f"mean {unit}", "low", "high", "over best-fixed"), policies, numbers_from=1
    ) + markup.table(("paired difference", f"mean {unit}", "low", "high"), paired, numbers_from=1)


def _origin(provenance: dict[str, Any], result: dict[str, Any]) -> str:
    first, last = result["evaluation_seeds"]
    facts = {
        **provenance,
        "options": result["options"],
        "evaluation_seeds": f"{first} to {last}",
        "training_seeds": "{} to {}".format(*result["training_seeds"]),
        "site": f"{result['site']['source']}. {result['site']['licence']}",
    }
    rows = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in facts.items()]
    return markup.table(("what", "value"), rows, code_from=1)


def write_report(results: Path, out: Path) -> None:
    """Write the report of what `benchmarks.decisions` wrote to `results` and beside it, or `benchmarks.suite` there.

    Raises:
        ConfigurationError: a file is missing or damaged.
    """
    document, arrays = read_results(results)
    if suite.is_suite(document):
        write_files({out: suite_page.render(document).encode()})
        return
    env, result = _only_environment(document)
    if env in site_map.MAPPED:
        site = site_map.collect(env, result["options"], result["evaluation_seeds"][0])
        text = render(document, arrays, site=site)
    else:
        text = render(document, arrays, seen=snapshot.picture(env, result))
    write_files({out: text.encode()})


def read_results(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """What `benchmarks.decisions` wrote to `path` and beside it, or `benchmarks.suite` there.

    Raises:
        ConfigurationError: a file is missing or damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if suite.is_suite(document):
            return document, {}
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            return document, dict(arrays)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} and the .npz beside it must come from benchmarks.decisions, or {path} from benchmarks.suite: "
            f"{error}"
        ) from None


def main(
    results: Annotated[
        Path,
        typer.Argument(help="JSON that benchmarks.decisions wrote, its .npz beside it; or that benchmarks.suite wrote"),
    ],
    out: Annotated[Path, typer.Option(help="the report")] = Path("runs/report.html"),
) -> None:
    """Make a report of what benchmarks.decisions or benchmarks.suite found."""
    write_report(results, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    run_command(main)
