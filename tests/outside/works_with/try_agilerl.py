"""AgileRL: a population of DQN agents learns on the native batch in the twin; the best is evaluated in reality."""

from importlib.metadata import version

import gymnasium
from agilerl.algorithms import DQN
from agilerl.components.replay_buffer import ReplayBuffer
from agilerl.training.train_off_policy import train_off_policy

import twin_envs
from twin_envs.wrappers import RelativeRewardVector

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}

envs = RelativeRewardVector(gymnasium.make_vec(ID, num_envs=4, world="twin", **SMALL))
space, actions = envs.single_observation_space, envs.single_action_space
agents = [DQN(space, actions, index=index, batch_size=16, gamma=0.95, learn_step=4) for index in range(2)]
agents, _ = train_off_policy(
    env=envs,
    env_name=ID,
    algo="DQN",
    pop=agents,
    memory=ReplayBuffer(max_size=1000),
    max_steps=200,
    evo_steps=80,
    eval_steps=10,
    verbose=False,
)
best = max(agents, key=lambda agent: agent.fitness[-1])


def decide(observations):
    return best.get_action(observations, epsilon=0.0)


assert twin_envs.evaluate(decide, ID, seeds=2, options=SMALL).mean > 0
print(f"agilerl {version('agilerl')}: two DQN agents learnt on the native batch, and one was evaluated")
