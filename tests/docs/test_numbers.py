"""Numbers in prose: each one in the README or the documentation is in a committed result, rounded as it is shown.

What counts as a number is one with a decimal point or a percentage. These are none: whatever is in code font or in a
code block (options, physical constants), clauses of a specification, sections of a book, and the confidence of an
interval.
"""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
NOTES = ROOT / "docs" / "results" / "notes"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""Notes on a result quote that result alone; every other page may quote them all."""

SKIPPED = ("trained", "chosen", "options", "action_shares", "action_names", "roles", "site")
"""Parts of a comparison that nobody quotes: with them nearly every number would be found somewhere."""
EXEMPT = re.compile(
    r"```.*?```"
    r"|`[^`]*`"
    r"|<!--.*?-->"
    r"|\]\([^)]*\)"
    r"|\b(?:TS|TR) \d+\.\d+(?:-\d+)?(?:, (?:table |annex |figure )?[\dA-Z]+(?:\.\d+)*(?:-\d+)?)*"
    r"|\bsection \d+(?:\.\d+)*"
    r"|\b95 %(?= (?:bootstrap )?interval)",
    re.DOTALL,
)
NUMBER = re.compile(r"(?<![\w.\-])([+-]?)(\d[\d,]*(?:\.\d+)?)(\s?%)?(?![\w]|\.\d)")


def numbers(text):
    """Sign, digits and whether it is a percentage of every number in prose that has a point or is a percentage."""
    prose = EXEMPT.sub(" ", text)
    found = [match.groups() for match in NUMBER.finditer(prose)]
    return [(sign, digits, bool(percent)) for sign, digits, percent in found if percent or "." in digits]


def leaves(figures):
    """All numbers of a result, and what each policy earns over the best fixed choice."""
    if isinstance(figures, dict):
        policies = figures.get("policies", {})
        if "best-fixed" in policies:
            reference = policies["best-fixed"]["mean"]
            yield from (score["mean"] / reference - 1 for score in policies.values())
        for name, value in figures.items():
            if name not in SKIPPED:
                yield from leaves(value)
    elif isinstance(figures, list):
        for value in figures:
            yield from leaves(value)
    elif isinstance(figures, (int, float)):
        yield float(figures)


def known(files):
    return [value for file in files for value in leaves(json.loads(file.read_text(encoding="utf-8"))["figures"])]


def unknown_numbers(text, values):
    """Numbers in prose of `text` that none of `values` gives when it is rounded."""
    missing = []
    for sign, digits, percent in numbers(text):
        plain = digits.replace(",", "")
        decimals = len(plain.partition(".")[2])
        scale = 100.0 if percent else 1.0
        shown = {"+": 1.0, "-": -1.0}.get(sign)
        if not any(
            f"{abs(scale * value):.{decimals}f}" == plain and (shown is None or shown * value >= 0) for value in values
        ):
            missing.append(f"{sign}{digits}{' %' if percent else ''}")
    return missing


def results_of(page):
    if page.parent == NOTES:
        return [RESULTS / f"decisions-{page.stem}.json"]
    return sorted(RESULTS.glob("*.json"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_number_is_in_a_result(page):
    assert unknown_numbers(page.read_text(encoding="utf-8"), known(results_of(page))) == []


def test_a_number_that_is_in_no_result_is_found():
    text = "4.1 % over 10.52 (-0.07 to +0.30), 95 % interval, `0.5 ms`, TS 38.214, 5.1.3.1-2.\n```\n9.99\n```\n"
    assert unknown_numbers(text, [0.0412, 10.5163, -0.071]) == ["+0.30"]
    assert unknown_numbers(text, [0.0412, 10.5163, 0.071, 0.3]) == ["-0.07"]
    assert unknown_numbers(text, [0.05, 10.5163, -0.071, 0.3]) == ["4.1 %"]


def test_the_gain_over_the_best_fixed_choice_is_known():
    figures = {"policies": {"best-fixed": {"mean": 10.0}, "twin": {"mean": 10.5}}}
    assert unknown_numbers("5.0 % and +5.0 %", list(leaves(figures))) == []
    assert unknown_numbers("-5.0 %", list(leaves(figures))) == ["-5.0 %"]


def test_every_note_is_about_a_result():
    assert [note.name for note in NOTES.glob("*.md") if not (RESULTS / f"decisions-{note.stem}.json").exists()] == []
