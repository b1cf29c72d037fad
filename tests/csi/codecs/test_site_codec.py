"""The codecs that come with a site: what is known of them, and what is refused."""

import json
import shutil

import pytest
import torch
from damage import flip_bit
from packaged_codec import CODEC_FILE, CODEC_LENGTHS

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError, SiteError
from twin_envs.csi.codecs.csinet.network import CsiNet
from twin_envs.csi.codecs.protocol import LevelThenCodeword, TellsNothing
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.codecs.site_codec import SiteCodec, codec_names, load_site_codec, training_command
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv

CPU = torch.device("cpu")


class Counting(LevelThenCodeword, TellsNothing):
    """A codec that loses nothing and counts the channels that it has seen."""

    codeword_lengths = (8,)
    seen = 0

    def encode(self, h_hat, side):
        self.seen, self.last = self.seen + len(h_hat), h_hat
        return torch.zeros(len(h_hat), int(self.bits(side.codeword_bits).max()), dtype=torch.uint8)

    def decode(self, bits, side):
        return self.last

    def report(self, x_hat, side, block=None):
        raise NotImplementedError


class CountingConstant(Counting, Constant):
    """The same, but it says that it never changes."""


@pytest.mark.parametrize("kind", [Counting, CountingConstant])
def test_only_a_codec_that_never_changes_keeps_its_scores(site, kind):
    counting = kind()
    codecs.register("counting", lambda site, device: counting)
    try:
        once, first = load_site_codec("counting", site, CPU), counting.seen
        again = load_site_codec("counting", site, CPU)
    finally:
        codecs.unregister("counting")
    assert torch.equal(once.nmse_by_length, again.nmse_by_length)
    assert (counting.seen == 2 * first) == (kind is Counting)


@pytest.fixture
def copy(site, tmp_path):
    """A copy of the site in a folder of its own."""
    return shutil.copytree(site.path, tmp_path / "munich")


def test_the_site_names_its_codecs(site):
    assert sorted(codec_names(site)) == ["csinet", "csinet-plus", "transformer"]
    said = r"codec must be one of 'csinet', .*, or 'module:object' for .*, got 'csi-net'; did you mean 'csinet'"
    with pytest.raises(ConfigurationError, match=said):
        load_site_codec("csi-net", site, CPU)


def test_the_error_of_each_length_is_looked_up():
    codec = SiteCodec(codec=None, lengths=torch.tensor([64, 128, 256]), nmse_by_length=torch.tensor([0.4, 0.2, 0.1]))
    asked = torch.tensor([[256, 64], [128, 64]])
    torch.testing.assert_close(codec.nmse(asked), torch.tensor([[0.1, 0.4], [0.2, 0.4]]))


def test_the_error_is_that_of_the_manifest(site_codec, codec_entry):
    assert site_codec.codec.codeword_lengths == CODEC_LENGTHS
    scores_db = [codec_entry["scores"]["twin"][str(bits)]["nmse_by_block_db"] for bits in CODEC_LENGTHS]
    torch.testing.assert_close(10 * torch.log10(site_codec.nmse(torch.tensor(CODEC_LENGTHS))), torch.tensor(scores_db))
    assert scores_db == sorted(scores_db, reverse=True)


def test_the_codec_is_frozen_and_counts_its_bits(site_codec):
    assert isinstance(site_codec.codec, CsiNet)
    assert not site_codec.codec.training
    assert not any(p.requires_grad for p in site_codec.codec.parameters())
    assert site_codec.codec.bits(torch.tensor(CODEC_LENGTHS)).tolist() == [bits + 7 for bits in CODEC_LENGTHS]


def test_a_damaged_codec_is_refused_with_the_command_that_trains_it(copy, codec_entry):
    flip_bit(copy / CODEC_FILE)
    with pytest.raises(SiteError, match=rf"{CODEC_FILE} was changed.*`{codec_entry['command']}`"):
        FeedbackIntervalEnv(site=str(copy), codec="csinet", device="cpu")


def test_a_codec_cut_short_is_refused(copy):
    data = (copy / CODEC_FILE).read_bytes()
    (copy / CODEC_FILE).write_bytes(data[:-100])
    with pytest.raises(SiteError, match=rf"{CODEC_FILE} has {len(data) - 100} bytes instead of {len(data)}"):
        FeedbackIntervalEnv(site=str(copy), codec="csinet", device="cpu")


@pytest.mark.parametrize(
    "file", ["world-reality.safetensors", "world-twin.safetensors", "map.safetensors", "recipe.toml"]
)
def test_a_damaged_site_is_refused_with_the_command_that_builds_it(copy, file):
    flip_bit(copy / file)
    with pytest.raises(SiteError, match=rf"{file} was changed.*`twin-envs site build munich --force`"):
        FeedbackIntervalEnv(site=str(copy), device="cpu")


def test_an_edited_manifest_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][CODEC_FILE]["scores"]["twin"]["256"]["nmse_db"] = -99.0
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SiteError, match=r"manifest.json was changed.*`twin-envs site build munich --force`"):
        FeedbackIntervalEnv(site=str(copy), device="cpu")


def test_a_copy_in_another_folder_is_the_same_site(copy):
    here, there = (
        FeedbackIntervalEnv(codec="csinet", device="cpu", num_ue=2),
        FeedbackIntervalEnv(site=str(copy), codec="csinet", device="cpu", num_ue=2),
    )
    assert (here.reset(seed=1)[0] == there.reset(seed=1)[0]).all()


def test_the_command_names_the_steps_that_are_not_the_default():
    assert training_command("toytown", codec="csinet") == "twin-envs codec train toytown --seed 0"
    assert training_command("toytown", codec="csinet", seed=3) == "twin-envs codec train toytown --seed 3"
    command = "twin-envs codec train toytown --codec transformer --seed 3 --steps 100"
    assert training_command("toytown", codec="transformer", seed=3, steps=100) == command
