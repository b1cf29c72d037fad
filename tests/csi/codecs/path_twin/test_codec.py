"""The path codec with a twin: what is told shortens reports, what is told wrongly lengthens them little."""

import math
from itertools import pairwise

import gymnasium
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.path.codec import PathCodec
from twin_envs.csi.codecs.path.dictionary import Dictionary
from twin_envs.csi.codecs.path_twin.codec import PATHS, PathTwin
from twin_envs.csi.codecs.path_twin.expected import EXPECTED, NONE
from twin_envs.csi.codecs.path_twin.prior import Prior
from twin_envs.csi.codecs.protocol import LEVEL_BITS, SideInformation
from twin_envs.csi.codecs.told import Told
from twin_envs.csi.training.training import sgcs
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.twin.protocol import ExpectedPaths
from twin_envs.world.store.site import load_site

CPU, GRID = torch.device("cpu"), AngleDelayGrid()
LENGTHS = tuple(PATHS)
REPORTS = 160


@pytest.fixture(scope="module")
def codec():
    return PathTwin(GRID, CPU)


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def links(site):
    """Of reality, on streets that are held out."""
    return ChannelSampler(site, site.reality("reality"), held_out=True).links(REPORTS, torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def tell(codec, site, links):
    """What the UEs of `links` are told."""

    def tell(**told):
        return Told(**told)(codec, site, "twin", links, torch.Generator().manual_seed(5))

    return tell


def known(length, told, reports=REPORTS):
    return SideInformation(codeword_bits=torch.full((reports,), length), told=told)


def scored(codec, links, length, told):
    """Mean SGCS and mean number of bits held, level left out."""
    side = known(length, told)
    bits = codec.encode(links.h, side)
    held = codec.sent_bits(bits, side) - LEVEL_BITS
    return float(sgcs(links.h, codec.decode(bits, side)).mean()), float(held.double().mean())


def test_the_better_the_place_is_known_the_shorter_are_reports(codec, links, tell):
    near, far = tell(), tell(position_error_m=4.0)
    for length in LENGTHS[1:5]:
        (best, fewest), (good, few), (worse, many) = (scored(codec, links, length, told) for told in (near, far, None))
        assert fewest < few < many
        assert best >= good - 0.002 >= worse - 0.004
    assert fewest < 0.93 * many


def test_half_the_bits_of_the_code_without_a_twin_at_equal_similarity(codec, links, tell):
    """Compared where both name four paths: what is reserved is less, what is held is little more than half."""
    plain = PathCodec(GRID, CPU)
    length = plain.codeword_lengths[2]
    decoded = plain.decode(plain.encode(links.h, known(length, None)), known(length, None))
    similar, held = scored(codec, links, 62, tell())
    assert similar > float(sgcs(links.h, decoded).mean()) - 0.008
    assert held < 0.66 * length


def test_a_wrong_place_costs_a_tenth_of_the_plain_codes_bits_at_most(codec, links, tell):
    plain, wrong = PathCodec(GRID, CPU), tell(elsewhere=True)
    curve = []
    for length in plain.codeword_lengths[:5]:
        decoded = plain.decode(plain.encode(links.h, known(length, None)), known(length, None))
        curve.append((float(sgcs(links.h, decoded).mean()), length))
    for length in LENGTHS[1:5]:
        similar, _ = scored(codec, links, length, wrong)
        (low, short), (high, long) = next(
            pair for pair in pairwise(curve) if pair[1][0] >= similar or pair[1] == curve[-1]
        )
        assert length <= 1.1 * (short + (long - short) * (similar - low) / (high - low))


def test_what_is_told_is_what_the_twin_expects_and_as_long_as_is_said(codec):
    class OnePath:
        """A twin with a path of half a tap and one, 9 dB weaker, of 2 taps."""

        def expected_paths(self, position_m, ap):
            assert position_m.shape == (len(ap), 3)
            both = torch.ones(len(ap), 1)
            return ExpectedPaths(
                delay_s=both * torch.tensor([0.5, 2.0]) / GRID.bandwidth_hz,
                column_cycles=both * torch.tensor([-0.25, 0.5]),
                row_cycles=both * torch.tensor([0.0, 0.25]),
                power=both * torch.tensor([1.0, 10**-0.9]),
                distance_m=both[:, 0],
            )

    told = codec.tell(OnePath(), torch.zeros(1, 3), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    first, second = (2 * 6 + 1) * 256 + 48, (2 * 6 + 4) * 256 + 64 + 32
    assert told[0, :2].tolist() == [[first, 0], [second, 3]]
    assert (told[0, 2:, 1] == NONE).all()
    assert told.shape == (1, EXPECTED, 2)
    assert codec.downlink_bits == EXPECTED * ((64 * 256 - 1).bit_length() + 3)


def test_a_path_that_was_told_takes_few_bits_and_another_is_sent_all_the_same(codec):
    block, column = torch.arange(GRID.blocks)[:, None], torch.arange(GRID.columns).repeat(GRID.rows)[None]
    phase = -block * 4.0 / GRID.blocks + column * 0.25
    h = torch.polar(torch.full_like(phase, 1e-4), 2 * math.pi * phase)[None]
    delay, beam = 2 * 6 + 8, 16
    index = delay * 256 + beam
    prior = Prior(Dictionary(GRID, CPU), 2 * GRID.precursor_taps, CPU)

    def information(place, strength=0):
        told = torch.tensor([[[place, strength]] + [[0, NONE]] * (EXPECTED - 1)])
        side = known(30, told, 1)
        bits = codec.encode(h, side)
        assert float(sgcs(h, codec.decode(bits, side))) > 0.999
        assert int(codec.sent_bits(bits, side)) <= LEVEL_BITS + 30
        expected, before = prior.given(told), torch.zeros(1, 0, dtype=torch.int64)
        beams, delays = expected.of_beams(before)[0], expected.of_delays(before, torch.tensor([beam]))[0]
        return -math.log2(beams[beam] / beams.sum()) - math.log2(delays[delay] / delays.sum())

    assert information(index) < information(index + 1) < information(0, NONE)
    assert information(0, NONE) < information(index + 100 * 256 % (64 * 256)) < information(0, NONE) + 4
    assert information(63 * 256 + 191) < information(0, NONE) + 4


def test_the_least_likely_path_fits_into_the_shortest_report(codec):
    block = torch.arange(GRID.blocks)[:, None]
    phase = -block * 25.5 / GRID.blocks + torch.zeros(1, GRID.antennas)  # the last of the delays
    h = torch.polar(torch.full_like(phase, 1e-4), 2 * math.pi * phase)[None]
    side = known(LENGTHS[0], torch.tensor([[[12 * 256 + 160, 0]] + [[0, NONE]] * (EXPECTED - 1)]), 1)
    bits = codec.encode(h, side)
    assert int(codec.sent_bits(bits, side)) <= LEVEL_BITS + LENGTHS[0]
    assert float(sgcs(h, codec.decode(bits, side))) > 0.99


def test_a_report_in_one_pass_is_what_is_decoded(codec, links, tell):
    side = SideInformation(codeword_bits=torch.tensor(LENGTHS).repeat(REPORTS)[:REPORTS], told=tell())
    decoded = codec.decode(codec.encode(links.h, side), side)
    reported = codec.report(to_angle_delay(links.h, GRID), side)
    alike = torch.isclose(reported, decoded, rtol=1e-3, atol=1e-9).flatten(1).all(1)
    assert alike.float().mean() > 0.95  # rounding may choose another of two paths that are as good


def test_a_channel_of_nothing_is_nothing_and_one_that_is_no_number_is_refused(codec):
    nothing = torch.zeros(2, GRID.blocks, GRID.antennas, dtype=torch.complex64)
    decoded = codec.decode(codec.encode(nothing, known(62, None, 2)), known(62, None, 2))
    assert torch.isfinite(torch.view_as_real(decoded)).all()
    assert float(decoded.abs().max()) < 1e-7
    nothing[1, 3, 4] = math.nan
    with pytest.raises(ConfigurationError, match="h_hat must be finite, channel 1 is not"):
        codec.encode(nothing, known(62, None, 2))


def test_cells_have_it_by_name():
    env = gymnasium.make("twin_envs/FeedbackInterval-v1", codec="path-twin", codeword_bits=62, num_ue=2)
    env.reset(seed=0)
    assert math.isfinite(env.step(3)[1])
