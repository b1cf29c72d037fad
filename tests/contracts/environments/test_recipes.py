"""Places with three recipes that are built on demand, on crops: every environment, face and policy plays at each.

At each place two recipes are built: that at 28 GHz, and one of the other two, of which places take turns.
"""

import dataclasses
from copy import deepcopy
from pkgutil import resolve_name

import gymnasium
import numpy as np
import pytest
from competitors import competitors
from ids import ENVIRONMENTS, SIMULTANEOUS

import twin_envs
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import attach
from twin_envs.agents.csi_cell.oracle import HindsightOracle
from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.sites import crop, recipes
from twin_envs.envs.faces.multi_agent import aec_env, parallel_env
from twin_envs.envs.registry import specification
from twin_envs.world.building import builder
from twin_envs.world.store.reading import verify

pytestmark = pytest.mark.rt

PLACES = sorted(name.removesuffix("-28ghz") for name in recipes() if name.endswith("-28ghz"))
BEAMS = ("BeamSelection", "TwinFidelity")
"""At 28 GHz beams are chosen, below UEs report CSI and are handed over."""


def site_for(env, turn):
    """A site that suits an environment, at the place whose turn it is."""
    variant = "-28ghz" if env in BEAMS else ("", "-cellfree")[turn % len(PLACES) % 2]
    return PLACES[turn % len(PLACES)] + variant


PLAYED = [(site_for(env, turn), env) for turn in range(len(PLACES)) for env in ENVIRONMENTS]


@pytest.fixture(scope="module", params=sorted({name for name, _ in PLAYED}))
def site(request, tmp_path_factory):
    """A recipe's crop, built; tests of one recipe run one after the other."""
    folder = tmp_path_factory.mktemp("crops")
    path = folder / f"{request.param}.toml"
    path.write_text(crop(request.param))
    with pytest.MonkeyPatch.context() as patch:  # what asking live takes is measured elsewhere
        patch.setattr(builder, "measure_latency_s", lambda *_: {"twin": 0.1, "twin-los": 0.01})
        return twin_envs.build_site(str(path), root=folder)


def of(site):
    """The environments that play on a site."""
    return [env for name, env in PLAYED if name == site.name]


def options(env, site):
    """What makes episodes short, of what the environment knows."""
    known = {field.name for field in dataclasses.fields(resolve_name(specification(env).task).options)}
    small = specification(env).small
    slots = 100 if small["episode_slots"] <= 500 else small["episode_slots"]  # some oracles play the whole episode
    wanted = {**small, "episode_slots": slots, "site": str(site), "num_ue": 2, "cluster_size": 2}
    return {"device": "cpu", **{key: value for key, value in wanted.items() if key in known}}


def test_a_crop_is_built_and_has_a_gap(site):
    assert all(check.ok for check in verify(site))
    manifest = twin_envs.load_site(str(site)).manifest
    assert manifest["gap"]["twin"]["gain_mae_db"] > 0
    assert manifest["coverage"]["reality"]["points"] > 0.5


def test_environments_that_suit_step_there(site):
    for env in of(site):
        made = gymnasium.make(specification(env).id, **options(env, site))
        observation, _ = made.reset(seed=0)
        for _ in range(2):
            observation, reward, *_ = made.step(made.action_space.sample())
            assert made.observation_space.contains(observation), env
            assert np.isfinite(reward), env


def test_what_does_not_suit_is_refused(site):
    for env in ENVIRONMENTS:
        if site.name.endswith("-28ghz") != (env in BEAMS):
            with pytest.raises(ConfigurationError, match="site must"):
                gymnasium.make(specification(env).id, **{**options(env, site), "num_ue": 6})


def test_all_faces_step_there(site):
    for env in of(site):
        given = options(env, site)
        batch = gymnasium.make_vec(specification(env).id, num_envs=2, **given)
        batch.reset(seed=0)
        assert np.isfinite(batch.step(batch.action_space.sample())[1]).all(), env
        turns = aec_env(env, **given)
        turns.reset(seed=0)
        turns.step(turns.action_space(turns.agent_selection).sample())
        assert np.isfinite(list(turns.rewards.values())).all(), env
        if env in SIMULTANEOUS:
            together = parallel_env(env, **given)
            together.reset(seed=0)
            rewards = together.step({agent: together.action_space(agent).sample() for agent in together.agents})[1]
            assert np.isfinite(list(rewards.values())).all(), env


def test_all_policies_decide_there(site):
    """All but the oracle in hindsight, which plays whole episodes with the others."""
    for env in of(site):
        envs = make_envs(env, 2, **options(env, site))
        for contender, policy in competitors(env, envs).items():
            if isinstance(policy, HindsightOracle):
                continue
            chosen = deepcopy(policy)
            attach(chosen, envs)
            observation, _ = envs.reset(seed=0)
            actions, _ = chosen.predict(observation, None, np.ones(2, bool), deterministic=True)
            assert np.isfinite(envs.step(actions)[1]).all(), contender


def test_each_environment_plays_at_each_place():
    assert len(PLACES) == 3
    for place in PLACES:
        assert {env for name, env in PLAYED if name.partition("-")[0] == place} == set(ENVIRONMENTS)
    assert {name for name, _ in PLAYED} <= set(recipes())
    assert {name.partition("-")[2] for name, _ in PLAYED} == {"", "cellfree", "28ghz"}
