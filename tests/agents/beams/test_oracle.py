"""Who reads reality earns most."""

import numpy as np

from twin_envs.agents.beams.oracle import OracleSweep, OracleTwin
from twin_envs.agents.beams.rules import LastBeam
from twin_envs.agents.beams.twin import TwinSweepPlanner
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy, attach


def mean_return(policy, env, seeds, **options):
    envs = make_envs(env, len(seeds), device="cpu", **options)
    attach(policy, envs)
    observation, _ = envs.reset(seed=list(seeds))
    total, over = np.zeros(len(seeds)), False
    while not over:
        observation, rewards, _, truncated, _ = envs.step(policy.predict(observation)[0])
        total += rewards
        over = truncated.all()
    return total.mean()


def test_with_a_perfect_twin_the_planner_beats_sweeps_round_the_last_beam_and_the_oracle_beats_both():
    nobody = {"blockers": 0, "self_blocking": False, "car_windows": "open"}
    options = {"world": "twin", "num_ue": 3, "episode_slots": 60_000, **nobody}
    policies = (LastBeam(1), TwinSweepPlanner(), OracleSweep())
    last, planner, oracle = (mean_return(p, "BeamSelection", range(40, 56), **options) for p in policies)
    assert last < planner < oracle


def test_the_oracle_of_fidelity_beats_every_single_twin():
    options = {"num_ue": 3, "episode_slots": 60_000, "link": "shannon"}
    single = [mean_return(FixedPolicy(t), "TwinFidelity", range(60, 76), **options) for t in range(4)]
    assert mean_return(OracleTwin(), "TwinFidelity", range(60, 76), **options) > max(single)
