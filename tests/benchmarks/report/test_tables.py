"""Tables of results, and the picture of an episode."""

import pytest
from matplotlib.image import imread

from twin_envs.benchmarks.report import episode, tables


def test_the_best_without_the_twin_knows_neither_the_twin_nor_reality_and_was_not_trained():
    means = {
        "best-fixed": 1.0,
        "rule": 2.0,
        "twin": 5.0,
        "twin-rule": 4.0,
        "ppo": 3.0,
        "oracle": 6.0,
        "oracle-planner": 6.0,
    }
    figures = {
        "roles": {"twins": ["twin", "twin-rule"], "trained": ["ppo"]},
        "policies": {name: {"mean": mean} for name, mean in means.items()},
    }
    assert tables.best_without_the_twin(figures) == "rule"
    figures["policies"]["rule"]["mean"] = 1.0
    assert tables.best_without_the_twin(figures) == "best-fixed"  # of equals, the simpler one


def test_the_overview_has_a_row_for_each_environment_with_a_result():
    text = tables.overview({"BeamSelection": "when", "NotThere": "never"})
    assert [line.split(" | ")[0] for line in text.splitlines()[2:]] == ["| when"]


@pytest.mark.parametrize("name", tables.result_names())
def test_a_comparison_tells_every_policy_that_is_no_fixed_choice(name):
    _, figures, provenance = tables.load_result(name)
    text = tables.comparison(name)
    assert all(f"| {rival}" in text for rival in figures["roles"]["rivals"])
    assert provenance["commit"] in text
    assert f"{figures['headroom']:.1%}" in text


def test_the_picture_of_an_episode(tmp_path, monkeypatch):
    monkeypatch.setitem(episode.OPTIONS, "episode_slots", 200)
    episode.main(tmp_path / "new" / "episode.png")
    assert imread(tmp_path / "new" / "episode.png").shape[:2] == (720, 960)
