"""The semi-black-box study: places, rasters, rays, codecs and hypernetworks, and that an interrupted run goes on."""

import json
import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.csi import __main__ as benchmark
from twin_envs.benchmarks.csi.runs import Run
from twin_envs.benchmarks.csi.semi_black_box import samples, study
from twin_envs.benchmarks.csi.semi_black_box.arms import Plan
from twin_envs.benchmarks.csi.semi_black_box.codec import errors, new_codec, principal
from twin_envs.benchmarks.csi.semi_black_box.hypernetworks import (
    ProfileNetwork,
    Writer,
    features,
    personal_components,
    wiener_decoder,
)
from twin_envs.benchmarks.csi.semi_black_box.launching import launched
from twin_envs.benchmarks.csi.semi_black_box.layouts import KINDS, SIDE_M, built, draw_place
from twin_envs.benchmarks.csi.semi_black_box.raster import CHANNELS, RANGE_M, RANGES, raster
from twin_envs.benchmarks.csi.semi_black_box.samples import BEAMS, PIXELS, TAPS, profile
from twin_envs.benchmarks.csi.semi_black_box.scenes import traced
from twin_envs.benchmarks.csi.semi_black_box.training import Schedule, mirrored, train_profiles, tuned
from twin_envs.benchmarks.csi.semi_black_box.views import Views, of_others, views
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.recipe import AccessPoint
from twin_envs.world.store.site import load_site

GRID = AngleDelayGrid(blocks=samples.BLOCKS, rows=1, columns=BEAMS, taps=TAPS, precursor_taps=samples.PRECURSOR_TAPS)
SCHEDULE = Schedule(steps=20, profile_steps=20, tuning_steps=40, scenes=2, batch_size=16, learning_rate=1e-2)
IN_THE_MIDDLE = AccessPoint(name="ap", position_m=(20.0, 5.0, 5.0), yaw_rad=math.pi / 2)
RAYS = {"beams": BEAMS, "taps": TAPS, "first_tap": 1, "tap_m": 6.5}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def steered(sine, count=200, seed=0):
    """Channels of plane waves that arrive under such sines of azimuth, each with a phase of its own."""
    drawn = torch.tensor(sine)[torch.randint(len(sine), (count,), generator=generator(seed))]
    phase = math.pi * drawn[:, None] * torch.arange(BEAMS) + 6.28 * torch.rand(count, 1, generator=generator(seed))
    return torch.polar(torch.ones(count, BEAMS), phase)[:, None].expand(-1, samples.BLOCKS, -1).contiguous()


def open_square():
    height_m = torch.zeros(SIDE_M + 1, SIDE_M + 1)
    height_m[-1], height_m[:, 0], height_m[:, -1] = 10.0, 10.0, 10.0
    return height_m


def test_places_are_drawn_alike_twice_and_access_points_hang_in_the_open():
    for number in range(2):
        place, again = draw_place(number, 3), draw_place(number, 3)
        assert place.kind == KINDS[number % 2]
        assert (place.boxes == again.boxes).all()
        assert (place.access_points == again.access_points).all()
        column, row = place.access_points[:, :2].round().astype(int).T
        assert not built(place.boxes)[row, column].any()
    with pytest.raises(ConfigurationError, match=r"access_points must be from 1 to \d+ in this place, got 5000"):
        draw_place(0, 5000)


def test_a_raster_is_seen_from_the_access_point():
    height_m = open_square()
    height_m[20, 15:26] = 10.0  # a wall 15 m ahead
    found = raster(height_m, IN_THE_MIDDLE, beams=BEAMS, ue_height_m=1.5)
    assert found.shape == (len(CHANNELS), RANGES, BEAMS)
    height, free, seen = found
    ahead, before, behind = BEAMS // 2, int(12 / RANGE_M), int(18 / RANGE_M)
    assert height[:, ahead].max() == 1.0
    assert seen[before, ahead] == free[before, ahead] == free[behind, ahead] == 1
    assert seen[behind, ahead] == 0
    assert (seen <= free).all()
    eastward = AccessPoint(name="ap", position_m=(5.0, 20.0, 5.0), yaw_rad=0.0)
    turned = raster(height_m.T.contiguous(), eastward, beams=BEAMS, ue_height_m=1.5)
    torch.testing.assert_close(turned[..., 1:], mirrored(found)[..., 1:])  # the same, in a mirror


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda h: h * 0, "height_m must hold a wall or a house, higher than 0.5 m: got a scene without geometry"),
        (lambda h: h.index_fill(0, torch.tensor([3]), math.nan), "height_m must be finite, got 41 of 1681 values"),
    ],
)  # fmt: skip
def test_maps_that_say_nothing_are_refused(spoil, says):
    with pytest.raises(ConfigurationError, match=says):
        raster(spoil(open_square()), IN_THE_MIDDLE, beams=BEAMS, ue_height_m=1.5)


def test_rays_go_where_there_is_room_and_come_back_from_walls():
    power = launched(open_square(), IN_THE_MIDDLE, **RAYS)
    assert float(power.sum()) == pytest.approx(1)
    torch.testing.assert_close(power, mirrored(power), atol=4e-3, rtol=0.2)  # the place is as its mirror image
    assert power[0].sum() == 0  # before the first path nothing comes
    assert 0.5 < power[1].sum() < 1  # some comes late, from walls
    halved = open_square()
    halved[:, 21:] = 10.0
    by_beam = launched(halved, IN_THE_MIDDLE, **RAYS).sum(0)
    assert by_beam[BEAMS // 2 + 2 :].sum() > 4 * by_beam[: BEAMS // 2 - 1].sum()  # the phase grows towards the left


def test_beams_of_pictures_are_those_of_rasters():
    beam = 22
    seen = samples.pictures(steered([2 * (beam - BEAMS / 2) / BEAMS]), GRID)
    assert int(profile(seen)[samples.PRECURSOR_TAPS].argmax()) in (beam, BEAMS - beam)
    assert float(profile(seen).max()) == pytest.approx(1)
    spoilt = steered([0.1], count=6)
    spoilt[4] = math.nan
    with pytest.raises(
        ConfigurationError, match="channels must be finite and not zero; 1 of 6 are not, the first is 4"
    ):
        samples.pictures(spoilt, GRID)


@pytest.fixture(scope="module")
def scenes():
    """Pictures of two scenes, whose UEs are in other directions, and what they have in the mean."""
    sines = ([-0.5, -0.4375, -0.375, -0.3125], [0.5, 0.4375, 0.375, 0.3125])
    pictures = torch.stack([samples.pictures(steered(sine, seed=i), GRID) for i, sine in enumerate(sines)])
    flat = pictures.flatten(0, 1)
    return pictures, flat.mT @ flat / len(flat), profile(pictures)


def test_a_profile_tells_which_components_are_worth_keeping(scenes):
    pictures, moments, profiles = scenes
    general = new_codec(principal(moments[None], 4), 8, 0)
    own = personal_components(profiles, profiles.mean(0), moments, 4)
    torch.testing.assert_close(own.mT @ own, torch.eye(4).expand(2, 4, 4), atol=1e-4, rtol=0)
    assert (errors(new_codec(own, 8, 0), pictures) < 0.1).all()
    assert (errors(general, pictures) > 0.2).any()
    assert (errors(new_codec(own.flip(0), 8, 0), pictures) > 0.99).all()  # of the other scene


def test_a_decoder_that_knows_the_scene_does_better_with_the_same_codeword(scenes):
    pictures, moments, profiles = scenes
    encoder = torch.randn(1, PIXELS, 4, generator=generator()) * moments.diagonal().sqrt()[:, None]
    mean = profiles.mean(0)
    knowing, ignorant, wrong = (
        ((pictures @ encoder) @ wiener_decoder(encoder, said, mean, moments) - pictures).square().sum(-1).mean()
        for said in (profiles, mean[None].expand(2, -1, -1), profiles.flip(0))
    )
    assert knowing < 0.7 * ignorant < wrong


def test_the_profile_network_learns_from_maps_and_touches_no_global_generator():
    rasters = torch.rand(12, len(CHANNELS), RANGES, BEAMS, generator=generator()).round()
    rays = (4 * torch.randn(12, TAPS * BEAMS, generator=generator())).softmax(1).view(-1, TAPS, BEAMS)
    seen, before = features(rasters, rays), torch.get_rng_state()
    net = ProfileNetwork(rays.mean(0), 0)

    def divergence():
        with torch.no_grad():
            said = net(seen, rays)
        torch.testing.assert_close(said.exp().sum((1, 2)), torch.ones(12))
        return float((rays * (rays.log() - said)).sum((1, 2)).mean())

    start = divergence()
    train_profiles(net, seen, rays, rays, steps=60, generator=generator())
    assert divergence() < 0.9 * start
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_written_is_added_to_the_general_codec(scenes):
    general = new_codec(principal(scenes[1][None], 4), 8, 0)
    seen = torch.randn(3, TAPS + 3, BEAMS, generator=generator())
    writers = [Writer(general, rank, 0) for rank in (2, None)]
    for writer in writers:
        torch.nn.init.normal_(writer.write.bias, std=0.1, generator=generator())
    layer, whole = (writer(seen) for writer in writers)
    added = layer.decoder - general.decoder
    assert torch.linalg.matrix_rank(added.double(), rtol=1e-4).tolist() == [2, 2, 2]
    assert torch.equal(layer.encoder, general.encoder)
    assert all(len(value) == 3 for value in whole.weights.values())
    assert whole.parameters == general.parameters


def test_fine_tuning_is_each_scene_s_own_and_never_hurts_on_what_is_kept_aside(scenes):
    pictures, moments, _ = scenes
    general = new_codec(principal(moments[None], 4), 8, 0)
    found = tuned(general, pictures, SCHEDULE, generator())
    assert (errors(found, pictures) < 0.8 * errors(general, pictures)).all()
    hopeless = Schedule(tuning_steps=5, batch_size=4, learning_rate=1.0)
    kept = pictures[:, :40]
    assert (errors(tuned(general, pictures, hopeless, generator()), kept) <= errors(general, kept) + 1e-6).all()


def test_samples_that_cannot_be_trained_on_are_refused(scenes):
    pictures, moments, _ = scenes
    general = new_codec(principal(moments[None], 4), 8, 0)
    with pytest.raises(ConfigurationError, match="samples must be 5 or more to train on, got 4"):
        tuned(general, pictures[:, :4], SCHEDULE, generator())
    spoilt = pictures.clone()
    spoilt[1, 7, 3] = math.nan
    with pytest.raises(
        ConfigurationError, match="samples must be finite; 1 of 400 are not, the first is sample 7 of sc"
    ):
        tuned(general, spoilt, SCHEDULE, generator())


def test_shuffled_maps_are_of_other_scenes():
    place = torch.tensor([3, 3, 3, 4, 5, 5, 6])
    other = of_others(place)
    assert sorted(other.tolist()) == list(range(7))
    assert (place[other] != place).all()


PLAN = Plan(
    places=4,
    held_out=2,
    access_points=1,
    pictures=40,
    online=(10,),
    codeword=2,
    hidden=8,
    schedule=Schedule(steps=4, profile_steps=4, tuning_steps=4, scenes=2, batch_size=8),
)


@pytest.fixture
def small(monkeypatch):
    """The study of scenes of which nothing is traced: those of even numbers are alike, and so are the others."""

    def traced(number, *, access_points, real, run):
        return number, real

    def views(scenes, count, seed):
        numbers, real = [number for number, _ in scenes], scenes[0][1][1]
        sines = [[0.3, 0.4, 0.5] if number % 2 else [-0.6, -0.5, -0.3] for number in numbers]
        pictures = [samples.pictures(steered(sine, count, seed + i), GRID) for i, sine in enumerate(sines)]
        rays, rasters = torch.stack([profile(seen) for seen in pictures]), torch.ones(1, len(CHANNELS), RANGES, BEAMS)
        seen = features(rasters.expand(len(numbers), -1, -1, -1), rays)
        worlds = ("twin", "reality") if real else ("twin",)
        return Views(
            place=torch.tensor(numbers),
            rays=rays,
            seen=seen,
            map_alone=seen.clone(),
            pictures=dict.fromkeys(worlds, torch.stack(pictures)),
        )

    monkeypatch.setattr(study, "QUICK", PLAN)
    monkeypatch.setattr(study, "traced", traced)
    monkeypatch.setattr(study, "views", views)


def setting(run, report=lambda *_: None):
    return Setting(site=load_site("munich"), elsewhere="", quick=True, seed=3, run=run, report=report)


def test_an_interrupted_study_goes_on_and_says_the_same(small, tmp_path):
    class Stop(Exception):
        pass

    def stop_in_the_middle(what, share, detail=""):
        if detail == "twin: written layer":
            raise Stop

    with pytest.raises(Stop):
        study.figures(setting(tmp_path / "broken", stop_in_the_middle))
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").rglob("*.*")}
    assert {"twin-decoder-only.json", "agnostic.safetensors"} <= {path.name for path in finished}
    resumed = study.figures(setting(tmp_path / "broken"))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished  # nothing is made twice
    assert study.figures(setting(tmp_path / "whole")) == resumed
    for world in ("twin", "reality"):
        assert all(-40 < db < 3 for db in resumed["nmse_db"][world].values())
        assert resumed["gain_db"][world]["scene-agnostic"] == 0
        assert resumed["gain_db"][world]["hypernetwork"] > 0.5 > resumed["gain_db"][world]["hypernetwork, shuffled"]


def test_the_command_writes_what_the_study_says_and_damaged_weights_are_refused(small, tmp_path):
    run, path = tmp_path / "run", tmp_path / "figures.json"
    benchmark.main(study="semi-black-box", quick=True, seed=3, site="munich", device="cpu", run=run, json_path=path)
    assert json.loads(path.read_text())["figures"] == json.loads(json.dumps(study.figures(setting(run))))
    weights, scored = run / "seed-3" / "agnostic.safetensors", run / "seed-3" / "twin-scene-agnostic.json"
    weights.write_bytes(weights.read_bytes()[:-4] + b"oops")
    scored.unlink()
    with pytest.raises(ConfigurationError, match=r"agnostic.safetensors is damaged \(its sha256 should be"):
        study.figures(setting(run))


def test_a_run_goes_on_with_its_own_plan_alone(small, tmp_path, monkeypatch):
    Run(tmp_path, {"places": 4})
    with pytest.raises(ConfigurationError, match="remove the folder or choose another with --run"):
        study.figures(setting(tmp_path))


@pytest.mark.rt
def test_a_place_is_traced_once_and_is_what_was_drawn(tmp_path):
    run = Run(tmp_path, {})
    scene = traced(0, access_points=1, real=False, run=run)
    place = draw_place(0, 1)
    inside = built(place.boxes + np.array([0.5, 0.5, -0.5, -0.5, 0]))  # a ray along a wall may miss it
    assert (scene.height_m.numpy()[inside] >= 5.9).all()
    assert scene.worlds.keys() == {"twin"}
    assert samples.heard(scene.worlds["twin"]) == [0]
    found = views([(0, scene)], 64, 0)
    assert found.pictures["twin"].shape == (1, 64, PIXELS)
    by_direction = profile(found.pictures["twin"])[0].sum(0), found.rays[0].sum(0)
    assert np.corrcoef(*by_direction)[0, 1] > 0.3  # where rays go there is power
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    traced(0, access_points=1, real=False, run=run)
    assert {path: path.stat().st_mtime_ns for path in made} == made
