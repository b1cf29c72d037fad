"""The two environments about access points: actions, observations, rewards, pictures."""

import numpy as np
import pytest
import torch

from twin_envs.agents.core.environments import make_envs

NUM_ENVS = 3
OPTIONS = {"num_ue": 3, "episode_slots": 600, "device": "cpu", "link": "shannon"}


@pytest.fixture(params=["ApAssociation", "ApSelection"])
def envs(request):
    envs = make_envs(request.param, NUM_ENVS, **OPTIONS)
    envs.reset(seed=2)
    envs.action_space.seed(2)
    return envs


def values(envs, observation):
    layout = envs.observation_layout
    return {field.name: layout.value(observation, field.name) for field in layout.fields}


def test_the_observation_is_what_the_network_knows_of_the_ue_in_turn(envs):
    rows = np.arange(NUM_ENVS)
    for _ in range(6):
        observation, *_ = envs.step(envs.action_space.sample())
        seen, state = values(envs, observation), envs.network.state
        ue = state.turn.numpy()
        np.testing.assert_allclose(seen["measured_gain"], state.gain_db.numpy()[rows, ue].clip(-140, -40), atol=1e-3)
        age = (state.now_slots[:, None] - state.measured_slots[rows, ue]).numpy()
        np.testing.assert_allclose(10 ** seen["measured_age"], age.clip(1), rtol=1e-4)
        assert np.array_equal(seen["serving"] > 0.5, state.serving.numpy()[rows, ue])
        np.testing.assert_allclose(seen["load"], state.serving.sum(1).numpy() / 4, atol=1e-6)
        away = envs.network.sensing.position.numpy()[rows, ue][:, None] - envs.network.ap_position_m.numpy()[:, :2]
        np.testing.assert_allclose(seen["distance"], np.linalg.norm(away, axis=-1), rtol=1e-4)
        np.testing.assert_allclose(seen["time_left"], 1 - state.now_slots.numpy() / 600, atol=1e-6)


def test_what_the_twin_knows_is_told_for_every_ap(envs):
    observation, *_ = envs.step(envs.action_space.sample())
    seen, network = values(envs, observation), envs.network
    rows = torch.arange(NUM_ENVS)
    for ap in range(network.aps):
        knowledge = network.twin.predict(network.sensed(rows, network.state.turn), torch.full((NUM_ENVS,), ap))
        np.testing.assert_allclose(seen["twin_known"][:, ap], knowledge.covered.numpy(), atol=1e-6)
        there = knowledge.covered.numpy() > 0
        gain_db = np.where(there, knowledge["gain_db"].numpy().clip(-140, -40), -140.0)
        np.testing.assert_allclose(seen["twin_gain"][:, ap], gain_db, atol=1e-3)
        assert (seen["twin_los_probability"][:, ap][~there] == 0).all()


def test_the_reward_is_what_was_delivered_less_what_it_cost_and_is_shared_out(envs):
    rows, total = torch.arange(NUM_ENVS), np.zeros(NUM_ENVS)
    for _ in range(5):
        with torch.inference_mode():
            step = envs.task.step(rows, torch.from_numpy(envs.action_space.sample()))
        costs = step.info["pilot_cost"] + step.info["feedback_cost"] + step.info["signalling_cost"]
        torch.testing.assert_close(step.reward, step.info["delivered"] - costs)
        assert (costs > 0).all()
        assert step.by_ue.shape == (NUM_ENVS, 3)
        total += step.reward.numpy()
    assert (total > 0).all()


def test_a_selected_ap_serves_unless_it_is_full():
    envs = make_envs("ApSelection", NUM_ENVS, **OPTIONS, ap_load=1)
    envs.reset(seed=0)
    state, rows = envs.network.state, np.arange(NUM_ENVS)
    for ap in range(8):
        ue, before = state.turn.numpy().copy(), state.serving.numpy().copy()
        taken = before[:, :, ap].any(1) & ~before[rows, ue, ap]
        envs.step(np.full(NUM_ENVS, ap))
        after = state.serving.numpy()[rows, ue]
        assert after[~taken, ap].all()
        assert np.array_equal(after[taken], before[rows, ue][taken])


def test_a_full_ap_keeps_who_chose_it_and_drops_who_was_given_it():
    envs = make_envs("ApSelection", 1, **OPTIONS, ap_load=1)
    envs.reset(seed=0)
    serving = envs.network.state.serving[0]
    given = int(serving[2].nonzero()[0])
    envs.step(np.array([given]))
    assert serving[:, given].tolist() == [True, False, False]
    assert not serving[2].any()
    before = serving[1].clone()
    _, _, _, _, info = envs.step(np.array([given]))
    assert serving[:, given].tolist() == [True, False, False]
    assert torch.equal(serving[1], before)
    assert info["added_aps"] == 0


def test_selection_measures_the_aps_that_were_measured_longest_ago():
    envs = make_envs("ApSelection", NUM_ENVS, **{**OPTIONS, "episode_slots": 4000}, probed_aps=2)
    envs.reset(seed=0)
    for _ in range(3 * 16):
        envs.step(np.zeros(NUM_ENVS, int))
    state = envs.network.state
    oldest = (state.now_slots[:, None, None] - state.measured_slots).amax((1, 2))
    periods = envs.network.aps / 2 + 2  # all but the serving one in turn, two in each period
    assert (oldest <= periods * 200).all()


def test_the_picture_shows_who_serves_whom(envs):
    shown = envs.task.snapshot(1)
    assert shown.decided is None
    envs.step(envs.action_space.sample())
    shown, state = envs.task.snapshot(1), envs.network.state
    assert shown.decided == 0
    assert shown.deciding == 1
    assert {(link.ue, link.ap) for link in shown.links} == set(map(tuple, state.serving[1].nonzero().tolist()))
    assert all(0 <= link.strength <= 1 for link in shown.links)
    names = [envs.network.recipe.access_points[ap].name for ap in state.serving[1, 0].nonzero()[:, 0].tolist()]
    joined = state.joined[1, 0].nonzero()[:, 0].tolist()
    assert shown.decision.startswith(f"UE 0: {len(joined)} new, served by {names[0]}")
    assert shown.decision.count("(new)") == len(joined)
    assert all(name in shown.decision for name in names)
    assert shown.rate == pytest.approx(shown.ue_rate.sum())
    for ue, gain_db in enumerate(shown.notes["gain [dB]"]):
        heard = state.gain_db[1, ue][state.serving[1, ue]].max()
        assert gain_db == heard if heard > -140 else np.isnan(gain_db)
    assert 0 < shown.overhead < 1
    assert np.array_equal(shown.ue_m, envs.network.sensing.position[1].numpy())
    assert shown.serving == tuple(range(len(envs.network.recipe.access_points)))  # any of them may serve
