"""What the oracle foresees is what comes, and it does better than the rule it looks ahead with."""

import numpy as np
import pytest
import torch

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.agents.core.rollout import play
from twin_envs.agents.csi_cell.scheduling import RoundRobin, SpeedTimesAge
from twin_envs.agents.csi_cell.scheduling_oracle import OracleRollouts
from twin_envs.base.errors import ConfigurationError

OPTIONS = {"num_ue": 3, "episode_slots": 320, "population": "vehicles", "csi_uplink_share": 0.0033, "device": "cpu"}
"""A block, and so a report, in 30 slots."""


def test_what_is_earned_in_the_copies_is_what_the_cell_then_earns():
    envs, oracle = make_envs("ReportScheduling", 3, **OPTIONS), OracleRollouts(RoundRobin(), following=2)
    attach(oracle, envs)
    oracle.rule.attach(envs.network)
    observation, _ = envs.reset(seed=3)
    for first in (2, 0, 1):
        with torch.inference_mode():
            foreseen = oracle.earned()[:, first].numpy()
        actions, total = np.full(3, first), np.zeros(3)
        for _ in range(3):
            observation, reward, *_ = envs.step(actions)
            total += reward
            actions = oracle.rule.predict(observation)[0]
        np.testing.assert_allclose(total, foreseen, rtol=1e-5)


def test_nothing_is_foreseen_beyond_the_end():
    envs, oracle = make_envs("ReportScheduling", 2, **OPTIONS), OracleRollouts(RoundRobin(), following=50)
    attach(oracle, envs)
    observation, _ = envs.reset(seed=5)
    for _ in range(7):
        observation, *_ = envs.step(np.zeros(2, np.int64))
    with torch.inference_mode():
        foreseen = oracle.earned()[:, 1].numpy()
    total = np.zeros(2)
    oracle.rule.attach(envs.network)
    actions, over = np.ones(2, np.int64), np.zeros(2, dtype=bool)
    while not over.any():
        observation, reward, _, over, _ = envs.step(actions)
        total += reward
        actions = oracle.rule.predict(observation)[0]
    np.testing.assert_allclose(total, foreseen, rtol=1e-5)


def test_the_oracle_does_better_than_its_rule_in_every_episode():
    envs, rule = make_envs("ReportScheduling", 6, **OPTIONS), SpeedTimesAge(1.0)
    alone = play(rule, envs, range(6)).returns
    ahead = play(OracleRollouts(SpeedTimesAge(1.0), following=2), envs, range(6)).returns
    assert (ahead >= alone).all()
    assert ahead.mean() > 1.03 * alone.mean()


@pytest.mark.parametrize("following", [0, 101, 1.5])
def test_how_far_it_looks_must_be_in_range(following):
    with pytest.raises(ConfigurationError, match="following"):
        OracleRollouts(RoundRobin(), following)
