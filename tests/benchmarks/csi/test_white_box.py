"""The white-box study: what its network, trainings and choices do, and that an interrupted run goes on."""

import dataclasses
import json
import math
import shutil

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.benchmarks.csi.white_box import study
from twin_envs.benchmarks.csi.white_box.arms import Plan
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, Sizes, errors, nmse_db
from twin_envs.benchmarks.csi.white_box.samples import Counts, pictures
from twin_envs.benchmarks.csi.white_box.selection import RULES
from twin_envs.benchmarks.csi.white_box.study import equivalent_samples
from twin_envs.benchmarks.csi.white_box.training import Schedule, train
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.reading import PACKAGED_SITES
from twin_envs.world.store.site import load_site

PIXELS, CODEWORD = 24, 4
SIZES = Sizes(pixels=PIXELS, codeword=CODEWORD, hidden=8)
SCHEDULE = Schedule(steps=200, batch_size=16, learning_rate=1e-2, looks=10)


def unit(pictures):
    return pictures / pictures.norm(dim=1, keepdim=True)


def within(directions, count, seed):
    """Pictures of unit norm with nothing outside the axes `directions`."""
    drawn = torch.randn(count, len(directions), generator=torch.Generator().manual_seed(seed))
    return unit(torch.zeros(count, PIXELS).index_copy_(1, torch.tensor(directions), drawn))


def started(pictures):
    net = Autoencoder(SIZES, seed=0)
    net.start_from(pictures)
    return net


def test_a_network_starts_as_the_principal_components_of_its_data():
    assert nmse_db(started(within(range(4), 60, 0)), within(range(4), 40, 1)) < -60
    spread = unit(torch.randn(500, PIXELS, generator=torch.Generator().manual_seed(2)))
    components = torch.linalg.svd(spread, full_matrices=False)[2][:CODEWORD]
    kept = (spread @ components.mT).norm(dim=1)
    torch.testing.assert_close(errors(started(spread), spread), 2 - 2 * kept, atol=2e-5, rtol=1e-4)  # |x - Px/|Px||^2


def test_training_lowers_the_error_and_touches_no_global_generator():
    curved = torch.linspace(0, 6.28, 400)[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    pictures = unit(torch.stack([torch.cos(k / 4 * curved + k) for k in range(PIXELS)], 1))
    net, before = started(pictures), torch.get_rng_state()
    start_db = nmse_db(net, pictures)
    assert train(net, pictures, schedule=SCHEDULE, seed=0) > 0
    assert nmse_db(net, pictures) < start_db - 1
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_that_is_no_better_on_what_is_kept_aside_is_not_taken():
    aside, learnt = within([0, 1, 2, 3], 20, 0), within([20, 21], 80, 1)  # the first fifth is kept aside
    net = started(aside)
    assert train(net, torch.cat([aside, learnt]), schedule=SCHEDULE, seed=0) == 0
    assert nmse_db(net, aside) < -60


def test_rehearsal_keeps_what_fine_tuning_forgets():
    twin, real = within([0, 1, 2, 3], 200, 0), within([3, 4, 5, 6], 100, 1)
    forgetful, rehearsing = started(twin), started(twin)
    train(forgetful, real, schedule=SCHEDULE, seed=0)
    train(rehearsing, real, schedule=SCHEDULE, seed=0, rehearsed=twin)
    assert nmse_db(forgetful, twin) > nmse_db(rehearsing, twin) + 2
    assert nmse_db(rehearsing, real) < nmse_db(started(twin), real) - 1


def test_samples_that_cannot_be_trained_on_are_refused():
    pictures = within(range(8), 20, 0)
    with pytest.raises(ConfigurationError, match="samples must be 5 or more to train on, got 4"):
        train(started(pictures), pictures[:4], schedule=SCHEDULE, seed=0)
    pictures[7, 3] = math.nan
    with pytest.raises(ConfigurationError, match="samples must be finite; 1 of 20 are not, the first is sample 7"):
        train(Autoencoder(SIZES, 0), pictures, schedule=SCHEDULE, seed=0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0])
def test_channels_that_are_none_are_refused(wrong):
    grid = AngleDelayGrid(blocks=16, rows=1, columns=4, taps=8, precursor_taps=2)
    h = torch.randn(6, 16, 4, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(pictures(h, grid).norm(dim=1), torch.ones(6))
    h[4] = wrong
    with pytest.raises(
        ConfigurationError, match="channels must be finite and not zero; 1 of 6 are not, the first is 4"
    ):
        pictures(h, grid)


@pytest.fixture(scope="module")
def worlds():
    """A twin, and a reality of which one sample in ten lies where the twin has nothing; its network."""
    twin = within(range(4), 300, 0)
    known, unknown = within(range(4), 270, 1), within([10, 11], 30, 2)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(3))
    real = torch.cat([known, unknown])[order]
    return real, twin, started(twin), order >= 270


@pytest.mark.parametrize("name", RULES)
def test_choices_are_distinct_and_a_few_are_the_first_of_many(worlds, name):
    real, twin, net, _ = worlds
    few, many = (RULES[name](real, twin, net, n, torch.Generator().manual_seed(5)) for n in (20, 60))
    assert many[:20].tolist() == few.tolist()
    assert len(set(many.tolist())) == 60


@pytest.mark.parametrize(("name", "share"), [("worst", 1.0), ("farthest", 0.4), ("missing", 0.15), ("random", 0.05)])
def test_what_the_twin_lacks_is_chosen(worlds, name, share):
    """Of real samples a tenth; beside as many of the twin's a fifth would make reality."""
    real, twin, net, unknown = worlds
    chosen = unknown[RULES[name](real, twin, net, 20, torch.Generator().manual_seed(5))]
    assert chosen.float().mean() >= share


def test_the_worst_are_those_of_the_largest_error(worlds):
    real, twin, net, _ = worlds
    chosen = RULES["worst"](real, twin, net, 30, torch.Generator())
    rest = errors(net, real)[~torch.isin(torch.arange(300), chosen)]
    assert errors(net, real)[chosen].min() >= rest.max()


def test_what_is_missing_makes_reality_of_the_twin(worlds):
    real, twin, net, _ = worlds

    def distance(name):
        chosen = real[RULES[name](real, twin, net, 40, torch.Generator().manual_seed(5))]
        mixed = (chosen.mT @ chosen / len(chosen) + twin.mT @ twin / len(twin)) / 2
        return float((mixed - real.mT @ real / len(real)).norm())

    assert distance("missing") < 0.5 * min(distance("random"), distance("worst"))


def test_equivalent_samples():
    samples, real_db = (10, 100, 1000), (-2.0, -6.0, -10.0)
    assert equivalent_samples(-6.0, samples, real_db) == pytest.approx(100)
    assert equivalent_samples(-8.0, samples, real_db) == pytest.approx(100 * math.sqrt(10))
    assert equivalent_samples(-1.0, samples, real_db) == 0
    assert equivalent_samples(-10.5, samples, real_db) is None
    setback = equivalent_samples(-5.9, samples, (-2.0, -6.0, -5.0))  # does not count
    assert setback == pytest.approx(equivalent_samples(-5.9, samples, real_db))


@pytest.fixture
def small(monkeypatch):
    plan = Plan(
        samples=(10, 40),
        seeds=1,
        counts=Counts(twin=200, real=120, scored=60),
        schedule=Schedule(steps=6, batch_size=16, looks=2),
    )
    monkeypatch.setattr(study, "QUICK", plan)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A site of another name, with the channels of the packaged one."""
    return str(shutil.copytree(PACKAGED_SITES / "munich", tmp_path_factory.mktemp("sites") / "copy"))


def setting(run, elsewhere, report=lambda *_: None):
    return Setting(site=load_site("munich"), elsewhere=elsewhere, quick=True, seed=3, run=run, report=report)


def without_times(figures):
    return {name: value for name, value in figures.items() if name != "training_s"}


def test_an_interrupted_study_goes_on_and_says_the_same(small, elsewhere, tmp_path):
    class Stop(Exception):
        pass

    told = []

    def stop_in_the_middle(what, share, detail=""):
        told.append(detail)
        if detail == "worst-40":
            raise Stop

    with pytest.raises(Stop):
        study.figures(setting(tmp_path / "broken", elsewhere, stop_in_the_middle))
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").rglob("*.*")}
    assert {f"{name}.json" for name in told[:-1]} <= {path.name for path in finished}
    resumed = study.figures(setting(tmp_path / "broken", elsewhere))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished  # nothing is made twice
    assert without_times(resumed) == without_times(study.figures(setting(tmp_path / "whole", elsewhere)))


def test_a_run_goes_on_with_more_seeds_but_not_with_another_schedule(small, elsewhere, tmp_path, monkeypatch):
    study.figures(setting(tmp_path, elsewhere))
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("seed-3/*.json")}
    plan = dataclasses.replace(study.QUICK, seeds=2)
    monkeypatch.setattr(study, "QUICK", plan)
    assert study.figures(setting(tmp_path, elsewhere))["seeds"] == 2
    assert {path: path.stat().st_mtime_ns for path in made} == made
    monkeypatch.setattr(study, "QUICK", dataclasses.replace(plan, schedule=Schedule(steps=7, looks=2)))
    with pytest.raises(ConfigurationError, match=r"holds a run with schedule = .*'steps': 6.*, and this one has .*7"):
        study.figures(setting(tmp_path, elsewhere))


def test_the_command_writes_what_the_study_says(small, elsewhere, tmp_path):
    path = tmp_path / "white-box.json"
    benchmark.main(
        study="white-box", quick=True, seed=3, site="munich", elsewhere=elsewhere, device="cpu", run=tmp_path / "run",
        json_path=path,
    )  # fmt: skip
    figures = json.loads(path.read_text())["figures"]
    for by_arm in figures["nmse_db"].values():
        assert all(len(found) == 2 and all(-30 < error_db < 3.1 for error_db in found) for found in by_arm.values())
        assert by_arm["twin"][1] < by_arm["twin"][0]
        assert by_arm["random, rehearsal"][0] < by_arm["real"][0]
        assert len(set(by_arm["generic"])) == 1
    assert figures["equivalent_real_samples"]["seen"].keys() == figures["nmse_db"]["seen"].keys() - {"real"}


def test_a_site_of_other_channels_cannot_stand_for_another_city(small, tmp_path):
    with pytest.raises(
        ConfigurationError, match=r"elsewhere must be a site with channels as those of 'munich', .*columns"
    ):
        study.figures(setting(tmp_path, "munich-cellfree"))
