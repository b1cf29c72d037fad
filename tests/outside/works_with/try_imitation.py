"""imitation: behavioural cloning of a rule, from its trajectories on the native batch in the twin."""

from importlib.metadata import version

import gymnasium
import numpy as np
from imitation.algorithms.bc import BC
from imitation.data import rollout

import twin_envs
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}


def teacher(observation, state, episode_start):
    """Always the same interval."""
    return np.full(len(observation), 2), state


envs = SB3VecEnv(gymnasium.make_vec(ID, num_envs=4, world="twin", autoreset_mode="SameStep", **SMALL))
rng = np.random.default_rng(0)
shown = rollout.rollout(teacher, envs, rollout.make_sample_until(min_episodes=6), rng=rng, unwrap=False)
taught = rollout.flatten_trajectories(shown)
cloning = BC(
    observation_space=envs.observation_space,
    action_space=envs.action_space,
    demonstrations=taught,
    batch_size=16,
    rng=rng,
    device="cpu",
)
cloning.train(n_epochs=20, progress_bar=False)
assert (cloning.policy.predict(taught.obs, deterministic=True)[0] == 2).mean() > 0.9
assert twin_envs.evaluate(cloning.policy, ID, seeds=2, options=SMALL).mean > 0
print(f"imitation {version('imitation')}: BC learnt a rule from {len(taught)} decisions of {len(shown)} episodes")
