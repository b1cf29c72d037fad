"""The path codec with a network, without a twin: what its reports hold, and how few bits they take."""

import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.path.codec import PathCodec
from twin_envs.csi.codecs.path_net.codec import LENGTHS, PathNet
from twin_envs.csi.codecs.path_net.formats import FORMATS
from twin_envs.csi.codecs.path_net.weights import STORED
from twin_envs.csi.codecs.protocol import LEVEL_BITS, SideInformation
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.training.training import sgcs
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.world.store.site import load_site

CPU, GRID, REPORTS = torch.device("cpu"), AngleDelayGrid(), 96


@pytest.fixture(scope="module")
def codec():
    return PathNet(STORED.packaged, GRID, CPU)


@pytest.fixture(scope="module")
def h():
    """Of reality, on streets that are held out."""
    site = load_site("munich")
    draw = ChannelSampler(site, site.reality("reality"), held_out=True)
    return draw(REPORTS, torch.Generator().manual_seed(4))


def known(length, reports=REPORTS):
    return SideInformation(codeword_bits=torch.full((reports,), length))


def similarity(codec, h, length):
    return float(sgcs(h, codec.report(to_angle_delay(h, GRID), known(length, len(h)))).mean())


def test_less_is_lost_than_with_the_plain_code_and_the_less_the_longer_reports_are(codec, h):
    plain = PathCodec(GRID, CPU)
    for length, other, share in ((76, 77, 0.92), (108, 119, 0.82), (140, 161, 0.75), (200, 329, 1.0)):
        assert 1 - similarity(codec, h, length) < share * (1 - similarity(plain, h, other))


def test_a_channel_of_one_path_is_a_short_report(codec):
    block, column = torch.arange(GRID.blocks)[:, None], torch.arange(GRID.columns).repeat(GRID.rows)[None]
    phase = -block * 0.25 / GRID.blocks + column * 0.23
    h = torch.polar(torch.full_like(phase, 1e-4), 2 * math.pi * phase)[None]
    for length in LENGTHS:
        assert float(sgcs(h, codec.decode(codec.encode(h, known(length, 1)), known(length, 1)))) > 0.99


def test_a_report_holds_what_its_paths_tell_and_the_codes_loss(codec, h):
    for number, length in enumerate(LENGTHS):
        said = FORMATS[number]
        bits = codec.encode(h, known(length))
        held = codec.sent_bits(bits, known(length))
        assert (held <= LEVEL_BITS + length).all()
        assert float((held - LEVEL_BITS).double().mean()) > 0.7 * length
        assert said.paths * 3 < length  # or a report could not say even how strong they are


def test_falls_and_phases_are_told_in_steps(codec):
    said = FORMATS[-1]
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(8, GRID.taps, GRID.antennas, dtype=torch.complex64, generator=generator)
    paths = codec.quantised(x, codec.pursuit.places(x, said), said)
    there, place, fall, phase = paths[..., 0], paths[..., 1:4], paths[..., 4], paths[..., 5]
    assert (there == 1).all()
    down = fall.cumsum(1)
    assert (fall[:, 0] == 0).all()
    assert (fall >= 0).all()
    assert (phase[:, 0] == 0).all()
    assert (phase < said.phases(down)).all()
    assert (place % (2 ** said.steps(down * said.fall_db))[..., None] == 0).all()
    gain = codec.dictionary.fit(x, place)
    turn = torch.angle(gain * gain[:, :1].conj()) / (2 * torch.pi) - phase / said.phases(down)
    assert ((turn - turn.round()).abs() <= 0.5 / said.phases(down) + 1e-4).all()


def test_channels_that_are_not_finite_are_refused(codec, h):
    broken = h[:2].clone()
    broken[1, 3, 4] = torch.nan
    with pytest.raises(ConfigurationError, match="h_hat must be finite, channel 1 is not"):
        codec.encode(broken, known(LENGTHS[0], 2))
    with pytest.raises(ConfigurationError, match="h_hat must be finite, channel 1 is not"):
        codec.report(to_angle_delay(broken, GRID), known(LENGTHS[0], 2))


@pytest.mark.parametrize("name", ["munich-28ghz", "munich-cellfree"])
def test_the_same_weights_serve_other_arrays_and_carriers(name):
    site = load_site(name)
    grid = angle_delay_grid(site)
    h = ChannelSampler(site, site.twin("twin"), held_out=True)(48, torch.Generator().manual_seed(4))
    net, plain = (codecs.get(which)(site, CPU) for which in ("path-net", "path"))
    x = to_angle_delay(h, grid)
    long = plain.codeword_lengths[4]
    similar = float(sgcs(h, plain.report(x, known(long, 48))).mean())
    assert float(sgcs(h, net.report(x, known(LENGTHS[3], 48))).mean()) > similar - 0.008
    assert LENGTHS[3] < long
