"""The path codec with a network and a twin: what is told shortens reports, told wrongly it lengthens them little."""

import pytest
import torch

from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.path_net.circumstances import NONE
from twin_envs.csi.codecs.path_net.weights import STORED
from twin_envs.csi.codecs.path_net_twin.codec import LENGTHS, PathNetTwin
from twin_envs.csi.codecs.path_net_twin.expected import EXPECTED
from twin_envs.csi.codecs.path_twin.codec import PathTwin
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.told import Told
from twin_envs.csi.training.training import sgcs
from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.twin.protocol import ExpectedPaths
from twin_envs.world.store.site import load_site

CPU, GRID, REPORTS = torch.device("cpu"), AngleDelayGrid(), 160


@pytest.fixture(scope="module")
def codec():
    return PathNetTwin(STORED.packaged, GRID, CPU)


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def links(site):
    """Of reality, on streets that are held out."""
    return ChannelSampler(site, site.reality("reality"), held_out=True).links(REPORTS, torch.Generator().manual_seed(4))


def similarity(codec, site, links, length, **told):
    told = None if told.pop("nothing", False) else Told(**told)(codec, site, "twin", links, torch.Generator())
    side = SideInformation(codeword_bits=torch.full((REPORTS,), length), told=told)
    return float(sgcs(links.h, codec.report(to_angle_delay(links.h, GRID), side)).mean())


def test_the_better_the_place_is_known_the_better_are_reports_of_equal_length(codec, site, links):
    for length in LENGTHS[:4]:
        near, far, nothing = (
            similarity(codec, site, links, length, **told)
            for told in ({}, {"position_error_m": 4.0}, {"nothing": True})
        )
        assert near > far - 0.003
        assert near > nothing + 0.15 * (1 - nothing)


def test_better_than_constants_chosen_by_hand_at_equal_lengths(codec, site, links):
    by_hand = PathTwin(GRID, CPU)
    assert by_hand.codeword_lengths == LENGTHS
    for length, share in ((30, 1.05), (46, 0.95), (92, 0.8), (246, 0.55)):
        lost = 1 - similarity(codec, site, links, length)
        assert lost < share * (1 - similarity(by_hand, site, links, length))


def test_what_is_told_is_where_the_twin_expects_power_and_as_long_as_is_said(codec):
    class TwoPaths:
        """A twin with a path of 0.3 taps and one, 9 dB weaker, of 2 taps."""

        def expected_paths(self, position_m, ap):
            both = torch.ones(len(ap), 1)
            return ExpectedPaths(
                delay_s=both * torch.tensor([0.375, 2.0]) / GRID.bandwidth_hz,
                column_cycles=both * torch.tensor([-0.25 + 1 / 256, 0.5]),
                row_cycles=both * torch.tensor([1 / 16, 0.25]),
                power=both * torch.tensor([1.0, 10**-0.9]),
                distance_m=both[:, 0],
            )

    told = codec.tell(TwoPaths(), torch.zeros(1, 3), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    assert told.shape == (1, EXPECTED, 4)
    assert told[0, :2].tolist() == [[51, 1, 193, 0], [64, 4, 128, 3]]
    assert (told[0, 2:, 3] == NONE).all()
    assert codec.downlink_bits == EXPECTED * (8 + 4 + 8 + 3)
