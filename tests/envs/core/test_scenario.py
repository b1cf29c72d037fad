"""Scenarios: what they expand to, who wins, and what is refused."""

import dataclasses
import json
import re
import sys

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec

import twin_envs
from twin_envs.base.errors import ConfigurationError, UnknownOption
from twin_envs.envs.association.configuration import AssociationConfig, NetworkConfig, SelectionConfig
from twin_envs.envs.beams.configuration import BeamConfig, FidelityConfig
from twin_envs.envs.core.configuration import EnvironmentConfig, parse_options
from twin_envs.envs.core.scenario import EVERY, FAMILIES, Scenario, load_scenario, scenario_names, scenarios
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.world.recipe import recipe_names

KINDS = {
    "csi_cell": (CellConfig,),
    "association": (NetworkConfig, AssociationConfig, SelectionConfig),
    "beams": (BeamConfig, FidelityConfig),
}
MINE = """
description = "Mine."

[all]
population = "walkers"
num_ue = 3

[csi_cell]
site = "munich"
num_ue = 4
dmrs_additional = 2
"""


@pytest.fixture
def mine(tmp_path):
    """Writes a scenario of one's own, and gives its path."""

    def write(text=MINE, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", scenario_names())
def test_what_ships_is_valid_for_every_environment_it_is_for(name):
    scenario = load_scenario(name)
    assert scenario.description.endswith(".")
    assert scenario.families
    for family in scenario.families:
        assert scenario.options(family)["site"] in recipe_names()
        for kind in KINDS[family]:
            config = parse_options(kind, {"scenario": name})
            assert {**dataclasses.asdict(config), **scenario.options(family)} == dataclasses.asdict(config)


def test_the_six_of_the_paper_ship():
    assert set(scenario_names()) >= {"street", "vehicular", "uav", "mmwave", "near-field", "indoor-factory"}


def test_tables_of_a_family_win_over_those_of_all_and_options_over_both(mine):
    path = mine()
    config = parse_options(CellConfig, {"scenario": path})
    assert (config.population, config.num_ue, config.dmrs_additional) == ("walkers", 4, 2)
    config = parse_options(CellConfig, {"scenario": path, "num_ue": 5, "population": "mixed"})
    assert (config.population, config.num_ue, config.dmrs_additional) == ("mixed", 5, 2)
    assert parse_options(CellConfig, {"scenario": None}) == CellConfig()


def test_an_environment_made_by_a_scenario_is_made_again_from_its_specification(mine):
    for scenario in ("vehicular", mine()):
        made = gymnasium.make("twin_envs/FeedbackInterval-v1", scenario=scenario, num_ue=2, device="cpu")
        kept = json.loads(made.spec.to_json())["kwargs"]
        assert kept == {"scenario": scenario, "num_ue": 2, "device": "cpu"}
        again = gymnasium.make(EnvSpec.from_json(made.spec.to_json()))
        assert again.unwrapped.core.config == made.unwrapped.core.config
        assert again.unwrapped.core.config.num_ue == 2
    many = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=2, scenario="vehicular", num_ue=2, device="cpu")
    assert many.unwrapped.core.config.population == "vehicles"


def test_a_scenario_is_no_more_than_its_options(mine):
    seen = []
    options = {"population": "walkers", "num_ue": 4, "dmrs_additional": 2}
    for given in ({"scenario": mine()}, options):
        env = gymnasium.make("twin_envs/FeedbackInterval-v1", device="cpu", **given)
        first, _ = env.reset(seed=5)
        seen.append([first, *env.step(3)[:2]])
    assert (seen[0][0] == seen[1][0]).all()
    assert (seen[0][1] == seen[1][1]).all()
    assert seen[0][2] == seen[1][2]


@pytest.mark.parametrize("wrong", ["vehicula", "", 7, ["street"], True])
def test_an_unknown_scenario_is_refused_with_the_nearest(wrong):
    with pytest.raises(
        ConfigurationError, match=rf"^scenario must be one of .*'street'.* got {re.escape(repr(wrong))}"
    ) as said:
        parse_options(CellConfig, {"scenario": wrong})
    assert ("did you mean 'vehicular'?" in str(said.value)) == (wrong == "vehicula")
    with pytest.raises(UnknownOption, match=r"did you mean 'scenario'\?"):
        parse_options(CellConfig, {"scenari": "street"})


WRONG = {
    "no TOML": ("[", r"scenario must be a name or the path of a TOML file, got '.*mine.toml'"),
    "a table that is none": (MINE + "[beam]\nnum_ue = 3", r"has no field 'beam'; did you mean 'beams'\?"),
    "an option that is none": (MINE + "codewordbits = 64", r"\[csi_cell\] of scenario .* has no field 'codewordbits'"),
    "one of a family for all": (
        MINE.replace("num_ue = 3", 'codec = "klt"'),
        r"\[all\] of scenario .* has no field 'codec'",
    ),
    "a value out of range": (
        MINE.replace("num_ue = 4", "num_ue = 40"),
        r"num_ue must be from 1 to 16, got 40; scenario .* says {.*'dmrs_additional': 2}",
    ),
    "no description": (MINE.replace('"Mine."', "7"), "description must be a text, got 7"),
    "no family": ('description = "None."', "must have a table for a family, one of csi_cell, association, beams"),
    "no table": ('description = "None."\nbeams = 3', "beams must be a table, got 3"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_file_is_named(mine, text, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_options(CellConfig, {"scenario": mine(text)})


def test_a_scenario_for_other_environments_is_refused_with_those_that_will_do(mine):
    with pytest.raises(ConfigurationError, match=r"\[beams\], such as .*'street'.* has \[csi_cell\]$"):
        parse_options(BeamConfig, {"scenario": mine()})
    with pytest.raises(ConfigurationError, match="No such file"):
        parse_options(BeamConfig, {"scenario": "nowhere.toml"})


def test_a_site_is_found_from_the_folder_of_the_scenario(mine, tmp_path):
    path = mine(MINE.replace('site = "munich"', 'site = "sites/square"'))
    assert load_scenario(path).options("csi_cell")["site"] == str(tmp_path / "sites" / "square")
    for site in ("munich", "places:square", str(tmp_path / "there")):
        assert load_scenario(mine(MINE.replace('"munich"', f'"{site}"'))).options("csi_cell")["site"] == site


@dataclasses.dataclass(frozen=True, kw_only=True)
class Own(EnvironmentConfig):
    """Options of an environment that is of no family."""

    site: str = "munich"
    num_ue: int = 2
    episode_slots: int = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFamily(Own):
    """Options of a family of one's own."""

    family = "sleeping"
    naps: int = 1


def test_environments_of_one_s_own_take_what_is_for_all_and_what_is_theirs(mine):
    path = mine(MINE + "\n[sleeping]\nnaps = 5\n")
    assert parse_options(OwnFamily, {"scenario": path}) == OwnFamily(population="walkers", num_ue=3, naps=5)
    assert parse_options(Own, {"scenario": mine()}) == Own(population="walkers", num_ue=3)


def test_a_package_or_a_module_of_one_s_own_has_scenarios(mine, tmp_path, monkeypatch):
    path = mine()
    (tmp_path / "my_places.py").write_text(f"def walkers():\n    return {path!r}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = parse_options(CellConfig, {"scenario": "my_places:walkers"})
    assert found == parse_options(CellConfig, {"scenario": path})
    twin_envs.scenarios.register("walkers", "my_places:walkers")
    try:
        assert "walkers" in scenario_names()
        assert parse_options(CellConfig, {"scenario": "walkers"}) == found
    finally:
        scenarios.unregister("walkers")
        sys.modules.pop("my_places", None)


def test_it_is_public_and_plain():
    found = twin_envs.load_scenario("street")
    assert isinstance(found, Scenario)
    assert set(found.families) == set(FAMILIES)
    assert found.options("") == dict(found.tables[EVERY])
