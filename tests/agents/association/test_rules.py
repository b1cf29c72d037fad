"""Policies of the association: rules that do what they say, twin policies, and planners whose model is the world."""

import numpy as np
import pytest
import torch

from twin_envs.agents.association import planner as association_planning
from twin_envs.agents.association import rules as association
from twin_envs.agents.association import twin as association_twin
from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.association.twin import FADING_DB, GAP_DB, GainTracker, promising
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import RandomPolicy
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.association.joint import joint_sinr, local_precoders
from twin_envs.envs.association.view import GAIN_FLOOR_DB

OPTIONS = {"num_ue": 4, "episode_slots": 1000, "cluster_size": 3, "device": "cpu"}
NUM_ENVS = 6


def make(env="ApAssociation", num_envs=NUM_ENVS, **options):
    settings = {**OPTIONS, **options}
    if env == "ApSelection":
        del settings["cluster_size"]
    return make_envs(env, num_envs, **settings)


def play(envs, policy, watch=lambda envs, observation, action: None, seed=0, of="delivered"):
    """Sum of a term over an episode in each environment; `watch` sees every decision before it is made."""
    policy.attach(envs)
    observation, _ = envs.reset(seed=seed)
    total, truncated = np.zeros(envs.num_envs), np.zeros(envs.num_envs, bool)
    while not truncated.any():
        action, _ = policy.predict(observation)
        assert envs.action_space.contains(action)
        watch(envs, observation, action)
        observation, _, _, truncated, info = envs.step(action)
        total += info[of]
    return total


def chosen(envs, action):
    """The APs that an action wants to serve, bool [N, A]."""
    size = envs.core.config.cluster_size
    best = np.argsort(-action, axis=-1, kind="stable")[:, :size]
    return np.put_along_axis(mask := np.zeros(action.shape, bool), best, True, -1) or mask


def field(envs, observation, name):
    return envs.observation_layout.value(observation, name)


def test_the_path_loss_rule_chooses_the_nearest_aps():
    nearest, path_loss, decisions = association.NearestAps(), association.PathLossRule(), []
    envs = make()
    nearest.attach(envs)

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

    play(make(), association.NearestAps(), watch)


def test_kept_aps_are_kept():
    envs, first = make(num_ue=2, population="vehicles"), {}

    def watch(envs, observation, action):
        wanted, turn = chosen(envs, action), envs.core.known.turn.numpy()
        for env in range(NUM_ENVS):
            key = env, turn[env]
            assert (wanted[env] == first.setdefault(key, wanted[env])).all()

    play(envs, association.KeptAps(), watch)
    assert len(first) == 2 * NUM_ENVS


def test_a_neighbourhood_is_around_its_ap():
    envs = make(num_ue=1)
    ap_m = envs.core.ap_position_m[:, :2].numpy()
    distance = np.linalg.norm(ap_m - ap_m[2], axis=-1)

    def watch(envs, observation, action):
        assert (chosen(envs, action) == (distance <= np.sort(distance)[2])).all()

    play(envs, association.FixedNeighbourhood(2), watch)
    with pytest.raises(ConfigurationError, match="ap must be"):
        association.FixedNeighbourhood(len(ap_m)).attach(envs)


@pytest.mark.parametrize("env", ["ApAssociation", "ApSelection"])
def test_hysteresis_makes_changes_rarer(env):
    envs = make(env, population="vehicles", episode_slots=4000)
    none, some, much = (
        play(envs, association.StrongestMeasured(db), seed=2, of="added_aps").sum() for db in (0.0, 3.0, 40.0)
    )
    assert none > some > much


def test_the_strongest_measured_serve_and_the_oldest_gains_are_measured_next():
    def watch(envs, observation, action):
        gain, age = field(envs, observation, "measured_gain"), field(envs, observation, "measured_age")
        serving = chosen(envs, action)
        free = (field(envs, observation, "load") < 0.999) | (field(envs, observation, "serving") > 0.5)
        for env in range(NUM_ENVS):
            assert gain[env][serving[env]].min() >= gain[env][~serving[env] & free[env]].max() - 1e-4
            measured = (action[env] > 0) & ~serving[env]
            assert measured.sum() == envs.core.config.probed_aps
            assert age[env][measured].min() >= age[env][~measured & ~serving[env]].max() - 1e-4

    play(make(), association.StrongestMeasured(0.0), watch)


def test_without_an_event_the_trigger_keeps_what_serves():
    kept = []

    def watch(envs, observation, action):
        now = field(envs, observation, "serving") > 0.5
        full = (now.sum(-1) == 3) & (envs.core.known.now_slots.numpy() >= 200)
        kept.append((chosen(envs, action) == now).all(-1)[full])

    play(make(), association.EventTrigger(40.0), watch)
    assert np.concatenate(kept).all()


def test_the_twins_gains_choose_by_the_twin_and_measure_nothing_besides():
    def watch(envs, observation, action):
        assert ((action > 0).sum(-1) == 3).all()
        known = field(envs, observation, "twin_known") > 0
        gain = np.where(known, field(envs, observation, "twin_gain"), -150.0)
        free = (field(envs, observation, "load") < 0.999) | (field(envs, observation, "serving") > 0.5)
        for env, serving in enumerate(chosen(envs, action)):
            assert gain[env][serving].min() >= gain[env][~serving & free[env]].max() - 1e-4 or not known[env].all()

    play(make(), association_twin.TwinGains(0.0), watch)


def test_the_tracker_believes_what_was_just_measured_and_else_the_twin():
    envs = make(population="walkers")
    envs.reset(seed=1)
    with torch.inference_mode():
        known, tracker = envs.core.known, GainTracker(envs.core)
        tracker.update()
        heard = known.gain_db > GAIN_FLOOR_DB
        off = (tracker.gain_db - known.gain_db)[heard].abs()
        prior, variance = tracker._prior()
        before = (prior - known.gain_db)[heard].abs()
        assert off.median() < 0.2 * before.median()
        assert tracker.std_db.max() < 1.01 * FADING_DB
        envs.core.step(torch.arange(NUM_ENVS), torch.zeros(NUM_ENVS, envs.core.aps))
        known.measured_slots.zero_()
        known.sensing.position += 1000.0  # so far that nothing measured means anything
        tracker.update()
        prior, variance = tracker._prior()
        torch.testing.assert_close(tracker.gain_db, prior, atol=1e-3, rtol=0)
        torch.testing.assert_close(tracker.std_db, variance.sqrt(), atol=1e-3, rtol=0)
        assert tracker.std_db.min() >= GAP_DB


def test_what_may_be_better_than_the_weakest_is_promising():
    gain_db = np.array([[-60.0, -70.0, -74.0, -90.0]])
    assert (promising(gain_db, np.full((1, 4), 6.0), 2) > 0).tolist() == [[True, True, True, False]]


def test_the_oracles_model_of_what_it_keeps_is_what_the_environment_delivers():
    envs = make(link="shannon", num_ue=2, population="walkers")
    oracle, rows, expected, delivered = OracleClusters(), torch.arange(NUM_ENVS), [], []
    oracle.attach(envs)
    envs.reset(seed=3)
    for _ in range(8):
        with torch.inference_mode():
            oracle.look()
            serving = envs.core.known.serving[rows, envs.core.known.turn]
            expected.append(oracle.bits(serving[:, None])[:, 0].numpy())
        envs.step(serving.float().numpy())
        delivered.append(envs.core.known.bits_per_re.sum(-1).numpy())
    error = np.mean(expected, 0) / np.mean(delivered, 0) - 1
    assert np.abs(error).max() < 0.05


@pytest.mark.parametrize("cluster_size", [1, 3])
def test_a_candidates_sinr_is_that_of_its_network(cluster_size):
    """Put together from what each AP gives, it is what precoding anew for each candidate gives."""
    envs = make(cluster_size=cluster_size, num_envs=2)
    planner, rows = OracleClusters(), torch.arange(2)
    planner.attach(envs)
    envs.reset(seed=0)
    with torch.inference_mode():
        network, ue = envs.core, envs.core.known.turn
        candidates = planner.candidates(planner.look(), rows, ue)[:, ::5]
        found = planner.sinr(rows, ue, candidates)
        for index, cluster in enumerate(candidates.unbind(1)):
            serving = network.known.serving.clone()
            serving[rows, ue] = cluster
            for time, (h, sounded) in enumerate(zip(planner._h.unbind(1), planner._sounded.unbind(1))):
                w = local_precoders(sounded, serving, network.noise)
                expected = joint_sinr(h, w, network.noise)
                torch.testing.assert_close(found[:, index, :, time], expected, rtol=2e-2, atol=1e-3)


def test_candidates_are_clusters_with_room_and_what_serves_is_the_first():
    envs = make(num_ue=8, ap_load=4)
    planner = association_planning.MeasuredPlanner(exchanges=3)
    planner.attach(envs)
    envs.reset(seed=0)
    with torch.inference_mode():
        known, rows = envs.core.known, torch.arange(NUM_ENVS)
        candidates = planner.candidates(planner.look(), rows, known.turn)
        mine = known.serving[rows, known.turn]
        full = ~mine & (known.load(rows) >= 4)
        assert full.any()
        assert not (candidates & full[:, None]).any()
        assert candidates.sum(-1).max() == 3
        whole = mine.sum(-1) == 3
        assert torch.equal(candidates[whole, 0], mine[whole])


def test_a_planner_stays_if_no_change_is_worth_the_margin():
    def watch(envs, observation, action):
        now = field(envs, observation, "serving") > 0.5
        whole = now.sum(-1) == 3
        assert (chosen(envs, action) == now).all(-1)[whole].all()

    play(make(), association_planning.MeasuredPlanner(margin=1.0), watch)


def test_gains_alone_foresee_the_sinr_of_independent_fading():
    """One AP with 4 antennas and n UEs of equal gain: mean SINR is gain (4 - n + 1) / n over noise."""
    envs = make(num_ue=4, ap_load=4, cluster_size=1, num_envs=1)
    planner = association_planning.MeasuredPlanner()
    planner.attach(envs)
    envs.reset(seed=0)
    generator = np.random.default_rng(0)
    antennas, samples = envs.core.twin.atlas.antenna_m.shape[1], 4000
    with torch.inference_mode():
        known = envs.core.known
        for n in (1, 2, 3):
            known.serving.zero_()
            known.serving[0, :n, 0] = True
            planner._gain = torch.full((1, 4, envs.core.aps), 1e3 * envs.core.noise)
            foreseen = planner.sinr(
                torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), known.serving[:, :1]
            )[0, 0, 0, 0, 0]
            parts = generator.normal(size=(2, samples, n, 1, 1, antennas)) * (500 * envs.core.noise) ** 0.5
            h = torch.from_numpy((parts[0] + 1j * parts[1]).astype(np.complex64))
            serving = torch.ones(samples, n, 1, dtype=torch.bool)
            met = joint_sinr(h, local_precoders(h, serving, envs.core.noise / 100), envs.core.noise).mean()
            assert foreseen == pytest.approx(met.item(), rel=0.05)


def test_who_knows_more_earns_more():
    envs = make(num_ue=8, cluster_size=3, ap_load=4, num_envs=16)
    policies = (RandomPolicy(0), association.NearestAps(), association_twin.TwinPlanner(), OracleClusters())
    returns = [play(envs, policy).mean() for policy in policies]
    assert returns == sorted(returns)
    assert returns[1] > 2 * returns[0]


@pytest.mark.parametrize("rule", [association.StrongestMeasured, association.EventTrigger, association_twin.FusedGains])
@pytest.mark.parametrize("value", [-1.0, 41.0, float("nan")])
def test_a_constant_out_of_range_is_refused(rule, value):
    with pytest.raises(ConfigurationError, match=r"(hysteresis|drop)_db must be"):
        rule(value)
