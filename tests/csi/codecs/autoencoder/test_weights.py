"""Weight files: what is saved comes back, and what is damaged is refused by name."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.autoencoder.network import AutoencoderConfiguration
from twin_envs.csi.codecs.autoencoder.packaged import NETWORKS
from twin_envs.csi.codecs.autoencoder.weights import load_codec, made_for, read_metadata, save_codec
from twin_envs.csi.codecs.csinet.network import CsiNet
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.site import load_site

CONFIGURATION = AutoencoderConfiguration(
    grid=AngleDelayGrid(blocks=12, rows=1, columns=4, taps=8, precursor_taps=2, block_spacing_hz=180e3),
    bits_per_latent=3,
    codeword_lengths=(9, 30),
)
METADATA = {
    "command": "twin-envs codec train somewhere",
    "data_sha256": "ab12",
    "seed": "7",
    "site": "somewhere",
    "carrier_hz": "3.5e9",
    "array": "{}",
    "sgcs": "0.9",
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "codec.safetensors"
    save_codec(CsiNet(CONFIGURATION, seed=7), path, METADATA)
    return path


def rewrite(path, tensors=None, **metadata):
    """The same file with other tensors or header fields; None removes a field."""
    header = {name: value for name, value in (read_metadata(path) | metadata).items() if value is not None}
    save_file(tensors or load_file(path), path, header)


def test_what_is_saved_comes_back(path):
    codec, saved = load_codec(path, CsiNet, "cpu"), CsiNet(CONFIGURATION, seed=7)
    assert codec.configuration == CONFIGURATION
    assert not codec.training
    for name, value in saved.state_dict().items():
        expected = value.half().float() if value.dim() > 1 else value
        assert torch.equal(codec.state_dict()[name], expected)
    assert {name: read_metadata(path)[name] for name in METADATA} == METADATA
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_loaded_codec_saves_to_the_same_bytes(path, tmp_path):
    again = tmp_path / "again.safetensors"
    save_codec(load_codec(path, CsiNet, "cpu"), again, METADATA)
    assert load_file(again).keys() == load_file(path).keys()
    assert all(torch.equal(value, load_file(path)[name]) for name, value in load_file(again).items())


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_default_weights_take_little_more_than_a_megabyte(tmp_path, network):
    save_codec(network(AutoencoderConfiguration(), seed=0), tmp_path / "codec", METADATA)
    assert (tmp_path / "codec").stat().st_size < 1.5e6


def test_how_weights_were_made_must_be_said(tmp_path):
    with pytest.raises(ConfigurationError, match="seed is missing"):
        save_codec(CsiNet(CONFIGURATION, seed=0), tmp_path / "x", {k: v for k, v in METADATA.items() if k != "seed"})


@pytest.mark.parametrize("what", ["site", "carrier_hz", "array", "grid"])
def test_weights_that_were_made_for_something_else_are_refused(tmp_path, what):
    site = load_site("munich")
    grid, said = angle_delay_grid(site), METADATA | made_for(site)
    path = tmp_path / "codec.safetensors"
    save_codec(CsiNet(AutoencoderConfiguration(grid=grid, codeword_lengths=(8,)), seed=0), path, said)
    assert load_codec(path, CsiNet, "cpu", site).configuration.grid == grid
    if what == "grid":
        save_codec(CsiNet(CONFIGURATION, seed=0), path, said)
    else:
        save_codec(CsiNet(AutoencoderConfiguration(grid=grid, codeword_lengths=(8,)), seed=0), path, said | {what: "x"})
    with pytest.raises(SiteError, match=rf"it was made for {what} = .*, this site has .*; train it again with:"):
        load_codec(path, CsiNet, "cpu", site)


def architecture(path, **fields):
    return json.dumps(json.loads(read_metadata(path)["architecture"]) | fields)


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def damage_header(path):
    content = bytearray(path.read_bytes())
    content[3] ^= 0x80  # the header's length
    path.write_bytes(content)


def damage_pickle(path):
    path.write_bytes(b"\x80\x04" + struct.pack("<Q", 3) * 4)


def damage_missing(path):
    path.unlink()


def damage_shape(path):
    tensors = load_file(path)
    tensors["to_latents.weight"] = tensors["to_latents.weight"][:-1].contiguous()
    rewrite(path, tensors)


def damage_lost_tensor(path):
    tensors = load_file(path)
    del tensors["to_latents.bias"]
    rewrite(path, tensors)


def damage_added_tensor(path):
    rewrite(path, load_file(path) | {"to_latents.extra": torch.zeros(2)})


def damage_value(path):
    tensors = load_file(path)
    tensors["to_latents.bias"][1] = float("nan")
    rewrite(path, tensors)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_truncate, "it cannot be read"),
        (damage_header, "it cannot be read"),
        (damage_pickle, "it cannot be read"),
        (damage_missing, "there is no such file"),
        (damage_shape, r"'to_latents.weight' should have shape \(10, 64\), has \(9, 64\)"),
        (damage_lost_tensor, r"'to_latents.bias' should have shape \(10,\), has none"),
        (damage_added_tensor, r"'to_latents.extra' should have shape none, has \(2,\)"),
        (damage_value, "'to_latents.bias' holds values that are not finite"),
        (lambda path: rewrite(path, seed=None), "its header lacks 'seed'"),
        (lambda path: rewrite(path, architecture=None), "its header lacks 'architecture'"),
        (lambda path: rewrite(path, architecture="[1"), "its architecture is not understood"),
        (
            lambda path: rewrite(path, architecture=architecture(path, name="gpt")),
            "architecture is 'gpt', 'csinet-1' was expected",
        ),
        (lambda path: rewrite(path, architecture=architecture(path, depth=3)), "not understood .*depth"),
        (lambda path: rewrite(path, architecture=architecture(path, bits_per_latent=0)), "not understood .*bits_per"),
        (lambda path: rewrite(path, architecture=architecture(path, codeword_lengths=[9, 33])), "should have shape"),
    ],
)
def test_an_unusable_file_is_refused_by_name(path, damage, reason):
    damage(path)
    with pytest.raises(SiteError, match=rf"codec\.safetensors: .*{reason}.*train it again with: twin-envs codec train"):
        load_codec(path, CsiNet, "cpu")
