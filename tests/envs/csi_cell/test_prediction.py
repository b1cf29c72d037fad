"""Cells that precode with predicted channels."""

import json

import gymnasium
import numpy as np
import pytest
import torch
from poison import poisoned

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.seeds import training_seeds
from twin_envs.csi.similarity import squared_cosine
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.twin.protocol import ExpectedPaths
from twin_envs.twin.registry import channel_twins

NUM_ENVS = 12
ROWS = torch.arange(NUM_ENVS)
PREDICTORS = ("hold-aged", "wiener", "twin-paths", "paths-net", "twin-net")


def aged(cell, decide, steps=24):
    """Mean squared cosine of what the cell expects now and the channels that are, over all UEs, after some steps."""
    similar = []
    for step in range(steps):
        cell.step(ROWS, decide(cell, 20))
        now = cell.network.state.now_slots
        position, _ = cell.reality.position(ROWS, now * cell.slot_s)
        h = cell.reality.channel(ROWS, position, cell.network.subband_hz, synchronised=True)
        told = cell.network.predicted(ROWS, now)
        if step > steps // 3:
            similar.append(squared_cosine(told.h.transpose(1, 2), h).mean())
    return float(torch.stack(similar).mean())


@pytest.mark.parametrize(("population", "left"), [("walkers", 0.8), ("vehicles", 0.8)])
def test_the_twins_doppler_keeps_reports_fresh(make_cell, decide, population, left):
    options = {"population": population, "codec": "uncompressed"}
    held, turned = (aged(make_cell(prediction=name, **options), decide) for name in ("hold", "twin-paths"))
    assert 1 - turned < left * (1 - held)


def test_hold_is_what_was_reported(make_cell, decide):
    cell = make_cell(prediction="hold")
    cell.step(ROWS, decide(cell, 20))
    state = cell.network.state
    for later in (0, 50):
        told = cell.network.predicted(ROWS, state.now_slots + later)
        assert torch.equal(told.h, state.h_hat)
        assert torch.equal(told.error, state.expected_error)


@pytest.mark.parametrize("name", PREDICTORS)
def test_an_older_report_is_expected_to_be_further_off(make_cell, decide, name):
    cell = make_cell(prediction=name, population="vehicles")
    for _ in range(6):
        cell.step(ROWS, decide(cell, 20))
    now = cell.network.state.now_slots
    errors = [cell.network.predicted(ROWS, now + later).error.mean() for later in (0, 10, 40, 160)]
    assert errors == sorted(errors)
    assert errors[0] >= cell.network.state.expected_error.mean()


@pytest.mark.parametrize("name", PREDICTORS)
def test_predictors_know_nothing_of_reality(make_cell, decide, name):
    cell = make_cell(prediction=name)
    for _ in range(5):
        cell.step(ROWS, decide(cell, 20))
    slots = cell.network.state.now_slots + 7
    sighted = cell.network.predicted(ROWS, slots)
    with poisoned(cell):
        blind = cell.network.predicted(ROWS, slots)
    assert torch.equal(sighted.h, blind.h)
    assert torch.equal(sighted.error, blind.error)


@pytest.mark.parametrize("name", PREDICTORS)
def test_an_environment_of_a_batch_behaves_as_alone(make_cell, decide, name):
    many, one = make_cell(prediction=name), make_cell(num_envs=1, prediction=name)
    row = torch.tensor([0])
    for _ in range(8):
        many.step(ROWS, decide(many, 20))
        outcome = one.step(row, decide(one, 20))
    torch.testing.assert_close(
        one.network.predicted(row, one.network.state.now_slots).h,
        many.network.predicted(row, many.network.state.now_slots[:1]).h,
        rtol=1e-3,
        atol=1e-9,
    )
    assert outcome.reward.isfinite().all()


@pytest.mark.parametrize("name", ["twin-paths", "twin-net"])
def test_a_new_episode_knows_nothing_of_the_last(make_cell, decide, name):
    cell, fresh = make_cell(prediction=name), make_cell(prediction=name)
    for _ in range(8):
        cell.step(ROWS, decide(cell, 20))
    cell.reset(ROWS, ROWS + 1000)
    for field, values in cell.network.prediction.rows().items():
        assert torch.equal(values, fresh.network.prediction.rows()[field]), field


def test_an_unknown_predictor_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"prediction must be one of 'hold', .*'twin-paths'"):
        gymnasium.make("twin_envs/FeedbackInterval-v1", prediction="twin-path")


@pytest.mark.parametrize("name", ["twin-paths", "twin-net"])
def test_a_twin_that_does_not_know_how_paths_arrive_is_refused(name):
    class Still:
        def predict(self, sensed, ap):
            raise AssertionError

        def expected_paths(self, position_m, ap) -> ExpectedPaths:
            raise AssertionError

    channel_twins.register("still", lambda site, world, device: Still())
    try:
        with pytest.raises(ConfigurationError, match=rf"no arriving_paths: prediction '{name}' needs ExpectsArr"):
            gymnasium.make("twin_envs/FeedbackInterval-v1", prediction=name, channel_twin="still", estimator="ls")
    finally:
        channel_twins.unregister("still")


def test_the_option_is_plain():
    env = gymnasium.make("twin_envs/CsiProtocol-v1", prediction="twin-paths", num_ue=2)
    assert json.loads(env.spec.to_json())["kwargs"]["prediction"] == "twin-paths"
    env.close()


def test_who_tells_link_adaptation_how_csi_ages_need_not_lose_blocks_to_learn_it():
    lost = {}
    for name in ("hold", "hold-aged"):
        envs = make_envs("FeedbackInterval", 10, episode_slots=500, prediction=name)
        run = play(FixedPolicy(4), envs, training_seeds(7, 10))
        late, weights = run.steps["time_slots"] > 200, run.steps["elapsed_slots"]
        lost[name] = [np.average(run.steps["bler"][when], weights=weights[when]) for when in (~late, late)]
    target = CellConfig().bler_target
    assert lost["hold"][0] > 1.5 * lost["hold-aged"][0]
    assert lost["hold"][1] > lost["hold-aged"][1]
    assert 0.7 * target < lost["hold-aged"][1] < 1.3 * target
