"""The twin's power of every beam against the channels of its own paths."""

from dataclasses import replace

import pytest
import torch

from twin_envs.csi.beams.beam_map import BeamMap
from twin_envs.csi.beams.codebook import Codebook
from twin_envs.twin.protocol import SensedState
from twin_envs.twin.traced import traced_twin

AP = 1


@pytest.fixture(scope="module")
def codebook(site):
    return Codebook(site.recipe.array)


@pytest.fixture(scope="module")
def beam_map(site, codebook):
    return BeamMap(traced_twin(site, "twin", site.device), site.geometry, codebook)


def at(position, std_m=0.0):
    std = torch.full(position.shape[:1], std_m)
    return SensedState(
        position_m=position, velocity_m_s=torch.zeros_like(position), position_std_m=std, velocity_std_m_s=std
    )


def places(site, count=40):
    """Grid points far enough from the AP that waves are plane over its array, and that it reaches."""
    point = site.geometry.point_m
    far = (point - site.geometry.ap_position_m[AP]).norm(dim=-1) > 40
    index = (far & (site.twin("twin").gain[AP] > 0)).nonzero()[:, 0]
    return index[torch.linspace(0, len(index) - 1, count).long()]


def test_the_power_of_a_beam_is_the_sum_over_paths_of_what_the_array_receives(site, codebook, beam_map):
    atlas, cell = site.twin("twin"), places(site)
    paths = atlas.paths(site.geometry.point_m[cell], torch.full_like(cell, AP))
    expected = torch.zeros(len(cell), codebook.beams)
    for place in range(atlas.places):
        alone = torch.zeros_like(paths.gain)
        alone[:, place] = paths.gain[:, place]
        h = atlas.channel(replace(paths, gain=alone), torch.zeros(1))[:, 0]
        expected += (h @ codebook.weights[:64].mT).abs().square()
    got = beam_map.ask(at(site.geometry.point_m[cell, :2]), torch.full_like(cell, AP)).mean_power
    scale = expected.amax(-1, keepdim=True)
    torch.testing.assert_close(got / scale, expected / scale, atol=0.02, rtol=0)


def test_all_beams_together_receive_what_all_antennas_receive(site, codebook, beam_map):
    cell = places(site)
    got = beam_map.ask(at(site.geometry.point_m[cell, :2]), torch.full_like(cell, AP)).mean_power.sum(-1)
    torch.testing.assert_close(got, codebook.beams * site.twin("twin").gain[AP, cell], rtol=1e-3, atol=0)


class Everywhere(BeamMap):
    """Has a channel at every place, and notes where it was asked."""

    def look(self, position_m, ap):
        self.asked_m = position_m
        return torch.ones(len(ap), self.codebook.beams), torch.zeros(len(ap), dtype=torch.bool)


def test_places_stand_for_the_positions_distribution(site, codebook):
    everywhere = Everywhere(traced_twin(site, "twin", site.device), site.geometry, codebook)
    beliefs = everywhere.ask(at(torch.zeros(1, 2), 1.0), torch.tensor([AP]))
    offset, weight = everywhere.asked_m, beliefs.weight[0]
    assert len(weight) == everywhere.places
    assert float(weight.sum()) == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(weight @ offset, torch.zeros(2), atol=1e-6, rtol=0)
    covariance = (offset * weight[:, None]).mT @ offset
    torch.testing.assert_close(covariance, torch.eye(2), atol=1e-5, rtol=0)


def test_beliefs_blur_with_the_positions_uncertainty(site, beam_map):
    cell = places(site)
    ap = torch.full_like(cell, AP)
    shares = []
    for std_m in (0.0, 2.0, 8.0):
        power = beam_map.ask(at(site.geometry.point_m[cell, :2], std_m), ap).mean_power
        shares.append(float((power.amax(-1) / power.sum(-1)).mean()))
    assert shares[0] > shares[1] > shares[2]


def test_nothing_is_believed_where_the_twin_has_no_channel(site, beam_map):
    nowhere = torch.tensor([[1e4, 1e4]])
    beliefs = beam_map.ask(at(nowhere, 3.0), torch.zeros(1, dtype=torch.int64))
    assert float(beliefs.covered) == 0
    assert float(beliefs.mean_power.abs().max()) == 0
    assert float(beliefs.los_probability) == 0


def test_line_of_sight_is_as_likely_as_the_places_that_have_it(site, beam_map):
    atlas = site.twin("twin")
    sight = atlas.line_of_sight[AP] & (atlas.gain[AP] > 0)
    for wanted in (True, False):
        cell = (sight == wanted).nonzero()[:50, 0]
        cell = cell[atlas.gain[AP, cell] > 0]
        beliefs = beam_map.ask(at(site.geometry.point_m[cell, :2]), torch.full_like(cell, AP))
        assert (beliefs.los_probability == float(wanted)).all()
