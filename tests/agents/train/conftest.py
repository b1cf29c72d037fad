"""The toy environment stands in for the real ones."""

import pytest
from toy_task import make_toys

from twin_envs.agents import train as training


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(training, "make_envs", make_toys)
    monkeypatch.setattr(training, "CURVE_EPISODES", 4)
