"""How far a piece of work is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.text import Text


class TellProgress(Protocol):
    """Called with what is being done, the share of it that is, and perhaps what else is worth telling."""

    def __call__(self, what: str, share: float, detail: str = "", /) -> None: ...


LOG_EVERY_S = 5.0
"""Least time between two lines of a log."""


@contextmanager
def progress(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[TellProgress]:
    """Show on `console` what is reported: share, time since the start, time to go, and what is being done.

    Several pieces of work may be reported one after the other. The time to go is that of the piece in work, as fast as
    it has been since its own first report: what an interrupted run has done before is not counted as fast work.

    Args:
        console: a terminal gets a bar; anything else gets the first report, then a line at most every `LOG_EVERY_S`
            seconds, and a last one.
        clock: seconds from any moment on; by default one that never goes back.
    """
    work = _Work(clock)
    if console.is_terminal:
        with Progress(BarColumn(), _State(work), console=console) as bars:
            task = bars.add_task("", total=1.0)

            def draw(what: str, share: float, detail: str = "", /) -> None:
                work.report(what, share, detail)
                bars.update(task, completed=work.share)

            yield draw
        return
    told_s = -float("inf")

    def tell(what: str, share: float, detail: str = "", /) -> None:
        nonlocal told_s
        work.report(what, share, detail)
        if clock() - told_s >= LOG_EVERY_S:
            told_s = clock()
            console.print(escape(work.state()), highlight=False, soft_wrap=True)

    yield tell
    console.print(f"done in {_duration(clock() - work.start_s)}", highlight=False)


class _Work:
    """What was reported last, and what follows for the time to go."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.start_s = clock, clock()
        self.what, self.share, self.detail = "", 0.0, ""
        self.first: tuple[float, float] | None = None
        self.last_s = self.start_s

    def report(self, what: str, share: float, detail: str) -> None:
        share = min(max(share, 0.0), 1.0)
        if what != self.what or share < self.share:
            self.first = (self.clock(), share)
        self.what, self.share, self.detail, self.last_s = what, share, detail, self.clock()

    def to_go_s(self) -> float | None:
        if self.first is None or self.share <= self.first[1]:
            return None
        since_s, before = self.first
        left_s = (self.last_s - since_s) * (1.0 - self.share) / (self.share - before)
        return max(left_s - (self.clock() - self.last_s), 0.0)

    def state(self) -> str:
        to_go_s = self.to_go_s()
        to_go = "-:--:--" if to_go_s is None else _duration(to_go_s)
        times = f"{_duration(self.clock() - self.start_s)} passed  {to_go} to go"
        return f"{self.share:4.0%}  {times}  {self.what}" + (f": {self.detail}" if self.detail else "")


class _State(ProgressColumn):
    """What the work's state is, anew whenever the bar is drawn."""

    def __init__(self, work: _Work) -> None:
        super().__init__()
        self.work = work

    def render(self, task: Task) -> Text:
        return Text(self.work.state(), overflow="fold")


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
