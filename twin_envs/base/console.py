"""What commands print, on a terminal and into a file or a pipe."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_NO_LIMIT = 100_000
"""Characters in a line where no terminal says how wide it is."""

_AS_UTF8 = "twin_envs.as_utf8"


def _as_utf8(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end].encode("utf-8", "surrogateescape"), error.end


codecs.register_error(_AS_UTF8, _as_utf8)


def new_console(*, stderr: bool = False) -> Console:
    """A console; only a terminal has a width, so that into a file or a pipe every line is printed whole."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _NO_LIMIT)


def new_table(*headings: str, title: str | None = None, numbers: bool = False) -> Table:
    """A table in which nothing is cut; what is too long for a terminal goes on in the next line.

    Args:
        headings: of the columns.
        title: of the table.
        numbers: all columns but the first hold numbers, and so are aligned at the right.
    """
    table = Table(title=title)
    for index, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="right" if numbers and index else "left")
    return table


@contextmanager
def telling_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds, and what the system refuses (a full disk), are one line on stderr and exit status 1.

    What the encoding of the output does not have, under an ASCII locale say, is printed as UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_AS_UTF8)
    try:
        yield
        return
    except kinds as error:
        text = str(error)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    new_console(stderr=True).print(f"[red]error:[/] {escape(text)}", highlight=False, soft_wrap=True)
    sys.exit(1)


@contextmanager
def telling_how_to_go_on(how: Callable[[], str]) -> Iterator[None]:
    """If the work is stopped, by Ctrl-C or for want of disk space, say on stderr `how` one goes on with it."""
    try:
        yield
    except (KeyboardInterrupt, OSError):
        new_console(stderr=True).print(f"stopped; {escape(how())}", highlight=False, soft_wrap=True)
        raise
