"""TorchRL: the specs that it derives hold; a rollout of one environment, of the native batch, and of many agents."""

from importlib.metadata import version

import gymnasium
import pettingzoo
from torchrl.envs import GymEnv, GymWrapper, PettingZooWrapper
from torchrl.envs.utils import check_env_specs

import twin_envs  # noqa: F401 (registers the environments with PettingZoo)

ID = "twin_envs:twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

check_env_specs(GymEnv(ID, **SMALL), seed=0)

envs = GymWrapper(gymnasium.make_vec(ID, num_envs=2, autoreset_mode="Disabled", **SMALL))
rollout = envs.rollout(20, break_when_any_done=False)
assert rollout.batch_size == (2, 20)
assert rollout["next", "reward"].isfinite().all()

agents = PettingZooWrapper(pettingzoo.make("parallel", "twin_envs/ApSelection-v1", decision_slots=60, **SMALL))
assert agents.rollout(2)["next", "ue", "reward"].shape == (2, 3, 1)
print(f"torchrl {version('torchrl')}: specs hold, {rollout.numel()} decisions of the native batch, 3 agents at once")
