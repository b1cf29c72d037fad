"""The oracle that has seen the episode before."""

import numpy as np

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.oracle import HindsightOracle, OraclePlanner


def test_hindsight_earns_in_every_episode_what_the_best_of_its_policies_does() -> None:
    seeds, options = range(40, 48), {"num_ue": 3, "episode_slots": 300}
    policies = [FixedPolicy(2), FixedPolicy(4), OraclePlanner()]
    returns = [play(p, make_envs("FeedbackInterval", len(seeds), **options), seeds).returns for p in policies]
    assert len(set(np.argmax(returns, 0))) > 1
    run = play(HindsightOracle(policies), make_envs("FeedbackInterval", len(seeds), **options), seeds)
    np.testing.assert_array_equal(run.returns, np.max(returns, 0))
