"""Rules for who serves a UE do what they say."""

import numpy as np
import pytest
from association_play import NUM_ENVS, chosen, field, make, play

from twin_envs.agents.association.rules import (
    EventTrigger,
    FixedNeighbourhood,
    KeptAps,
    NearestAps,
    PathLossRule,
    StrongestMeasured,
)
from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError


def test_the_path_loss_rule_chooses_the_nearest_aps():
    nearest, path_loss, decisions = NearestAps(), PathLossRule(), []
    envs = make()
    nearest.attach(envs.network)

    def watch(envs, observation, action):
        other = nearest.predict(observation)[0]
        decisions.append((chosen(envs, action) == chosen(envs, other)).all(-1))

    play(envs, path_loss, watch)
    assert np.mean(decisions) == 1.0


def test_the_nearest_aps_are_the_nearest_that_have_room():
    def watch(envs, observation, action):
        distance = field(envs, observation, "distance")
        free = (field(envs, observation, "load") < 0.999) | (field(envs, observation, "serving") > 0.5)
        expected = np.argsort(np.where(free, distance, np.inf), -1)[:, :3]
        assert np.take_along_axis(chosen(envs, action), expected, -1).all()
        assert ((action > 0).sum(-1) == 3).all()  # and nothing is measured besides

    play(make(), NearestAps(), watch)


def test_kept_aps_are_kept():
    envs, first = make(num_ue=2, population="vehicles"), {}

    def watch(envs, observation, action):
        wanted, turn = chosen(envs, action), envs.network.state.turn.numpy()
        for env in range(NUM_ENVS):
            key = env, turn[env]
            assert (wanted[env] == first.setdefault(key, wanted[env])).all()

    play(envs, KeptAps(), watch)
    assert len(first) == 2 * NUM_ENVS


def test_a_neighbourhood_is_around_its_ap():
    envs = make(num_ue=1)
    ap_m = envs.network.ap_position_m[:, :2].numpy()
    distance = np.linalg.norm(ap_m - ap_m[2], axis=-1)

    def watch(envs, observation, action):
        assert (chosen(envs, action) == (distance <= np.sort(distance)[2])).all()

    play(envs, FixedNeighbourhood(2), watch)
    with pytest.raises(ConfigurationError, match="ap must be"):
        FixedNeighbourhood(len(ap_m)).attach(envs.network)


@pytest.mark.parametrize("env", ["ApAssociation", "ApSelection"])
def test_hysteresis_makes_changes_rarer(env):
    envs = make(env, population="vehicles", episode_slots=2000)
    none, some, much = (play(envs, StrongestMeasured(db), seed=2, of="added_aps").sum() for db in (0.0, 3.0, 40.0))
    assert none > some > much


def test_the_strongest_measured_serve_and_the_oldest_gains_are_measured_next():
    def watch(envs, observation, action):
        gain, age = field(envs, observation, "measured_gain"), field(envs, observation, "measured_age")
        serving = chosen(envs, action)
        free = (field(envs, observation, "load") < 0.999) | (field(envs, observation, "serving") > 0.5)
        for env in range(NUM_ENVS):
            assert gain[env][serving[env]].min() >= gain[env][~serving[env] & free[env]].max() - 1e-4
            measured = (action[env] > 0) & ~serving[env]
            assert measured.sum() == envs.network.config.probed_aps
            assert age[env][measured].min() >= age[env][~measured & ~serving[env]].max() - 1e-4

    play(make(), StrongestMeasured(0.0), watch)


def test_without_an_event_the_trigger_keeps_what_serves():
    kept = []

    def watch(envs, observation, action):
        now = field(envs, observation, "serving") > 0.5
        full = (now.sum(-1) == 3) & (envs.network.state.now_slots.numpy() >= 200)
        kept.append((chosen(envs, action) == now).all(-1)[full])

    play(make(), EventTrigger(40.0), watch)
    assert np.concatenate(kept).all()


@pytest.mark.parametrize("rule", [StrongestMeasured, EventTrigger])
@pytest.mark.parametrize("value", [-1.0, 41.0, float("nan")])
def test_a_constant_out_of_range_is_refused(rule, value):
    with pytest.raises(ConfigurationError, match=r"(hysteresis|drop)_db must be"):
        rule(value)


def test_environments_without_access_points_to_choose_are_refused():
    with pytest.raises(ConfigurationError, match="about access points, got CsiCellView"):
        NearestAps().attach(make_envs("FeedbackInterval", 1, num_ue=2, episode_slots=200).network)
