"""The episode on the page about a site: what it tells is what happened."""

import numpy as np
import pytest

import twin_envs
from twin_envs.agents import showing
from twin_envs.agents.core.environments import make_envs
from twin_envs.base.errors import ConfigurationError

SLOT_S, SLOTS = 0.5e-3, 300


@pytest.fixture(scope="module")
def episode():
    envs = make_envs("FeedbackInterval", 1, num_ue=3, episode_slots=SLOTS, device="cpu")
    return showing.watch("FeedbackInterval", envs, seed=1)


def test_csi_ages_with_time_until_it_is_reported_anew(episode):
    age_ms = episode.notes["CSI age [ms]"]
    passed_ms = 1e3 * np.diff(episode.time_s)[:, None]
    aged = np.isclose(np.diff(age_ms, axis=0), passed_ms, atol=1e-3)
    assert 0.3 < aged.mean() < 1
    assert (np.diff(age_ms, axis=0) <= passed_ms + 1e-3).all()
    assert 0 <= age_ms.min() < age_ms.max() <= 1e3 * episode.time_s[-1]
    assert not aged.all(0).any()  # each UE has reported


def test_ues_are_where_the_network_believed_them_and_one_access_point_serves_all(episode):
    assert episode.title.startswith("FeedbackInterval, fixed-")
    assert (np.diff(episode.time_s) > 0).all()
    assert 0.8 * SLOTS * SLOT_S < episode.time_s[-1] < SLOTS * SLOT_S
    assert len(episode.time_s) == len(episode.ue_m) == len(episode.ue_std_m) == len(episode.serving)
    fastest_m_s = np.linalg.norm(np.diff(episode.ue_m, axis=0), axis=-1) / np.diff(episode.time_s)[:, None]
    assert np.median(fastest_m_s) < 20
    assert {ap for pairs in episode.serving for ap, _ in pairs} == {episode.serving[0][0][0]}
    assert all([ue for _, ue in pairs] == [0, 1, 2] for pairs in episode.serving)


@pytest.mark.parametrize(
    ("site", "env"),
    [("munich", "FeedbackInterval"), ("munich-28ghz", "BeamSelection"), ("munich-cellfree", "ApSelection")],
)
def test_the_page_shows_an_environment_that_suits_the_site(monkeypatch, tmp_path, site, env):
    shown = []
    monkeypatch.setattr(showing, "watch", lambda name, envs, seed: shown.append((name, envs.core.config.num_ue, seed)))
    monkeypatch.setattr(showing, "write_page", lambda name, path, episode: path)
    assert twin_envs.show_site(site, tmp_path / "page.html", num_ue=5, seed=7) == tmp_path / "page.html"
    assert shown == [(env, 5, 7)]


def test_what_cannot_be_shown_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="num_ue must be from 1 to 200, got 0"):
        twin_envs.show_site("munich-28ghz", tmp_path / "x.html", num_ue=0)
    with pytest.raises(
        ConfigurationError, match=r"env must suit the site 'munich-28ghz', got FeedbackInterval: site must"
    ):
        twin_envs.show_site("munich-28ghz", tmp_path / "x.html", env="FeedbackInterval")
    assert not list(tmp_path.iterdir())
