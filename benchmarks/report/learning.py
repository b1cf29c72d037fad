"""What has learnt in the twin, beside the planner and the rule: a table."""

from __future__ import annotations

from collections.abc import Mapping

from twin_envs.benchmarks.report.tables import RESULTS, load_document, markdown_table, score_text

_PREFIX = "learning-"
_NAMES = {
    "rule": "tuned rule",
    "planner": "the twin's planner",
    "dagger": "DAgger, taught by it in the twin",
    "ppo": "PPO in the twin",
    "dagger-ppo": "PPO from there on",
}


def learning() -> str:
    """A line for each policy of each environment that was compared."""
    rows = []
    for path in sorted(RESULTS.glob(f"{_PREFIX}*.json")):
        ((env, result),) = load_document(path.stem)["figures"].items()
        for name, score in result["policies"].items():
            card = result["trained"].get(name)
            over = [_percent(result[f"over_{rival}"].get(name)) for rival in ("planner", "rule")]
            told = f"{card['steps']:,}" if card else ""
            ms = result["ms_per_decision"][name]
            rows.append((f"`{env}`", _NAMES.get(name, name), told, score_text(score), *over, f"{ms:.2g}"))
    head = ("environment", "policy", "decisions learnt from", "bit/s/Hz", "over the planner", "over the rule", "ms")
    return markdown_table(head, rows)


def _percent(share: Mapping[str, float] | None) -> str:
    """A share with its interval, in per cent."""
    return "" if share is None else f"{share['mean']:+.1%} ({share['low']:+.1%} to {share['high']:+.1%})"
