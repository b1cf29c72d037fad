"""How each environment is learnt: what its docstring says is what the trainers do, and what the results came of."""

from pathlib import Path

import gymnasium
import pytest
from ids import ENVIRONMENTS

from twin_envs import ppo
from twin_envs.agents.core.environments import training_of
from twin_envs.agents.learning.algorithms import PpoConfiguration, configure
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.training import REWARDS, Training

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_docstring_and_trainers_say_the_same(env):
    training, configuration = training_of(env), configure("ppo", {}, training_of(env))
    entry = gymnasium.envs.registration.load_env_creator(gymnasium.spec(f"twin_envs/{env}-v1").entry_point)
    assert entry.task_type.training == training
    section = entry.__doc__.split("## Training\n\n")[1].split("\n## ")[0]
    rows = dict(line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `"))
    told = {name.strip("`"): value for name, value in rows.items()}
    named = {name: str(value) for name, value in vars(configuration).items() if name != "reward"}
    assert told == named | {"steps": str(training.steps), "num_envs": str(training.num_envs)}
    assert "relative rewards" in section
    assert configuration.reward == training.reward == "relative"
    alone = vars(ppo.parse(["--env", env]))
    assert {name: str(alone[name]) for name in told} == told


def test_hyperparameters_that_are_given_are_taken_and_the_others_are_the_environments():
    training = Training(discount=0.5, epochs=3, reward="raw")
    assert configure("ppo", {"epochs": 2}, training) == PpoConfiguration(discount=0.5, epochs=2, reward="raw")
    assert configure("ppo", {}) == PpoConfiguration()
    assert configure("dqn", {}, training) == configure("dqn", {})
    with pytest.raises(ConfigurationError, match="reward must be one of 'relative', 'raw', got 'own'"):
        configure("ppo", {"reward": "own"})
    assert REWARDS == ("relative", "raw")
