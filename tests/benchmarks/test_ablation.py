"""What each quantity is worth to a policy, against policies that look at one quantity alone."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from twin_envs.agents.core.environments import make_envs
from twin_envs.benchmarks import ablation

OPTIONS = {"episode_slots": 200, "num_ue": 3}


TOLD_BY_THE_TWIN = {
    "ApSelection": {"twin_known", "twin_gain", "twin_gain_std", "twin_los_probability"},
    "ReportScheduling": {"known", "twin_los_probability", "twin_doppler_spread", "twin_coherence_time"},
    "FeedbackInterval": {
        "known", "twin_gain", "twin_gain_std", "twin_los_probability", "twin_delay_spread", "twin_delay_spread_std",
        "twin_departure_spread", "twin_arrival_spread", "twin_k_factor", "twin_doppler_spread",
        "twin_doppler_spread_std", "twin_coherence_time", "twin_coherence_bandwidth", "others_known",
        "others_coherence_time", "faster_ageing_others",
    },
    "BeamSelection": {"known", "twin_snr", "twin_los_probability"},
}  # fmt: skip


class Loudest:
    """Takes the AP that measured best, and nothing else into account."""

    def attach(self, network):
        self.network = network

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return observation[:, : self.network.aps].argmax(1), state


def test_quantities_hold_every_number_once_and_those_of_the_twin_together():
    for env in TOLD_BY_THE_TWIN:
        layout = make_envs(env, 1).observation_layout
        found = ablation.quantities(layout)
        twin = found.pop(ablation.TWIN)
        assert sorted(place for places in found.values() for place in places) == list(range(layout.size))
        assert len(found["time_left"]) == 1
        assert twin == sorted(place for name in found if name in TOLD_BY_THE_TWIN[env] for place in found[name])


def test_swapped_numbers_are_those_of_the_next_episode():
    seen = []

    class Looks:
        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            seen.append(observation)
            return observation[:, 0], state

    observation = np.arange(12.0).reshape(3, 4)
    before = observation.copy()
    ablation.Swapped(Looks(), [1, 3]).predict(observation)
    np.testing.assert_array_equal(observation, before)
    np.testing.assert_array_equal(seen[0][:, [0, 2]], before[:, [0, 2]])
    np.testing.assert_array_equal(seen[0][:, [1, 3]], before[[2, 0, 1]][:, [1, 3]])


@pytest.fixture
def loudest(monkeypatch):
    class Card:
        name = "loudest"

    monkeypatch.setattr(ablation, "load_trained", lambda env: (None, Card))
    monkeypatch.setattr(ablation, "Learned", Loudest)
    monkeypatch.setattr(ablation, "QUICK_EPISODES", 6)


def test_only_what_a_policy_looks_at_is_worth_something(loudest, tmp_path):
    path = tmp_path / "ablation.json"
    app = ablation.typer.Typer()
    app.command()(ablation.main)
    arguments = ["--env", "ApSelection", "--quick", "--options", json.dumps(OPTIONS), "--json", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(path.read_text())["figures"]["ApSelection"]
    assert figures["policy"] == "loudest"
    worth = figures["worth"]
    assert next(iter(worth)) == "measured_gain"  # the best first
    assert worth.pop("measured_gain")["low"] > 0.0
    assert all(told["mean"] == told["low"] == told["high"] == 0.0 for told in worth.values())
