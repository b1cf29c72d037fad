"""Progress in a log: plain lines, not too many, with the time to go."""

import io

from rich.console import Console

from twin_envs.base.progress import LOG_EVERY_S, progress


class Clock:
    now_s = 50.0

    def __call__(self):
        return self.now_s


def logged(reports):
    """The lines that reports make, each so many seconds after the one before."""
    clock, console = Clock(), Console(file=io.StringIO(), width=500)
    with progress(console, clock) as report:
        for after_s, *what in reports:
            clock.now_s += after_s
            report(*what)
    return console.file.getvalue().splitlines()


def test_a_log_has_share_time_passed_time_to_go_and_what_is_done():
    assert logged([(0, "tracing [x]", 0.0), (30, "tracing [x]", 0.25, "[/y]"), (3600, "tracing [x]", 0.5)]) == [
        "  0%  0:00:00 passed  -:--:-- to go  tracing [x]",
        " 25%  0:00:30 passed  0:01:30 to go  tracing [x]: [/y]",
        " 50%  1:00:30 passed  1:00:30 to go  tracing [x]",
        "done in 1:00:30",
    ]


def test_a_log_has_a_line_at_most_every_few_seconds():
    lines = logged([(LOG_EVERY_S / 10, "stepping", step / 1000) for step in range(1000)])
    assert 100 <= len(lines) <= 102
    assert lines[0].endswith("stepping")


def test_what_an_interrupted_run_has_done_is_not_counted_as_fast_work():
    *_, last, _ = logged([(0, "surveying", 0.0), (5, "tracing", 0.8), (60, "tracing", 0.9)])
    assert "0:01:00 to go" in last


def test_each_piece_of_work_has_its_own_time_to_go():
    lines = logged(
        [(0, "fast", 0.0), (10, "fast", 1.0), (10, "slow", 0.0), (50, "slow", 0.5), (10, "slow", 0.1), (9, "slow", 0.2)]
    )
    assert [line[22:29] for line in lines[:-1]] == ["-:--:--", "0:00:00", "-:--:--", "0:00:50", "-:--:--", "0:01:12"]


def test_a_terminal_gets_a_bar_that_tells_the_same():
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress(console, clock) as report:
        report("tuning", 0.0)
        clock.now_s += 30
        report("tuning", 0.25, "[red]")
    shown = console.file.getvalue()
    assert "25%" in shown
    assert "0:01:30 to go  tuning: [red]" in shown
    assert "━" in shown
