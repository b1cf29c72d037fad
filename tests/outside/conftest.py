"""The registered environments before the tools of others; a warning of theirs fails."""

import pytest

from twin_envs.registration import ENVIRONMENTS, SIMULTANEOUS

OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}


def _ids(names):
    return [f"twin_envs/{name}-v0" for name in names]


def pytest_generate_tests(metafunc):
    for fixture, names in (("env_id", ENVIRONMENTS), ("simultaneous_id", SIMULTANEOUS)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, _ids(names))


@pytest.fixture(scope="session")
def options():
    """Options that make any environment small."""
    return OPTIONS
