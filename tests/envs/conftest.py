"""Cells on the packaged site, and whole episodes in them."""

from functools import lru_cache

import pytest
import torch

from twin_envs.envs.csi_cell.actions import Decision
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.world.store.site import load_site

SMALL = {
    "num_ue": 3,
    "episode_slots": 240,
    "csi_rs": "aperiodic",
    "csi_uplink_share": 1.0,
    "link": "shannon",
    "scheduler": "all",  # so that what a UE gets follows from channels alone
}
TERMS = ("delivered", "pilot_cost", "feedback_cost", "reward", "elapsed_slots")


def _make_cell(num_envs=12, **options):
    cell = CsiCell(CellConfig(**{**SMALL, **options}), num_envs, torch.device("cpu"))
    cell.reset(torch.arange(num_envs), torch.arange(num_envs) + 1000)
    return cell


def _decide(cell, period_slots, spacing=1):
    """The decision for any number of environments: one period and pilot spacing for all, or one each."""
    period_slots = torch.as_tensor(period_slots)
    shape = period_slots.shape or (1,)
    return Decision(
        period_slots=period_slots.expand(shape),
        ports=torch.full(shape, cell.network.grid.antennas),
        spacing=torch.as_tensor(spacing).expand(shape),
        codeword_bits=torch.full(shape, cell.config.codeword_bits),
        dmrs_additional=torch.full(shape, cell.config.dmrs_additional),
    )


@lru_cache(maxsize=64)
def _play(period_slots, spacing=1, **options):
    with torch.inference_mode():
        cell = _make_cell(**options)
        rows = torch.arange(cell.num_envs)
        totals = {term: torch.zeros(len(rows), dtype=torch.float64) for term in TERMS}
        totals["reports"] = torch.zeros(len(rows))
        while len(rows):
            outcome = cell.step(rows, _decide(cell, period_slots, spacing))
            told = {**outcome.info, "reward": outcome.reward}
            for term in TERMS:
                totals[term][rows] += told[term].double()
            totals["reports"][rows] += ~outcome.truncated
            rows = rows[~outcome.truncated]
    return totals


@pytest.fixture(scope="session")
def make_cell():
    """Makes a `CsiCell` of 12 environments whose episodes have begun; the same keys whatever the options."""
    return _make_cell


@pytest.fixture(scope="session")
def decide():
    """Makes a `Decision`."""
    return _decide


@pytest.fixture(scope="session")
def play():
    """Plays an episode with one period and pilot spacing in 12 environments; sums [12] of its terms by name."""
    return _play


@pytest.fixture(scope="session")
def site():
    """The packaged site."""
    return load_site("munich")


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield
