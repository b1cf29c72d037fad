"""Numbers in prose: each one in the README or the documentation is in a committed result, rounded as it is shown.

A section says what it quotes in a comment such as `<!-- figures: audit/richness -->`: the result `audit.json`, of that
the part `richness`. A note on a result quotes that result, and a table of results all of its kind. What counts as a
number is one with a decimal point or a percentage. These are none: whatever is in code font or in a code block
(options, physical constants), clauses of a specification, sections of a book, and the confidence of an interval.
"""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
NOTES = ROOT / "docs" / "results" / "notes"
VERSIONS = ROOT / "docs" / "guides" / "works-with.md"
"""A page of version numbers, which another test compares with what was tried."""
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if page != VERSIONS)]
QUOTES = re.compile(r"<!-- figures: (.+?) -->")
TABLE = "<!-- table: overview -->"

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


def part(path):
    """All numbers of a part of a result, named as in `audit/richness`."""
    file, *keys = path.split("/")
    figures = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))["figures"]
    for key in keys:
        figures = figures[key]
    return list(leaves(figures))


def sections(text):
    """The parts of a page that begin with a heading, code blocks left out."""
    return re.split(r"^(?=#+ )", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)


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


def quoted(page, section):
    """Names of the results, or parts of them, that a section quotes."""
    names = [name for found in QUOTES.findall(section) for name in found.split(", ")]
    if page.parent == NOTES:
        names.append(f"decisions-{page.stem}")
    if TABLE in section:
        names += [file.stem for file in sorted(RESULTS.glob("decisions-*.json"))]
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_number_is_in_what_its_section_quotes(page):
    for section in sections(page.read_text(encoding="utf-8")):
        values = [value for name in quoted(page, section) for value in part(name)]
        assert unknown_numbers(section, values) == []


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
