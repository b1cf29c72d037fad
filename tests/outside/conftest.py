"""The registered environments before the tools of others; a warning of theirs fails."""

import pytest
from ids import ENVIRONMENTS, SIMULTANEOUS

OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}
QUICK_CYCLE = {"cycle_slots": 96, "burst_slots": 2}
"""Lets many bursts into so short an episode."""


def _ids(names):
    return [f"twin_envs/{name}-v1" for name in names]


def pytest_generate_tests(metafunc):
    for fixture, names in (("env_id", ENVIRONMENTS), ("simultaneous_id", SIMULTANEOUS)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, _ids(names))


@pytest.fixture
def options(request):
    """Options that make any environment small."""
    fixture = "env_id" if "env_id" in request.fixturenames else "simultaneous_id"
    quick = any(name in request.getfixturevalue(fixture) for name in ("BeamSelection", "TwinFidelity"))
    return {**OPTIONS, **(QUICK_CYCLE if quick else {})}
