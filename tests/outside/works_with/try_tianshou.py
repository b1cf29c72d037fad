"""Tianshou: DQN collects from several environments of the twin, learns, and is evaluated in reality."""

from importlib.metadata import version

import gymnasium
import numpy as np
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Batch, Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

import twin_envs
from twin_envs.wrappers import RelativeReward

ID = "twin_envs/FeedbackInterval-v1"
SMALL = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}


def make():
    return RelativeReward(gymnasium.make(ID, world="twin", **SMALL))


envs = DummyVectorEnv([make, make])
space, actions = make().observation_space, make().action_space
net = Net(state_shape=space.shape, action_shape=actions.n, hidden_sizes=[32])
policy = DiscreteQLearningPolicy(model=net, action_space=actions, observation_space=space, eps_training=0.2)
algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), gamma=0.95, target_update_freq=50)
collector = Collector(algorithm, envs, VectorReplayBuffer(1000, 2), exploration_noise=True)
collector.reset()
plan = OffPolicyTrainerParams(
    training_collector=collector, max_epochs=1, epoch_num_steps=40, collection_step_num_env_steps=10, batch_size=16
)
found = algorithm.run_training(plan)
assert found.train_step >= 40
assert found.update_step > 0


def decide(observations):
    return policy(Batch(obs=observations, info=Batch())).logits.detach().numpy().argmax(-1).astype(np.int64)


assert twin_envs.evaluate(decide, ID, seeds=2, options=SMALL).mean > 0
print(f"tianshou {version('tianshou')}: DQN learnt from {found.train_step} decisions and was evaluated")
