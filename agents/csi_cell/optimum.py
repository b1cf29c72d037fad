"""The best that can be done for one UE, exactly: dynamic programming over the known future.

With one UE, Shannon's link and least-squares estimates, what a report yields depends on when it is made and on nothing
before it, and the environment's noise depends on the time alone. So every report time and every period from it can be
tried once in the environment itself, and the best sequence put together from behind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from gymnasium.utils import seeding

from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.settings import computing
from twin_envs.csi.nr.tdd import TddPattern
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS, CellConfig
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.envs.csi_cell.task import CsiTask
from twin_envs.envs.faces.face import draw_key

OPTIONS = {"num_ue": 1, "link": "shannon", "estimator": "ls", "csi_rs": "aperiodic", "csi_uplink_share": 1.0}
"""Options under which the optimum is exact."""


def optimal_return(seed: int, *, episode_slots: int, **options: object) -> float:
    """Largest return of the FeedbackInterval episode `seed` under `OPTIONS` and the given ones [bit/s/Hz].

    Raises:
        ConfigurationError: an option contradicts `OPTIONS`, or is unknown or outside its range.
    """
    for name in OPTIONS.keys() & options.keys():
        raise ConfigurationError(f"{name} must be {OPTIONS[name]!r} for the optimum to be exact, got {options[name]!r}")
    pattern = TddPattern(str(options.get("tdd_pattern", CellConfig.tdd_pattern)))
    slots = torch.arange(episode_slots)
    starts = np.append(0, slots[pattern.next_uplink(slots) == slots].numpy())
    actions = len(REPORT_PERIODS_SLOTS)
    count = len(starts) * actions
    envs = make_envs(
        "FeedbackInterval",
        count,
        episode_slots=episode_slots,
        **OPTIONS,
        **options,
    )
    cell, decode = cast(CsiCell, envs.core), cast(CsiTask, envs.task).actions.decode
    with computing(count):
        rows = torch.arange(count, device=cell.device)
        start = torch.from_numpy(starts).to(cell.device).repeat_interleave(actions)
        period = torch.tensor(REPORT_PERIODS_SLOTS, device=cell.device).repeat(len(starts))
        key = draw_key(seeding.np_random(seed)[0])
        cell.reset(rows, torch.full_like(rows, key))
        later = (start > 0).nonzero()[:, 0]
        cell.step(later, replace(decode(torch.zeros_like(later)), period_slots=start[later]))
        outcome = cell.step(rows, replace(decode(torch.zeros_like(rows)), period_slots=period))
        end_slots = start + outcome.elapsed_slots
        reward, following, over = (
            values.view(len(starts), actions).cpu().numpy()
            for values in (outcome.reward.double(), end_slots, outcome.truncated)
        )
    value = np.zeros(len(starts) + 1)
    for index in reversed(range(len(starts))):
        after = np.where(over[index], 0.0, value[np.searchsorted(starts, following[index])])
        value[index] = (reward[index] + after).max()
    return float(value[0])
