"""What pages of a report are made of: HTML with style and pictures inside, which needs no other file."""

from __future__ import annotations

import html
from collections.abc import Sequence

from matplotlib.figure import Figure

from twin_envs.benchmarks.report.drawing import figure_uri

_CSS = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1b1f24; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3.2rem 0 .6rem; padding-top: 1rem; border-top: 1px solid #d5d9de; }
p, figcaption { max-width: 46rem; }
.lead { color: #4b5563; font-size: 1.05rem; margin: 0 0 1.8rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: 1rem; margin: 0; }
.tile { border: 1px solid #d5d9de; border-radius: .5rem; padding: .8rem 1rem; }
.tile dt { color: #4b5563; font-size: .85rem; }
.tile dd { margin: .1rem 0 0; font-size: 1.55rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile small { display: block; color: #4b5563; font-size: .82rem; font-weight: 400; line-height: 1.35; }
figure { margin: 1.4rem 0 2rem; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #4b5563; font-size: .9rem; margin-top: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; margin: 1rem 0 1.6rem; }
th, td { padding: .3rem 1.1rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e8eaed; }
th { font-weight: 600; border-bottom-color: #9aa1ab; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
@media print { h2, figure, tr { break-inside: avoid; } main { padding: 0; } }
"""


def document(title: str, lead: str, body: str) -> str:
    """A page."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_CSS}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n"
        f'<p class="lead">{escape(lead)}</p>\n{body}\n</main>\n</body>\n</html>\n'
    )


def section(title: str, body: str) -> str:
    """A part of a page."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}</section>"


def figure(drawn: Figure, caption: str) -> str:
    """A picture with a caption."""
    return image(figure_uri(drawn), caption, float(drawn.get_size_inches()[0]) * 88)


def image(uri: str, caption: str, width_px: float) -> str:
    """A picture that there is as a URI."""
    return (
        f'<figure><img src="{uri}" alt="{escape(caption)}" style="width: {width_px:.0f}px">'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def table(
    headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers_from: int = 99, code_from: int = 99
) -> str:
    """A table.

    Args:
        headings: of the columns.
        rows: a text for each column.
        numbers_from: columns from here on hold numbers, and are aligned at the right.
        code_from: columns from here on hold code.
    """

    def cell(tag: str, index: int, value: str) -> str:
        kind = ' class="n"' if index >= numbers_from else ""
        text = f"<code>{escape(value)}</code>" if tag == "td" and index >= code_from else escape(value)
        return f"<{tag}{kind}>{text}</{tag}>"

    def row(tag: str, values: tuple[str, ...]) -> str:
        return "<tr>" + "".join(cell(tag, index, value) for index, value in enumerate(values)) + "</tr>\n"

    body = "".join(row("td", values) for values in rows)
    return f'<div class="scroll"><table>\n<thead>{row("th", headings)}</thead>\n<tbody>{body}</tbody></table></div>\n'


def escape(value: str) -> str:
    """A text as HTML has it."""
    return html.escape(value)
