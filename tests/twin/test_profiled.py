"""Paths that follow from knowledge: together they are what is known, and beams are theirs."""

import math

import pytest
import torch

from twin_envs.csi.beams.codebook import Codebook
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.interpolated.twin import kriging_twin
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge
from twin_envs.twin.learning import learnt
from twin_envs.twin.profiled import SCATTERED, profiled
from twin_envs.twin.protocol import ExpectsArrivals, ExpectsPaths, GivesBeamPower, LearnsKnowledge
from twin_envs.twin.traced import static_knowledge, traced_twin
from twin_envs.world.atlas.atlas import PackedPaths
from twin_envs.world.store.site import load_site

NAMES = list(KNOWLEDGE_FIELDS)
LINKS = {
    "in sight": {"k_factor_db": 9.0, "los_probability": 1.0, "departure_spread_rad": 0.3, "arrival_spread_rad": 0.5},
    "hidden": {"k_factor_db": -40.0, "departure_azimuth_rad": 0.7, "departure_spread_rad": 0.6},
    "nothing but sight": {"k_factor_db": 40.0, "los_probability": 1.0, "departure_spread_rad": 0.02},
    "not covered": {},
}


class Told:
    """Knows what it was told, of one link after the other."""

    def __init__(self, values, covered):
        self.values, self.covered = values, covered

    def predict(self, sensed, ap):
        return Knowledge(covered=self.covered, values=self.values, std=torch.zeros_like(self.values))


@pytest.fixture(scope="module")
def site():
    return load_site("munich-28ghz")


@pytest.fixture(scope="module")
def links(site):
    """Twin, positions, access points and knowledge of a link of each kind, those in sight with straight azimuths."""
    geometry = site.geometry
    ap = torch.arange(len(LINKS))
    position_m = geometry.point_m[torch.linspace(0, len(geometry.point_m) - 1, len(LINKS)).long()]
    way = position_m - geometry.ap_position_m[ap]
    straight = torch.atan2(way[:, 1], way[:, 0])
    boresight = torch.tensor([point.yaw_rad for point in site.recipe.access_points])[ap]
    values = torch.zeros(len(LINKS), len(NAMES))
    plain = {
        "gain_db": -90.0,
        "delay_spread_s": 5e-8,
        "departure_azimuth_rad": straight - boresight,
        "departure_spread_rad": 0.1,
        "arrival_azimuth_rad": straight + math.pi,
        "arrival_spread_rad": 0.9,
    }
    for name, value in plain.items():
        values[:, NAMES.index(name)] = torch.as_tensor(value)
    for row, changed in enumerate(LINKS.values()):
        for name, value in changed.items():
            values[row, NAMES.index(name)] = value
    covered = torch.tensor([1.0, 1.0, 1.0, 0.0])
    return profiled(Told(values, covered), site), position_m, ap, values


def told_of(profile, ap, boresight_rad):
    """What the paths of a profile say together, as it is told of traced ones."""
    used = profile.power > 0
    link = used.nonzero()[:, 0]
    first = torch.zeros_like(used)
    first[:, 0] = profile.line_of_sight
    paths = PackedPaths(
        link=link,
        power=profile.power[used],
        length_m=(profile.delay_s[used] * 299792458.0),
        departure=profile.direction[used],
        arrival=profile.arrival[used],
        line_of_sight=first[used],
    )
    count = len(ap)
    return static_knowledge(
        paths, lambda values: torch.zeros(count).index_add(0, link, values.float()), boresight_rad[ap]
    )


def test_its_paths_say_together_what_is_known(links, site):
    twin, position_m, ap, values = links
    profile = twin.profile(position_m, ap)
    boresight = torch.tensor([point.yaw_rad for point in site.recipe.access_points])
    said = dict(zip(NAMES, told_of(profile, ap, boresight).unbind(-1), strict=False))
    known = dict(zip(NAMES, values.unbind(-1), strict=True))
    covered = slice(0, 3)
    torch.testing.assert_close(said["gain_db"][covered], known["gain_db"][covered], atol=1e-3, rtol=0)
    torch.testing.assert_close(said["delay_spread_s"][:2], known["delay_spread_s"][:2], atol=0, rtol=1e-2)
    torch.testing.assert_close(said["k_factor_db"][[0, 2]], known["k_factor_db"][[0, 2]], atol=0.05, rtol=0)
    for end in ("departure", "arrival"):
        off = said[f"{end}_azimuth_rad"] - known[f"{end}_azimuth_rad"]
        assert torch.sin(off[:2]).abs().max() < 0.01
        torch.testing.assert_close(said[f"{end}_spread_rad"][:2], known[f"{end}_spread_rad"][:2], atol=0.02, rtol=0.05)
    assert profile.line_of_sight.tolist() == [True, False, True, False]


def test_what_is_not_covered_has_no_power_and_all_is_finite(links):
    twin, position_m, ap, _ = links
    expected = twin.arriving_paths(position_m, ap)
    assert expected.power.shape == (len(LINKS), 1 + SCATTERED)
    assert (expected.power[3] == 0).all()
    assert (expected.power[:3].sum(-1) > 0).all()
    assert expected.distance_m[3] == 0
    for name, value in vars(expected).items():
        assert value.isfinite().all(), name
    torch.testing.assert_close(expected.arrival.norm(dim=-1), torch.ones(len(LINKS), 1 + SCATTERED))


def test_the_best_beam_looks_where_the_straight_path_leaves(links, site):
    """Of a link in sight alone; and beams turn with the array."""
    twin, position_m, ap, _ = links
    codebook = Codebook(site.recipe.array)
    power, sight = twin.beam_power(position_m, ap, codebook)
    straight = twin.arriving_paths(position_m, ap)
    cycles = straight.row_cycles[:, 0], straight.column_cycles[:, 0]
    assert power.shape == (len(LINKS), codebook.beams)
    alone = 2
    assert power[alone].argmax() == codebook.response(*cycles)[alone].argmax()
    assert sight.tolist() == [True, False, True, False]
    assert (power[3] == 0).all()
    turned, _ = twin.beam_power(position_m, ap, codebook, torch.full((len(site.recipe.access_points),), 0.3))
    assert turned[alone].argmax() != power[alone].argmax()


def test_it_learns_only_if_what_it_is_of_does(site):
    learning = kriging_twin(site, "twin", site.device)
    for capability in (ExpectsPaths, ExpectsArrivals, GivesBeamPower, LearnsKnowledge):
        assert isinstance(learning, capability)
    assert not isinstance(profiled(Told(torch.zeros(1, 11), torch.ones(1)), site), LearnsKnowledge)


def test_before_it_has_learnt_there_are_no_paths_and_afterwards_there_are(site):
    raw = kriging_twin(site, "twin", site.device)
    measured = measure(site, "reality", 60, 0, beams=64)
    position_m = site.geometry.ground.place(measured.sensed.position_m)
    assert (raw.expected_paths(position_m, measured.ap).power == 0).all()
    paths = learnt(raw, measured, site.geometry).expected_paths(position_m, measured.ap)
    assert (paths.power.sum(-1) > 0).float().mean() > 0.9


def test_beams_of_what_is_traced_are_found_from_its_knowledge_alone(site):
    """Of links in sight the best beam by knowledge is that by paths, or next to it, in most cases."""
    traced = traced_twin(site, "twin", site.device)
    of_it = profiled(traced, site)
    codebook = Codebook(site.recipe.array)
    generator = torch.Generator().manual_seed(0)
    cell = torch.randint(len(site.geometry.point_m), (400,), generator=generator)
    ap = torch.randint(len(site.geometry.ap_position_m), (400,), generator=generator)
    power, sight = traced.beam_power(site.geometry.point_m[cell], ap, codebook)
    guessed, _ = of_it.beam_power(site.geometry.point_m[cell], ap, codebook)
    kept = guessed.topk(3, -1).indices
    lost_db = 10 * torch.log10(power.amax(-1) / power.gather(-1, kept).amax(-1).clamp_min(1e-30))[sight]
    assert len(lost_db) > 50
    assert (lost_db < 3.0).float().mean() > 0.9
