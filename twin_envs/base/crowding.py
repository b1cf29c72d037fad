"""Whether threads of this process that share their work are held up, because others want the same processors.

Threads that share an operation wait for the last of them. Where the system takes the processor from one of them, all
stand still until it gets one again, operation after operation: beside busy processes a step took ten times as long with
two threads as with one. The system counts how often it took a processor from a process that would have gone on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

try:
    import resource
except ImportError:  # Windows does not count
    resource = None  # type: ignore[assignment]

LEAST_PREEMPTIONS = 3
"""Fewer in a section say nothing."""
PREEMPTIONS_PER_S = 25.0
"""Threads were held up if they lost their processors more often than this. Alone on a machine they hardly ever do;
beside one busy process for each of its processors, 60 to 100 times a second."""
PAUSE, LONGEST_PAUSE_S = 20.0, 120.0
"""So many times as long as a section that was held up, those after it compute with one thread. So trying whether the
processors are free again costs a twentieth of the time."""


def preemptions() -> int:
    """How often the system has taken a processor from this process; 0 where it does not count."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class Crowding:
    """What is known of it.

    Args:
        clock: time [s].
        count: how often a processor was taken away.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, count: Callable[[], int] = preemptions) -> None:
        self._clock, self._count, self._until = clock, count, float("-inf")

    @property
    def now(self) -> bool:
        """Whether to compute with one thread for the present."""
        return self._clock() < self._until

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at what happens to threads that share the work within."""
        start, before = self._clock(), self._count()
        try:
            yield
        finally:
            end, lost = self._clock(), self._count() - before
            if lost >= LEAST_PREEMPTIONS and lost > PREEMPTIONS_PER_S * (end - start):
                self._until = max(self._until, end + min(PAUSE * (end - start), LONGEST_PAUSE_S))


crowding = Crowding()
"""That of this process."""
