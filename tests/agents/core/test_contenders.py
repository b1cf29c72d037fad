"""What holds for the contenders of every environment that has some."""

import numpy as np
import pytest
from ids import ENVIRONMENTS

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.agents.learning.spaces import describe_space, read_space
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.registry import specification


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_contenders_decide_what_their_environment_takes(env):
    candidates = contenders(env)
    small = specification(env).small
    slots = 100 if small["episode_slots"] <= 500 else small["episode_slots"] // 2  # some play one in advance
    envs = make_envs(env, 2, **small | {"episode_slots": slots})
    rivals = {name: next(iter(by.values())) for name, by in candidates.tuned.items()} | candidates.ready
    first = dict([next(iter(candidates.fixed.items()))])
    for name, policy in (first | rivals).items():
        attach(policy, envs)
        observation, _ = envs.reset(seed=[1, 2])
        actions, _ = policy.predict(observation, None, np.ones(2, bool))
        assert envs.action_space.contains(np.asarray(actions, envs.action_space.dtype)), name
        info = envs.step(actions)[-1]
        assert (info["elapsed_slots"] > 0).all()
    assert read_space(describe_space(envs.single_action_space)) == envs.single_action_space


@pytest.mark.parametrize("env", ["ApAssociation", "ApSelection"])
def test_there_is_a_fixed_choice_for_each_ap_of_another_site(env):
    envs = make_envs(env, 1, num_ue=2, site="munich", **({"cluster_size": 3} if env == "ApAssociation" else {}))
    assert len(contenders(env, envs).fixed) == 1 + envs.network.aps == 10
    for policy in contenders(env, envs).fixed.values():
        policy.attach(envs.network)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_contenders_have_names_of_their_own_and_an_oracle(env):
    candidates = contenders(env)
    names = [*candidates.fixed, *candidates.tuned, *candidates.ready]
    assert len(set(names)) == len(names)
    assert not {"random", "best-fixed", "ppo", "dqn", "sac", "recurrent_ppo", "dagger"} & set(names)
    assert "oracle" in candidates.ready
    assert candidates.reference in {*candidates.tuned, "best-fixed"}
    assert candidates.twins
    assert candidates.fixed


def test_environment_without_contenders_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'PilotDensity'"):
        contenders("PilotDensitty")
