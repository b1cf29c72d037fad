"""The functions behind `twin-envs site check` and `site list`."""

import shutil

import pytest

import twin_envs
from twin_envs.base.errors import SiteError
from twin_envs.world.recipe import recipe_names
from twin_envs.world.store.reading import PACKAGED_SITES


def test_an_intact_site_is_checked_with_what_its_builder_said():
    found = twin_envs.check_site("munich-28ghz")
    assert found.ok
    assert found.path == PACKAGED_SITES / "munich-28ghz"
    assert found.note == ""
    assert {file.file for file in found.files} >= {"manifest.json", "recipe.toml", "world-reality.safetensors"}
    assert found.manifest["gap"]["twin"]["gain_mae_db"] > 0


def test_a_damaged_site_is_found_with_what_mends_it(tmp_path):
    folder = shutil.copytree(PACKAGED_SITES / "munich-28ghz", tmp_path / "copy")
    (folder / "map.safetensors").write_bytes(b"")
    found = twin_envs.check_site(str(folder))
    assert not found.ok
    assert found.manifest == {}
    (damaged,) = (file for file in found.files if not file.ok)
    assert damaged.file == "map.safetensors"
    assert damaged.remedy.startswith("twin-envs site build")


def test_a_site_that_is_not_there_is_refused():
    with pytest.raises(SiteError, match="did you mean 'munich"):
        twin_envs.check_site("munich-28gh")


def test_sites_are_listed_with_their_folders_and_recipes_without(monkeypatch, tmp_path):
    monkeypatch.setenv("TWIN_ENVS_HOME", str(tmp_path))
    mine = shutil.copytree(PACKAGED_SITES / "munich-28ghz", tmp_path / "sites" / "mine")
    listed = twin_envs.list_sites()
    assert listed["mine"] == mine
    assert listed["munich"] == PACKAGED_SITES / "munich"
    assert listed["florence"] is None
    assert listed.keys() == {"mine", *recipe_names()}
    assert list(listed) == sorted(listed)
