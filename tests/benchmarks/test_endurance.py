"""What the endurance run counts."""

import mmap

import numpy as np

from twin_envs.agents.core.environments import make_envs
from twin_envs.benchmarks.endurance import endure

OPTIONS = {"num_ue": 2, "episode_slots": 100}


def run(envs, steps=60):
    return endure(envs, steps, 0, lambda what, share: None)


def test_a_sane_batch_ends_episodes_and_shows_nothing_wrong():
    figures = run(make_envs("FeedbackInterval", 4, **OPTIONS))
    assert figures["steps"] == 60
    assert figures["episodes"] >= 4
    assert figures["not_finite"] == figures["out_of_bounds"] == 0
    assert len(figures["memory_mb"]) == 15
    assert all(100 < megabytes < 20_000 for megabytes in figures["memory_mb"])


def test_nan_infinity_and_numbers_out_of_bounds_are_counted(monkeypatch):
    envs = make_envs("FeedbackInterval", 4, **OPTIONS)
    real = envs.step

    def broken(actions):
        observation, reward, *rest = real(actions)
        reward[1], observation[0, 3], observation[2, 5] = np.inf, np.nan, 1.5
        return observation, reward, *rest

    monkeypatch.setattr(envs, "step", broken)
    figures = run(envs)
    assert figures["not_finite"] == 2 * 15
    assert figures["out_of_bounds"] == 15


def test_memory_that_grows_is_seen(monkeypatch):
    envs = make_envs("FeedbackInterval", 4, **OPTIONS)
    real, kept = envs.step, []

    def leaking(actions):
        kept.append(mmap.mmap(-1, 16_000_000))  # from the system: the C library may have as much to spare
        kept[-1].write(bytes(16_000_000))
        return real(actions)

    monkeypatch.setattr(envs, "step", leaking)
    assert run(envs, steps=80)["memory_growth_mb"] > 50
