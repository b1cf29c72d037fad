"""Every recipe that is built on demand, on a crop of it: built, and played by every environment, face and policy."""

import dataclasses
import json
import tomllib
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
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.faces.multi_agent import aec_env, parallel_env
from twin_envs.envs.registry import specification
from twin_envs.world.building import builder
from twin_envs.world.recipe import recipe_text
from twin_envs.world.store.reading import verify

pytestmark = pytest.mark.rt

RECIPES = [place + variant for place in ("etoile", "florence") for variant in ("", "-cellfree", "-28ghz")]
SIDE_M, NUM_APS = 40.0, 3
BEAMS = ("BeamSelection", "TwinFidelity")
SUITABLE = [(name, env) for name in RECIPES for env in ENVIRONMENTS if name.endswith("-28ghz") == (env in BEAMS)]
"""At 28 GHz beams are chosen, below UEs report CSI and are handed over."""
PLAYED = [pair for pair in SUITABLE if pair[0] in ("florence", "florence-28ghz")]
"""Where all faces are tried."""
DECIDED = [("florence", "FeedbackInterval"), ("florence", "ApSelection"), ("florence-28ghz", "BeamSelection")]
"""Where all policies are tried: one environment of each family, for planners take their time."""


def toml(value):
    """A value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def crop(name):
    """The recipe of a square of the site round its first AP, with the APs nearest to it, coarsely traced."""
    data = tomllib.loads(recipe_text(name))
    x, y, _ = data["access_points"][0]["position_m"]
    aps = sorted(data["access_points"], key=lambda ap: np.hypot(ap["position_m"][0] - x, ap["position_m"][1] - y))
    for world in data["worlds"].values():
        world |= {"samples": 500, "max_depth": min(world["max_depth"], 1)}
    kept = ("reality", "twin", "twin-los") if name.endswith("-28ghz") else ("reality", "twin")
    changes = {
        "area_m": [x - SIDE_M / 2, y - SIDE_M / 2, x + SIDE_M / 2, y + SIDE_M / 2],
        "grid_m": 4.0,
        "access_points": aps[:NUM_APS],
        "routes": {"walking": 6, "driving": 2, "least_length_m": 20.0},
        "worlds": {world: data["worlds"][world] for world in kept},
    }
    return "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in {**data, **changes}.items())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A function that builds the crop of a recipe, each once, and gives its folder."""
    folder, sites = tmp_path_factory.mktemp("crops"), {}

    def build(name):
        if name not in sites:
            path = folder / f"{name}.toml"
            path.write_text(crop(name))
            with pytest.MonkeyPatch.context() as patch:  # what asking live takes is measured elsewhere
                patch.setattr(builder, "measure_latency_s", lambda *_: {"twin": 0.1, "twin-los": 0.01})
                sites[name] = twin_envs.build_site(str(path), root=folder)
        return sites[name]

    return build


def options(env, site):
    """What makes episodes short, of what the environment knows."""
    known = {field.name for field in dataclasses.fields(resolve_name(specification(env).task).options)}
    wanted = {**specification(env).small, "site": str(site), "num_ue": 2, "codec": "type1", "cluster_size": 2}
    return {"device": "cpu", **{key: value for key, value in wanted.items() if key in known}}


@pytest.mark.parametrize("name", RECIPES)
def test_a_crop_of_each_recipe_is_built_and_has_a_gap(built, name):
    site = twin_envs.load_site(str(built(name)))
    assert all(check.ok for check in verify(site.path))
    assert site.manifest["gap"]["twin"]["gain_mae_db"] > 0
    assert site.manifest["coverage"]["reality"]["points"] > 0.5


@pytest.mark.parametrize(("name", "env"), SUITABLE)
def test_every_environment_that_suits_steps_there(built, name, env):
    made = gymnasium.make(specification(env).id, **options(env, built(name)))
    observation, _ = made.reset(seed=0)
    for _ in range(2):
        observation, reward, *_ = made.step(made.action_space.sample())
        assert made.observation_space.contains(observation)
        assert np.isfinite(reward)


@pytest.mark.parametrize(("name", "env"), [(n, e) for n in RECIPES for e in ENVIRONMENTS if (n, e) not in SUITABLE])
def test_what_does_not_suit_is_refused(built, name, env):
    with pytest.raises(ConfigurationError, match="site must"):
        gymnasium.make(specification(env).id, **{**options(env, built(name)), "num_ue": 6})


@pytest.mark.parametrize(("name", "env"), PLAYED)
def test_every_face_steps_there(built, name, env):
    given = options(env, built(name))
    batch = gymnasium.make_vec(specification(env).id, num_envs=2, **given)
    batch.reset(seed=0)
    assert np.isfinite(batch.step(batch.action_space.sample())[1]).all()
    turns = aec_env(env, **given)
    turns.reset(seed=0)
    turns.step(turns.action_space(turns.agent_selection).sample())
    assert np.isfinite(list(turns.rewards.values())).all()
    if env in SIMULTANEOUS:
        together = parallel_env(env, **given)
        together.reset(seed=0)
        rewards = together.step({agent: together.action_space(agent).sample() for agent in together.agents})[1]
        assert np.isfinite(list(rewards.values())).all()


@pytest.mark.parametrize(("name", "env"), DECIDED)
def test_every_policy_decides_there(built, name, env):
    envs = make_envs(env, 2, **options(env, built(name)))
    for contender, policy in competitors(env, envs).items():
        chosen = deepcopy(policy)
        attach(chosen, envs)
        observation, _ = envs.reset(seed=0)
        actions, _ = chosen.predict(observation, None, np.ones(2, bool), deterministic=True)
        assert np.isfinite(envs.step(actions)[1]).all(), contender
