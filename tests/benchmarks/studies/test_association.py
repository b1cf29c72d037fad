"""What a choice of APs keeps of the best gain."""

import numpy as np
import pytest
import torch

from twin_envs.agents.association.oracle import true_gains
from twin_envs.agents.core.environments import make_envs
from twin_envs.benchmarks.studies import study
from twin_envs.benchmarks.studies.association import best_aps, gain_kept
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget

OPTIONS = {"num_ue": 4, "episode_slots": 600}


@pytest.fixture(scope="module")
def envs():
    return make_envs("ApAssociation", 3, **OPTIONS)


@pytest.fixture(scope="module")
def found(envs):
    shares = []
    result = gain_kept(envs, range(3), 0, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return result


def test_nothing_keeps_more_than_all_and_measured_gains_keep_nearly_all(found):
    assert all(0 < choice["kept"]["mean"] <= 1 + 1e-6 for choice in found.values())
    assert found["strongest"]["kept"]["mean"] > 0.99
    assert found["strongest"]["kept"]["mean"] > found["nearest"]["kept"]["mean"]


def test_a_law_of_distance_chooses_the_nearest(found):
    assert found["path-loss"]["as_nearest"] == found["nearest"]["as_nearest"] == 1.0
    assert found["path-loss"]["kept"]["mean"] == found["nearest"]["kept"]["mean"]
    assert found["twin-gain"]["as_nearest"] < 1.0


def test_true_gains_are_what_is_measured_when_an_episode_begins(envs):
    envs.reset(seed=[0, 1, 2])
    state = envs.network.state
    true_db = 10 * torch.log10(true_gains(envs.core))
    heard = state.gain_db > true_db.max() - 20  # far above the noise
    error_db = (state.gain_db - true_db)[heard]
    assert error_db.abs().max() < 3.0  # rounded to 1 dB, in noise
    assert error_db.abs().mean() < 1.0


def test_the_best_are_as_many_as_are_asked_for():
    chosen = best_aps(np.array([[3.0, 1.0, 3.0, 2.0]]), 2)
    assert chosen.tolist() == [[True, False, True, False]]


def test_the_study_is_of_all_kinds_of_knowledge():
    setting = Setting(
        env="ApSelection",
        options={"num_ue": 2, "episode_slots": 200},
        seed=2,
        runs={},
        drawn=(),
        budget=StudyBudget(episodes=2),
        progress=lambda what, share, detail="": None,
    )
    assert set(study(setting)["gain_kept"]) == {"nearest", "path-loss", "twin-gain", "twin-fused", "strongest"}
