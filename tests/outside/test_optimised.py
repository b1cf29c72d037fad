"""Optimised bytecode: `python -OO` drops assertions, as `-O` does, and docstrings, too."""

from fresh_process import run_fresh

PROGRAM = """
import gymnasium
import pettingzoo
import twin_envs
from twin_envs import specifications
ENVIRONMENTS = [known.name for known in specifications()]
SIMULTANEOUS = [known.name for known in specifications() if known.simultaneous]

options = {"num_ue": 2, "episode_slots": 200, "device": "cpu"}
for name in ENVIRONMENTS:
    env_id = f"twin_envs/{name}-v1"
    env = gymnasium.make(env_id, render_mode="rgb_array", **options)
    env.action_space.seed(0)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert False, "assertions are dropped"
    env.render()
    gymnasium.make_vec(env_id, num_envs=2, **options).reset(seed=0)
    pettingzoo.make("aec", env_id, **options).reset(seed=0)
    if name in SIMULTANEOUS:
        pettingzoo.make("parallel", env_id, **options).reset(seed=0)
    print(name, type(env.unwrapped).__doc__ is None)
try:
    gymnasium.make("twin_envs/FeedbackInterval-v1", num_ue=0)
except twin_envs.base.errors.ConfigurationError as error:
    print(error)
"""


def test_every_environment_works_and_wrong_options_are_refused():
    *played, refused = run_fresh(PROGRAM, flags=["-OO"]).splitlines()
    assert len(played) == 9
    assert all(line.endswith(" True") for line in played)
    assert refused.startswith("num_ue must be")
