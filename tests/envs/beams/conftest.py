"""Cells with beams on a packaged site."""

import pytest
import torch

from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.core import BeamCore, Sweep
from twin_envs.world.store.site import load_site

SMALL = {"site": "munich-28ghz", "num_ue": 3, "episode_slots": 3000, "cycle_slots": 960, "link": "shannon"}


def _make(num_envs=6, bursts_slots=(), **options):
    cell = BeamCore(BeamConfig(**{**SMALL, **options}), num_envs, torch.device("cpu"), bursts_slots)
    cell.reset(torch.arange(num_envs), torch.arange(num_envs) + 1000)
    return cell


def _beams(cell, size, centre=None):
    """`size` beams about `centre`, by default the beam in use, in every environment."""
    network, rows = cell.network, torch.arange(cell.num_envs)
    centre = network.nearest(rows, network.state.turn) if centre is None else torch.as_tensor(centre).expand(len(rows))
    return network.codebook.swept(centre, torch.full_like(centre, size))


def _swept(cell, size, centre=None, after=0):
    """The sweep of these beams, `after` slots after the burst's beginning."""
    beams = _beams(cell, size, centre)
    return lambda: Sweep(beams=beams, after_slots=after)


@pytest.fixture(scope="session")
def make_cell():
    """Makes a `BeamCore` of 6 environments whose episodes have begun; the same keys whatever the options."""
    return _make


@pytest.fixture(scope="session")
def beams():
    """The beams of a sweep in every environment, bool [N, E]."""
    return _beams


@pytest.fixture(scope="session")
def swept():
    """What `BeamCore.step` is given for a sweep in every environment."""
    return _swept


@pytest.fixture(scope="session")
def site():
    """The packaged site with beams."""
    return load_site("munich-28ghz")
