"""PettingZoo: UEs as agents, in turn and at once, by PettingZoo's own registry and tests."""

from importlib.metadata import version

import pettingzoo
from pettingzoo.test import parallel_api_test

import twin_envs  # noqa: F401 (registers the environments with PettingZoo)

SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

in_turn = pettingzoo.make("aec", "twin_envs/FeedbackInterval-v1", reward="own", **SMALL)
in_turn.reset(seed=0)
turns = 0
for agent in in_turn.agent_iter(max_iter=300):
    _, _, terminated, truncated, _ = in_turn.last()
    in_turn.step(None if terminated or truncated else in_turn.action_space(agent).sample())
    turns += 1
assert not in_turn.agents
assert turns > 3

at_once = pettingzoo.make("parallel", "twin_envs/ApSelection-v1", reward="own", **SMALL)
parallel_api_test(at_once, num_cycles=20)
print(f"pettingzoo {version('pettingzoo')}: {turns} turns of an AEC episode, parallel_api_test passed")
