"""The ways in which UEs may move.

A mobility is called with the site's routes, the number of environments and the number of UEs, and gives an object with
the methods and the `state` of `Motion`: `start(rows, kind=..., route=..., offset_m=..., ...)` begins trajectories, and
`at(rows, time_s)` tells positions and velocities at any time. Deriving from `Motion` and changing one of them is usual.
"""

from __future__ import annotations

from collections.abc import Callable

from twin_envs.base.registry import Registry
from twin_envs.world.motion import Motion, Routes

mobilities: Registry[Callable[[Routes, int, int], Motion]] = Registry(
    "mobility",
    "twin_envs.mobilities",
    takes=("routes", "num_envs", "num_ue"),
    routes="twin_envs.world.motion:Motion",
)
