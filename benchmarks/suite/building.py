"""What building a site takes: time, processor and memory of a process of its own."""

from __future__ import annotations

import itertools
import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from twin_envs.world.building.builder import build


def alone(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What `work` returns in a process of its own, whose memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
        return process.submit(work, *arguments).result()


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far [MB]."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def building(name: str, root: Path) -> dict[str, Any]:
    """Build a site, and say what it took.

    Args:
        name: name of a shipped recipe, or path of one, `.toml`.
        root: folder of the site's folder.

    Returns:
        `pieces` that were traced; `seconds` of each part, by wall clock and of all cores together; `peak_memory_mb`.
    """
    marks: list[tuple[str, float, float]] = []

    def mark(piece: str) -> None:
        marks.append((piece, perf_counter(), process_time()))

    mark("survey")
    build(name, root=root, progress=lambda done, total, piece: mark(piece))
    mark("end")
    seconds: dict[str, dict[str, float]] = {}
    for (piece, wall, core), (_, wall_end, core_end) in itertools.pairwise(marks):
        part = seconds.setdefault(piece.rsplit("-", 2)[0], {"wall_s": 0.0, "core_s": 0.0})
        part["wall_s"] += wall_end - wall
        part["core_s"] += core_end - core
    traced = sum(piece not in ("survey", "tracks", "gap and latency", "end") for piece, *_ in marks)
    return {"pieces": traced, "seconds": seconds, "peak_memory_mb": peak_memory_mb()}
