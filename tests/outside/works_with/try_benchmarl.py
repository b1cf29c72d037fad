"""BenchMARL: MAPPO for UEs that decide at once, on the parallel face, as a task of one's own."""

import tempfile
from importlib.metadata import version

import pettingzoo
from benchmarl.algorithms import MappoConfig
from benchmarl.environments.pettingzoo.common import PettingZooClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torchrl.envs import PettingZooWrapper

import twin_envs  # noqa: F401 (registers the environments with PettingZoo)

SMALL = {"num_ue": 3, "episode_slots": 200, "decision_slots": 20, "world": "twin", "device": "cpu"}


class ApSelection(PettingZooClass):
    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        def make():
            env = pettingzoo.make("parallel", "twin_envs/ApSelection-v1", **self.config)
            return PettingZooWrapper(env, categorical_actions=True, seed=seed, device=device)

        return make

    def supports_continuous_actions(self):
        return False

    def supports_discrete_actions(self):
        return True

    def has_state(self):
        return False

    def max_steps(self, env):
        return self.config["episode_slots"] // self.config["decision_slots"]


config = ExperimentConfig.get_from_yaml()
config.max_n_iters = 2
config.on_policy_collected_frames_per_batch = 20
config.on_policy_n_envs_per_worker = 1
config.on_policy_minibatch_size = 10
config.on_policy_n_minibatch_iters = 1
config.evaluation = False
config.loggers = []
config.create_json = False
config.save_folder = tempfile.mkdtemp()
experiment = Experiment(
    task=ApSelection("ApSelection", SMALL),
    algorithm_config=MappoConfig.get_from_yaml(),
    model_config=MlpConfig.get_from_yaml(),
    critic_model_config=MlpConfig.get_from_yaml(),
    seed=0,
    config=config,
)
experiment.run()
assert experiment.total_frames == 40
print(f"benchmarl {version('benchmarl')}: MAPPO learnt from {experiment.total_frames} decisions of 3 UEs at once")
