"""The comparison with other simulators, on simulators whose speed is known."""

import itertools
import json
import sys

import gymnasium
import numpy as np
import pytest
from typer.testing import CliRunner

from twin_envs.benchmarks import peers


def ticking(monkeypatch, seconds):
    """Let every look at the clock be so much later than the one before, in turn."""
    times = itertools.accumulate(itertools.cycle(seconds))
    monkeypatch.setattr(peers, "perf_counter", lambda: next(times))


def stepped(steps, links, environments):
    return peers.Stepped(links=links, environments=environments, step=lambda: steps.append(1), version="1")


def test_links_a_second_are_steps_of_all_environments_times_links(monkeypatch):
    ticking(monkeypatch, [1.0])
    steps = []
    found = peers.measure({"a": stepped(steps, 7, 3)}, rounds=2, seconds=4.0)["a"]
    # The clock is looked at when a round begins and before each step: three steps, and the look that ends the round.
    assert len(steps) == 1 + 2 * 3
    assert found["steps_per_s"] == 3 * 3 / 4.0
    assert found["links_per_s"] == 7 * 3 * 3 / 4.0


def test_a_simulator_that_is_slower_than_a_round_takes_one_step(monkeypatch):
    ticking(monkeypatch, [1.0, 1.0, 50.0])
    steps = []
    peers.measure({"slow": stepped(steps, 1, 1)}, rounds=1, seconds=0.5)
    assert len(steps) == 1 + 1


@pytest.mark.parametrize("env", peers.OPPOSITES.values())
def test_ours_count_the_links_of_their_default_site(env):
    simulator = peers.ours(env, 2, seed=0)
    batch = gymnasium.make_vec(f"twin_envs/{env}-v1", num_envs=1)
    ues, aps = batch.core.config.num_ue, len(batch.core.recipe.access_points)
    assert simulator.links == {"ApAssociation": ues * aps, "FeedbackInterval": ues}[env]
    _, rewards, *_ = simulator.step()
    assert rewards.shape == (2,)
    assert np.isfinite(rewards).all()


def test_peers_that_are_not_installed_are_named(monkeypatch, tmp_path):
    for module in ("mobile_env", "linkgym"):
        monkeypatch.setitem(sys.modules, module, None)
    ticking(monkeypatch, [1.0])
    app = peers.typer.Typer()
    app.command()(peers.main)
    path = tmp_path / "peers.json"
    result = CliRunner().invoke(app, ["--quick", "--batch", "2", "--json", str(path)])
    assert result.exit_code == 0, result.output
    document = json.loads(path.read_text())
    assert set(document["figures"]["missing"]) == {"mobile-env", "linkgym"}
    assert document["figures"]["times_as_many_links"] == {}
    assert "pip install linkgym" in result.output
