"""The oracle's model is the world."""

import numpy as np
import pytest
import torch
from association_play import NUM_ENVS, make, play

from twin_envs.agents.association.oracle import OracleClusters
from twin_envs.agents.association.rules import NearestAps
from twin_envs.agents.association.twin import TwinPlanner
from twin_envs.agents.core.policies import RandomPolicy, attach
from twin_envs.csi.joint import joint_sinr, local_precoders


def test_the_oracles_model_of_what_it_keeps_is_what_the_environment_delivers():
    envs = make(link="shannon", num_ue=2, population="walkers")
    oracle, rows, expected, delivered = OracleClusters(), torch.arange(NUM_ENVS), [], []
    attach(oracle, envs)
    envs.reset(seed=3)
    for _ in range(8):
        with torch.inference_mode():
            oracle.look()
            serving = envs.network.state.serving[rows, envs.network.state.turn]
            expected.append(oracle.bits(serving[:, None])[:, 0].numpy())
        envs.step(serving.float().numpy())
        delivered.append(envs.network.state.bits_per_re.sum(-1).numpy())
    error = np.mean(expected, 0) / np.mean(delivered, 0) - 1
    assert np.abs(error).max() < 0.05


@pytest.mark.parametrize("cluster_size", [1, 3])
def test_a_candidates_sinr_is_that_of_its_network(cluster_size):
    """Put together from what each AP gives, it is what precoding anew for each candidate gives."""
    envs = make(cluster_size=cluster_size, num_envs=2)
    planner, rows = OracleClusters(), torch.arange(2)
    attach(planner, envs)
    envs.reset(seed=0)
    with torch.inference_mode():
        network, ue = envs.network, envs.network.state.turn
        candidates = planner.candidates(planner.look(), rows, ue)[:, ::5]
        found, (channels, sounded) = planner.sinr(rows, ue, candidates), planner.channels()
        for index, cluster in enumerate(candidates.unbind(1)):
            serving = network.state.serving.clone()
            serving[rows, ue] = cluster
            for time in range(channels.shape[1]):
                w = local_precoders(sounded[:, time], serving, network.noise)
                expected = joint_sinr(channels[:, time], w, network.noise)
                torch.testing.assert_close(found[:, index, :, time], expected, rtol=2e-2, atol=1e-3)


def test_who_knows_more_earns_more():
    envs = make(num_ue=6, cluster_size=3, ap_load=4, num_envs=8)
    policies = (RandomPolicy(0), NearestAps(), TwinPlanner(), OracleClusters())
    returns = [play(envs, policy).mean() for policy in policies]
    assert returns == sorted(returns)
    assert returns[1] > 2 * returns[0]
