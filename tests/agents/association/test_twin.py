"""Policies that know the gains in the twin, and how measurements correct them."""

import numpy as np
import pytest
import torch
from association_play import NUM_ENVS, chosen, field, make, play

from twin_envs.agents.association.twin import FADING_DB, GAP_DB, FusedGains, GainTracker, TwinGains, promising
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.association.view import GAIN_FLOOR_DB


def test_the_twins_gains_choose_by_the_twin_and_measure_nothing_besides():
    def watch(envs, observation, action):
        assert ((action > 0).sum(-1) == 3).all()
        known = field(envs, observation, "twin_known") > 0
        gain = np.where(known, field(envs, observation, "twin_gain"), -150.0)
        free = (field(envs, observation, "load") < 0.999) | (field(envs, observation, "serving") > 0.5)
        for env, serving in enumerate(chosen(envs, action)):
            assert gain[env][serving].min() >= gain[env][~serving & free[env]].max() - 1e-4 or not known[env].all()

    play(make(), TwinGains(0.0), watch)


def test_the_tracker_believes_what_was_just_measured_and_else_the_twin():
    envs = make(population="walkers")
    envs.reset(seed=1)
    with torch.inference_mode():
        network, state, tracker = envs.network, envs.network.state, GainTracker(envs.network)
        tracker.update()
        heard = state.gain_db > GAIN_FLOOR_DB
        off = (tracker.gain_db - state.gain_db)[heard].abs()
        prior, variance = tracker.prior()
        before = (prior - state.gain_db)[heard].abs()
        assert off.median() < 0.2 * before.median()
        assert tracker.std_db.max() < 1.01 * FADING_DB
        envs.core.step(torch.arange(NUM_ENVS), torch.zeros(NUM_ENVS, network.aps))
        state.measured_slots.zero_()
        network.sensing.position += 1000.0  # so far that nothing measured means anything
        tracker.update()
        prior, variance = tracker.prior()
        torch.testing.assert_close(tracker.gain_db, prior, atol=1e-3, rtol=0)
        torch.testing.assert_close(tracker.std_db, variance.sqrt(), atol=1e-3, rtol=0)
        assert tracker.std_db.min() >= GAP_DB


def test_what_may_be_better_than_the_weakest_is_promising():
    gain_db = np.array([[-60.0, -70.0, -74.0, -90.0]])
    assert (promising(gain_db, np.full((1, 4), 6.0), 2) > 0).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("rule", [TwinGains, FusedGains])
@pytest.mark.parametrize("value", [-1.0, 41.0, float("nan")])
def test_a_constant_out_of_range_is_refused(rule, value):
    with pytest.raises(ConfigurationError, match="hysteresis_db must be"):
        rule(value)
