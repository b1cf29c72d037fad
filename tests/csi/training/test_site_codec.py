"""How the codec of a site comes about: what it is trained and scored on, and which site takes it over."""

import shutil

import pytest
import torch
from damage import flip_bit
from packaged_codec import CODEC_FILE, CODEC_LENGTHS

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.autoencoder.weights import read_metadata
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.site_codec import angle_delay_grid, codec_names, load_site_codec
from twin_envs.csi.training.site_codec import adopt_codec, train_site_codec
from twin_envs.csi.training.training import nmse, sgcs
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.world.recipe import recipe_text
from twin_envs.world.store import reading as store
from twin_envs.world.store.site import load_site, world_file
from twin_envs.world.store.writing import build_site

CPU = torch.device("cpu")


def test_the_manifest_says_how_the_codec_was_made(site, codec_entry):
    assert codec_entry["world"] == "twin"
    assert codec_entry["data_sha256"] == site.manifest["files"][world_file("twin")]["sha256"]
    assert (
        codec_entry["command"]
        == f"twin-envs codec train munich --seed {codec_entry['seed']} --steps {codec_entry['steps']}"
    )
    assert codec_entry["steps"] > 0
    for world in ("twin", "reality"):
        for scores in codec_entry["scores"][world].values():
            assert scores.keys() == {"nmse_db", "nmse_by_block_db", "sgcs", "bits"}
    twin, reality = (codec_entry["scores"][world]["256"]["nmse_db"] for world in ("twin", "reality"))
    assert twin < reality < -3  # trained on the twin, useful in reality


@pytest.mark.parametrize("file", ["codec-csinet-plus.safetensors", "codec-transformer.safetensors"])
def test_every_codec_of_a_site_is_trained_on_its_twin_and_small(site, file):
    entry, header = site.manifest["files"][file], read_metadata(site.path / file)
    assert entry["bytes"] < 1.5e6
    assert entry["data_sha256"] == header["data_sha256"] == site.manifest["files"][world_file("twin")]["sha256"]
    assert (header["site"], float(header["carrier_hz"])) == ("munich", 3.5e9)
    twin, reality = (entry["scores"][world]["512"]["sgcs"] for world in ("twin", "reality"))
    assert twin > reality > 0.8


@pytest.mark.parametrize("world", ["twin", "reality"])
def test_the_scores_hold_on_fresh_channels(site, site_codec, codec_entry, world):
    atlas = site.reality("reality") if world == "reality" else site.twin("twin")
    h = ChannelSampler(site, atlas, held_out=True)(500, torch.Generator().manual_seed(77))
    with torch.inference_mode():
        decoded = site_codec.codec.report(
            to_angle_delay(h, site_codec.codec.configuration.grid),
            SideInformation(codeword_bits=torch.full((500,), 256)),
        )
    said = codec_entry["scores"][world]["256"]
    assert 10 * nmse(h, decoded).mean().log10() == pytest.approx(said["nmse_db"], abs=0.7)
    assert sgcs(h, decoded).mean() == pytest.approx(said["sgcs"], abs=0.03)


def test_sampled_links_are_served_and_delays_start_at_the_first_path(site):
    atlas = site.twin("twin")
    sampler = ChannelSampler(site, atlas, held_out=True)
    ap, cell = sampler.link.unbind(-1)
    gain = atlas.gain[:, cell]
    assert (gain[ap, torch.arange(len(ap))] >= 0.5 * gain.amax(0)).all()
    assert (gain[ap, torch.arange(len(ap))] > 0).all()
    h = sampler(64, torch.Generator().manual_seed(0))
    assert h.shape == (64, angle_delay_grid(site).blocks, 32)
    assert (h.abs().square().sum((1, 2)) > 0).all()
    power = torch.fft.ifft(h, dim=1).abs().square().sum(-1).mean(0)
    assert power[:24].sum() > 5 * power[24:].sum()  # the rest would be before the first path


def test_samples_depend_on_the_generator_alone(site):
    sampler = ChannelSampler(site, site.twin("twin"), held_out=False)
    first = sampler(8, torch.Generator().manual_seed(3))
    assert torch.equal(first, sampler(8, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, sampler(8, torch.Generator().manual_seed(4)))


def test_a_network_of_another_name_is_not_trained():
    with pytest.raises(ConfigurationError, match=r"^codec must be one of 'csinet', .* got 'transfomer'.*'transformer'"):
        train_site_codec("munich", codec="transfomer", progress=lambda step, loss_db: None)


# A built site takes over the codec of the packaged one


def build(folder, name, change=("", ""), twin="twin"):
    """A site without a codec, its worlds those of the packaged `munich`, whose world `twin` is its twin."""

    def publish(writer):
        packaged = store.PACKAGED_SITES / "munich"
        files = {file: file for file in store.read_manifest(packaged)["files"] if file.startswith(("map", "world"))}
        files[world_file("twin")] = world_file(twin)
        return writer.publish({to: store.read_tensors(packaged, file) for to, file in files.items()}, {})

    return build_site(name, recipe_text(name).replace(*change), publish, versions={}, root=folder)


@pytest.mark.parametrize("name", ["munich", "munich-severe"])
def test_a_built_site_takes_over_the_codec_of_the_same_twin(tmp_path, monkeypatch, site, codec_entry, name):
    monkeypatch.setattr("twin_envs.csi.training.site_codec.SCORED", 256)
    files = [CODEC_FILE, "codec-transformer.safetensors"]  # the third would take long to be scored
    monkeypatch.setattr("twin_envs.csi.training.site_codec.codec_files", lambda manifest: files)
    path = build(tmp_path, name, twin="twin-los")
    assert adopt_codec(path) == "munich"
    assert all(check.ok for check in store.verify(path))
    entry = store.read_manifest(path)["files"][CODEC_FILE]
    assert (
        entry["command"] == f"twin-envs codec train {name} --seed {codec_entry['seed']} --steps {codec_entry['steps']}"
    )
    assert entry["adopted_from"] == "munich"
    assert {key: entry[key] for key in ("seed", "steps", "world", "data_sha256")} == {
        key: codec_entry[key] for key in ("seed", "steps", "world", "data_sha256")
    }
    assert read_metadata(path / CODEC_FILE) == read_metadata(site.path / CODEC_FILE)
    built = load_site(str(path))
    assert codec_names(built) == ["csinet", "transformer"]
    other = store.read_manifest(path)["files"][files[1]]
    assert other["command"] == f"twin-envs codec train {name} --codec transformer --seed 0 --steps {other['steps']}"
    assert load_site_codec("transformer", built, CPU).codec.codeword_lengths == CODEC_LENGTHS  # made for this twin
    here, there = load_site_codec("csinet", built, CPU), load_site_codec("csinet", site, CPU)
    for mine, theirs in zip(here.codec.state_dict().values(), there.codec.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    for bits in map(str, CODEC_LENGTHS):
        scores, before = entry["scores"], codec_entry["scores"]
        assert scores["reality"][bits]["nmse_db"] == pytest.approx(before["reality"][bits]["nmse_db"], abs=0.7)
        assert abs(scores["twin"][bits]["nmse_db"] - before["twin"][bits]["nmse_db"]) > 3  # it is another twin


@pytest.mark.parametrize(
    "change",
    [("carrier_hz = 3.5e9", "carrier_hz = 3.6e9"), ("[worlds.twin]\nmax_depth = 3", "[worlds.twin]\nmax_depth = 2")],
)
def test_the_codec_of_another_twin_is_not_taken_over(tmp_path, change):
    assert change[0] in recipe_text("munich")
    path = build(tmp_path, "munich", change)
    assert adopt_codec(path) is None
    assert codec_names(load_site(str(path))) == []


@pytest.mark.parametrize("file", [CODEC_FILE, "manifest.json", "recipe.toml"])
def test_a_damaged_codec_is_not_taken_over(tmp_path, site, monkeypatch, file):
    flip_bit(shutil.copytree(site.path, tmp_path / "packaged" / "munich") / file)
    path = build(tmp_path, "munich")
    monkeypatch.setattr(store, "PACKAGED_SITES", tmp_path / "packaged")
    assert adopt_codec(path) is None
