"""The study of less: where users are and what fixes tell of it, fewer paths, few places; an interrupted run goes on."""

import dataclasses
import json
import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.benchmarks.csi.white_box.samples import picture_grid
from twin_envs.benchmarks.csi.white_box.training import Schedule
from twin_envs.benchmarks.csi.white_box_data import places, study
from twin_envs.benchmarks.csi.white_box_data.arms import Plan
from twin_envs.benchmarks.csi.white_box_data.samples import (
    AUGMENTATIONS,
    augmented,
    seen_pictures,
    shifted,
    strongest,
    with_new_phases,
)
from twin_envs.csi.channels import ChannelSampler
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.store.site import load_site


def drawing(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def cells(site):
    """Grid points that the first AP serves, on streets to learn from."""
    return ChannelSampler(site, site.twin("twin"), False, 0).link[:, 1]


@pytest.fixture(scope="module")
def links(site):
    return ChannelSampler(site, site.twin("twin"), False, 0).links(24, drawing(0))


@pytest.fixture(scope="module")
def paths(site, links):
    return site.twin("twin").paths(links.position_m, links.ap)


def test_people_walk_where_routes_are(site):
    metres = places.walkable(site)
    on_foot = site.routes.kind == 0
    assert 0 < metres.sum() <= (site.routes.length_m[on_foot] + 1).sum()
    starts = site.geometry.cell(site.routes.points[on_foot, 0])
    assert bool((metres[starts[starts >= 0]] >= 1).all())
    assert bool((metres == 0).any())


def test_most_users_are_at_a_few_spots(site, cells):
    weight = places.hot_spots(site, cells, 3, drawing(1))
    assert float(weight.sum()) == pytest.approx(1, abs=1e-5)
    assert not bool(weight[torch.ones_like(weight, dtype=torch.bool).index_fill_(0, cells, False)].any())
    busiest = weight.sort(descending=True).values[: len(cells) // 4]
    assert float(busiest.sum()) > 0.75 * places.AT_SPOTS
    assert not torch.equal(weight, places.hot_spots(site, cells, 3, drawing(2)))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "count must be from 1 to inf, got 0"), (9999, "cells must have 9999 walk")]
)
def test_spots_that_cannot_be_are_refused(site, cells, count, said):
    with pytest.raises(ConfigurationError, match=said):
        places.hot_spots(site, cells, count, drawing(0))


def test_fixes_are_off_by_what_a_receiver_is_and_need_the_sky(site, cells):
    point = site.geometry.point_m[cells].repeat(20, 1)
    anywhere = Gnss(least_sky_view=0.0)
    error = places.gnss_fixes(site, point, anywhere, drawing(0)) - point[:, :2]
    torch.testing.assert_close(error.std(0), torch.full((2,), anywhere.position_std_m), rtol=0.05, atol=0)
    seen = site.sky_view.at(point[:, :2]) >= Gnss().least_sky_view
    assert 0 < len(places.gnss_fixes(site, point, Gnss(), drawing(0))) == int(seen.sum()) < len(point)


def test_more_fixes_tell_more_of_where_users_are(site, cells):
    users = places.hot_spots(site, cells, 4, drawing(3))
    sampler = ChannelSampler(site, site.twin("twin"), False, 0, users)
    fixes = places.gnss_fixes(site, sampler.links(600, drawing(4)).position_m, Gnss(), drawing(5))
    few, wide_m = places.learnt(fixes[:12], site.geometry)
    many, narrow_m = places.learnt(fixes, site.geometry)
    assert narrow_m < wide_m
    anywhere, known = places.uniform(site), places.overlap(users, users, cells)
    assert known == pytest.approx(1)
    found = [places.overlap(weight, users, cells) for weight in (anywhere, few, many)]
    assert found == sorted(found)
    assert found[-1] > 0.7


@pytest.mark.parametrize("fixes", [torch.zeros(1, 2), torch.zeros(5, 3), torch.tensor([[0.0, 1.0], [math.nan, 0.0]])])
def test_fixes_that_tell_nothing_are_refused(site, fixes):
    with pytest.raises(ConfigurationError, match=r"fixes_m must be two or more finite places \[M, 2\], got"):
        places.learnt(fixes, site.geometry)


def test_a_path_that_is_left_out_takes_its_power_along(site, paths):
    atlas = site.twin("twin")
    power = [strongest(paths, count).power.sum(1) for count in (1, 2, 4)]
    assert bool((power[0] == paths.power.amax(1)).all())
    assert bool((power[0] <= power[1]).all() and (power[1] <= power[2]).all() and (power[0] < power[2]).any())
    every = strongest(paths, paths.power.shape[1])
    assert torch.equal(seen_pictures(site, atlas, every), seen_pictures(site, atlas, paths))
    with pytest.raises(ConfigurationError, match="count must be from 1 to inf, got 0"):
        strongest(paths, 0)


def test_new_phases_leave_powers_and_make_other_pictures(site, paths):
    atlas, turned = site.twin("twin"), with_new_phases(paths, drawing(7))
    torch.testing.assert_close(turned.power, paths.power)
    alone = strongest(paths, 1)  # the common phase of a picture is taken out
    torch.testing.assert_close(
        seen_pictures(site, atlas, with_new_phases(alone, drawing(7))),
        seen_pictures(site, atlas, alone),
        atol=1e-4,
        rtol=0,
    )
    several = (paths.power > 0.1 * paths.power.amax(1, keepdim=True)).sum(1) > 1
    alike = (seen_pictures(site, atlas, turned) * seen_pictures(site, atlas, paths)).sum(1)
    assert float(alike[several].mean()) < 0.9


def test_beams_are_turned_round_and_nothing_else(site, paths):
    grid = picture_grid(site)
    seen = seen_pictures(site, site.twin("twin"), paths)
    moved = shifted(seen, grid, drawing(8))
    assert bool((moved != seen).any(1).float().mean() > 0.9)
    by_delay = (len(seen), grid.taps, -1)
    torch.testing.assert_close(
        moved.view(by_delay).sort(-1).values, seen.view(by_delay).sort(-1).values, atol=0, rtol=0
    )  # the same values at each delay
    strength = seen.view(len(seen), grid.taps, grid.rows, grid.columns, 2)[0]
    turned = moved.view(len(seen), grid.taps, grid.rows, grid.columns, 2)[0]
    assert any(
        torch.equal(strength.roll((row, column), (1, 2)), turned)
        for row in range(grid.rows)
        for column in range(grid.columns)
    )


@pytest.mark.parametrize("how", AUGMENTATIONS)
def test_samples_of_one_place_stand_together(site, links, how):
    made = augmented(site, site.twin("twin"), links, how, 96, drawing(9))
    assert len(made) == (24 if how == "none" else 96)
    torch.testing.assert_close(made.norm(dim=1), torch.ones(len(made)))
    if how == "shifts":
        energy = made.view(96, picture_grid(site).taps, -1).square().sum(-1)  # by delay, of no beam
        torch.testing.assert_close(energy, energy[::4].repeat_interleave(4, 0), atol=1e-6, rtol=0)


def test_samples_that_cannot_be_made_are_refused(site, links):
    atlas = site.twin("twin")
    with pytest.raises(ConfigurationError, match="how must be one of 'none', 'phases', 'shifts', got 'shift'; did you"):
        augmented(site, atlas, links, "shift", 48, drawing(0))
    with pytest.raises(ConfigurationError, match="count must be a multiple of the 24 places, got 100"):
        augmented(site, atlas, links, "phases", 100, drawing(0))


@pytest.fixture
def small(monkeypatch):
    plan = Plan(
        seeds=1,
        twin=160,
        real=(10,),
        scored=40,
        users=(40,),
        paths=(1,),
        places=(10,),
        schedule=Schedule(steps=4, batch_size=16, looks=2),
    )
    monkeypatch.setattr(study, "QUICK", plan)
    return plan


def setting(site, run, report=lambda *_: None):
    return Setting(site=site, elsewhere="", quick=True, seed=3, run=run, report=report)


def without_times(figures):
    return {name: value for name, value in figures.items() if name != "training_s"}


class Stop(Exception):
    """The study was interrupted."""


def stopping_before(piece):
    def report(what, share, detail=""):
        if detail == piece:
            raise Stop

    return report


def test_an_interrupted_study_goes_on_and_says_the_same(small, site, tmp_path):
    with pytest.raises(Stop):
        study.figures(setting(site, tmp_path / "broken", stopping_before("positions-fixes-of-40-10")))
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").rglob("*.*")}
    assert "positions-fixes-of-40-0.json" in {path.name for path in finished}
    resumed = study.figures(setting(site, tmp_path / "broken"))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished  # nothing is made twice
    assert without_times(resumed) == without_times(study.figures(setting(site, tmp_path / "whole")))


def test_a_run_of_another_plan_is_refused(small, site, tmp_path, monkeypatch):
    with pytest.raises(Stop):
        study.figures(setting(site, tmp_path, stopping_before("positions-uniform-10")))
    monkeypatch.setattr(study, "QUICK", dataclasses.replace(small, users=(50,)))
    with pytest.raises(ConfigurationError, match=r"holds a run with users = \[40\], and this one has \[50\]"):
        study.figures(setting(site, tmp_path))


def test_the_command_writes_what_the_study_says(small, tmp_path):
    path = tmp_path / "data.json"
    benchmark.main(
        study="white-box-data", quick=True, seed=3, site="munich", device="cpu", run=tmp_path / "run", json_path=path
    )
    figures = json.loads(path.read_text())["figures"]
    positions = figures["positions"]
    assert positions["real"] == [0, 10]
    for users, by_streets in positions["cost_db"].items():
        assert all(by_arm[users] == [0.0, 0.0] for by_arm in by_streets.values())
    at_spots = positions["nmse_db"]["hot spots"]["seen"]
    assert at_spots["hot spots"][0] < at_spots["uniform"][0]  # fewer kinds of channels to learn
    assert positions["overlap"]["hot spots"] == pytest.approx(1)
    assert positions["overlap"]["other hot spots"] < positions["overlap"]["fixes of 40"]
    assert figures["paths"]["power"] == sorted(figures["paths"]["power"])
    assert figures["paths"]["power"][-1] == pytest.approx(1)
    by_how = figures["places"]["nmse_db"]["seen"]
    assert by_how["phases"][0] < by_how["none"][0] - 1  # ten places, of which none has but ten components
    assert all(-30 < error_db < 3.1 for errors in by_how.values() for error_db in errors)
