"""Plans of who serves a UE: their candidates, and what they foresee of each."""

import numpy as np
import pytest
import torch
from association_play import NUM_ENVS, chosen, field, make, play

from twin_envs.agents.association.planner import GainPlanner, MeasuredPlanner
from twin_envs.csi.joint import joint_sinr, local_precoders


def test_candidates_are_clusters_with_room_and_what_serves_is_the_first():
    envs = make(num_ue=8, ap_load=4)
    planner = MeasuredPlanner(exchanges=3)
    planner.attach(envs.network)
    envs.reset(seed=0)
    with torch.inference_mode():
        state, rows = envs.network.state, torch.arange(NUM_ENVS)
        candidates = planner.candidates(planner.look(), rows, state.turn)
        mine = state.serving[rows, state.turn]
        full = ~mine & (envs.network.load(rows) >= 4)
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

    play(make(), MeasuredPlanner(margin=1.0), watch)


class EqualGains(GainPlanner):
    """A model in which all links have the same gain, 30 dB above the noise."""

    def gains(self):
        return torch.full_like(self.network.state.gain_db, 1e3 * self.network.noise)


def test_gains_alone_foresee_the_sinr_of_independent_fading():
    """One AP with 4 antennas and n UEs of equal gain: mean SINR is gain (4 - n + 1) / n over noise."""
    envs = make(num_ue=4, ap_load=4, cluster_size=1, num_envs=1)
    planner, network = EqualGains(), envs.network
    planner.attach(network)
    envs.reset(seed=0)
    generator, first = np.random.default_rng(0), torch.zeros(1, dtype=torch.int64)
    antennas, samples = network.recipe.array.rows * network.recipe.array.columns, 4000
    with torch.inference_mode():
        planner.look()
        for n in (1, 2, 3):
            network.state.serving.zero_()
            network.state.serving[0, :n, 0] = True
            foreseen = planner.sinr(first, first, network.state.serving[:, :1])[0, 0, 0, 0, 0]
            parts = generator.normal(size=(2, samples, n, 1, 1, antennas)) * (500 * network.noise) ** 0.5
            h = torch.from_numpy((parts[0] + 1j * parts[1]).astype(np.complex64))
            serving = torch.ones(samples, n, 1, dtype=torch.bool)
            met = joint_sinr(h, local_precoders(h, serving, network.noise / 100), network.noise).mean()
            assert foreseen == pytest.approx(met.item(), rel=0.05)


def test_at_stake_is_what_a_change_costs_where_all_aps_are_alike():
    """The UE loses the slots of the interruption, and nothing else."""
    envs = make(num_ue=1, cluster_size=1, signalling_elements=0, interruption_slots=30, decision_slots=100)
    planner = EqualGains()
    planner.attach(envs.network)
    observation, _ = envs.reset(seed=0)
    assert (field(envs, observation, "serving") > 0.5).any(-1).all()
    planner.predict(observation)
    antennas = envs.network.recipe.array.rows * envs.network.recipe.array.columns
    rate = envs.network.link.goodput(torch.tensor([[1e3 * antennas]])).amax().item()
    np.testing.assert_allclose(planner.stakes(), 0.3 * rate, rtol=1e-5)
