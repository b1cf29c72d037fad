"""What is printed where no terminal is, and how commands end."""

import io
import subprocess
import sys

import pytest

from twin_envs.base.console import new_console, new_table, telling_errors, telling_how_to_go_on
from twin_envs.base.errors import SiteError

LONG = "a-name-that-is-longer-than-any-terminal-is-wide" * 20


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_is_cut_or_broken_where_no_terminal_is(capsys):
    table = new_table("name", "number", title="Names", numbers=True)
    table.add_row(LONG, "1")
    console = new_console()
    console.print(LONG + " " + LONG)
    console.print(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{LONG} {LONG}"
    assert any(LONG in line for line in lines[1:])


def test_a_narrow_terminal_gets_the_whole_name_in_several_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    table = new_table("name")
    table.add_row(LONG)
    new_console().print(table)
    shown = "".join(line.strip("│ ") for line in terminal.getvalue().splitlines() if line.startswith("│"))
    assert shown == LONG
    assert "…" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SiteError("site '[/x]' is [red]"), "error: site '[/x]' is [red]\n"),
        (OSError(28, "No space left on device", "runs/x"), "error: runs/x: No space left on device\n"),
        (OSError("something else"), "error: something else\n"),
    ],
)
def test_an_error_that_is_expected_is_one_line_and_status_1(error, line, capsys):
    with pytest.raises(SystemExit, match="1"), telling_errors(SiteError):
        raise error
    assert capsys.readouterr().err == line


def test_an_error_that_is_not_expected_is_not_hidden():
    with pytest.raises(KeyError), telling_errors(SiteError):
        raise KeyError


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "full")])
def test_who_stops_the_work_is_told_how_to_go_on(stop, capsys):
    with pytest.raises(type(stop)), telling_how_to_go_on(lambda: "the same command [goes on]"):
        raise stop
    assert capsys.readouterr().err == "stopped; the same command [goes on]\n"


ASCII = r"""
import os
from twin_envs.base.console import new_console, telling_errors
with telling_errors():
    new_console().print("gr\xf6\xdfe", os.fsdecode("gr\xf6\xdfe".encode()), "\u2026")
    raise OSError(2, "is missing", "gr\xf6\xdfe")
"""


def test_under_an_ascii_locale_any_text_is_printed():
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run([sys.executable, "-c", ASCII], env=environment, capture_output=True, check=False)
    assert run.stdout.decode() == "größe größe …\n"
    assert run.stderr.decode() == "error: größe: is missing\n"
