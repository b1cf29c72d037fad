"""Cells with beams on a packaged site."""

import pytest
import torch

from twin_envs.envs.beams.cell import BeamCell, Sweep
from twin_envs.envs.beams.configuration import BeamConfig

SITE = "munich"
SMALL = {"site": SITE, "num_ue": 3, "episode_slots": 600, "beam_period_slots": 60, "link": "shannon"}


def _make(num_envs=6, periods_slots=(), **options):
    cell = BeamCell(BeamConfig(**{**SMALL, **options}), num_envs, torch.device("cpu"), periods_slots)
    cell.reset(torch.arange(num_envs), torch.arange(num_envs) + 1000)
    return cell


def _sweep(cell, size, centre=None, wait_slots=0):
    """A sweep of `size` beams about `centre`, by default the beam in use, in every environment."""
    known, rows = cell.known, torch.arange(cell.num_envs)
    centre = known.beam[rows, known.turn] if centre is None else torch.as_tensor(centre).expand(len(rows))
    beams = cell.codebook.swept(centre, torch.full_like(centre, size))
    return Sweep(beams=beams, at_slots=known.now_slots + wait_slots)


@pytest.fixture(scope="session")
def make_cell():
    """Makes a `BeamCell` of 6 environments whose episodes have begun; the same keys whatever the options."""
    return _make


@pytest.fixture(scope="session")
def sweep():
    """Makes a `Sweep`."""
    return _sweep
