"""The path codec: paths that are there are found, and what is sent is what is decoded."""

import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.etype2.codebook import EType2
from twin_envs.csi.codecs.path.codec import PATHS, PathCodec
from twin_envs.csi.codecs.protocol import LEVEL_BITS, SideInformation, complete
from twin_envs.csi.similarity import squared_cosine
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.world.store.site import load_site

CPU, GRID = torch.device("cpu"), AngleDelayGrid()
BLOCK = torch.arange(GRID.blocks, dtype=torch.float64)[:, None]
ROW, COLUMN = (
    torch.arange(GRID.rows, dtype=torch.float64).repeat_interleave(GRID.columns)[None],
    torch.arange(GRID.columns, dtype=torch.float64).repeat(GRID.rows)[None],
)


def known(codeword_bits):
    return SideInformation(codeword_bits=codeword_bits)


def path(tap, row_cycles, column_cycles, gain=1.0):
    """A channel of one path, straight from its delay and its angles."""
    phase = -BLOCK * tap / GRID.blocks + ROW * row_cycles + COLUMN * column_cycles
    return (gain * torch.polar(torch.ones_like(phase), 2 * math.pi * phase)).to(torch.complex64)


@pytest.fixture(scope="module")
def codec():
    return PathCodec(GRID, CPU)


@pytest.fixture(scope="module")
def channels():
    """Of the twin, from streets that no codec was trained on."""
    site = load_site("munich")
    return ChannelSampler(site, site.twin("twin"), held_out=True)(96, torch.Generator().manual_seed(4))


def test_a_report_holds_an_index_a_fall_and_a_phase_for_each_path(codec):
    # 64 delays and 4 x 64 beams; the strongest path has neither fall nor phase
    assert codec.codeword_lengths == tuple(14 * k + 7 * (k - 1) for k in PATHS)
    lengths = torch.tensor(codec.codeword_lengths)
    assert (codec.bits(lengths) == lengths + LEVEL_BITS).all()


def test_what_is_decoded_is_what_is_reported(codec, channels):
    lengths = torch.tensor(codec.codeword_lengths).repeat(len(channels))[: len(channels)]
    decoded = codec.decode(codec.encode(channels, known(lengths)), known(lengths))
    torch.testing.assert_close(
        decoded, codec.report(to_angle_delay(channels, GRID), known(lengths)), rtol=1e-3, atol=1e-9
    )
    some = torch.tensor([1, 7])
    reported = codec.report(to_angle_delay(channels, GRID), known(lengths), some)
    torch.testing.assert_close(decoded[:, some], reported, rtol=1e-3, atol=1e-9)


def test_gains_are_off_by_half_a_step_and_the_level_by_half_a_decibel(codec):
    h = (path(0.0, 0.0, 0.0) + path(8.0, 0.5, 0.5, 0.5 * math.e**0.3j))[None] * 1e-5
    lengths = torch.tensor([codec.codeword_lengths[0]])
    decoded = codec.report(to_angle_delay(h, GRID), known(lengths))
    worst_fall, worst_turn = 10 ** (0.75 / 20) - 1, math.pi / 16
    assert float(1 - squared_cosine(h, decoded).mean()) < (0.5**2 / 1.25) * (worst_fall + worst_turn) ** 2
    power = float(decoded.abs().square().mean() / h.abs().square().mean())
    assert abs(10 * math.log10(power)) <= 0.51


def test_more_paths_are_better_and_beat_nrs_codebook_with_a_third_of_its_bits(codec, channels):
    def similarity(of, bits):
        lengths = torch.full((len(channels),), bits)
        decoded = complete(of, "codec", GRID, CPU).decode(of.encode(channels, known(lengths)), known(lengths))
        return float(squared_cosine(channels, decoded).mean())

    by_length = [similarity(codec, bits) for bits in codec.codeword_lengths]
    assert by_length == sorted(by_length)
    etype2 = EType2(GRID, CPU)
    assert by_length[2] > similarity(etype2, etype2.codeword_lengths[-1])  # 77 bits against 253
    assert 3 * codec.codeword_lengths[2] < etype2.codeword_lengths[-1]


def test_a_batch_may_mix_lengths(codec, channels):
    lengths = torch.tensor(codec.codeword_lengths).repeat(4)
    x = to_angle_delay(channels[: len(lengths)], GRID)
    mixed = codec.report(x, known(lengths))
    for length in codec.codeword_lengths:
        rows = lengths == length
        torch.testing.assert_close(mixed[rows], codec.report(x[rows], known(lengths[rows])), rtol=1e-3, atol=1e-9)


def test_a_channel_of_nothing_is_nothing_and_an_unknown_length_is_refused(codec):
    nothing, lengths = torch.zeros(1, GRID.blocks, GRID.antennas, dtype=torch.complex64), torch.tensor([35])
    decoded = codec.decode(codec.encode(nothing, known(lengths)), known(lengths))
    assert torch.isfinite(torch.view_as_real(decoded)).all()
    assert float(decoded.abs().max()) < 1e-7
    with pytest.raises(ConfigurationError, match="codeword_bits must be one of 35, 56"):
        codec.encode(nothing, known(torch.tensor([64])))
