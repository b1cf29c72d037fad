"""Where access points are expected to be heard, and how unsure is what is said of those never measured."""

from functools import partial

import pytest
import torch
from surveys import square, survey

from twin_envs.twin.interpolated.features import GAIN, features_of
from twin_envs.twin.interpolated.heard import everywhere, likelihood, near_by, near_by_or_likely
from twin_envs.twin.interpolated.interpolation import NoInterpolation
from twin_envs.twin.interpolated.law import fit_law, residuals
from twin_envs.twin.interpolated.unmeasured import OfOthers

FIT = partial(fit_law, square(), torch.zeros(4))
CENTRE, BESIDE_AP_3 = torch.tensor([[50.0, 50.0]]), torch.tensor([[50.0, 100.0]])


def within(reach_m, places=150):
    """A survey in which access points are heard up to `reach_m` away, and the last one was never there."""
    measured = survey(places=places)
    away_m = (measured.sensed.position_m - square().ap_position_m[measured.ap, :2]).norm(dim=-1)
    return measured.links((away_m < reach_m) & (measured.ap != 3))


def law_of(measured):
    return FIT(measured.sensed.position_m, measured.ap, features_of(measured.values, measured.sensed))


@pytest.fixture(scope="module")
def measured():
    return within(60.0)


@pytest.mark.parametrize("heard", [near_by, near_by_or_likely])
def test_it_is_heard_where_it_was_and_one_that_was_not_measured_as_the_others(measured, heard):
    geometry = square()
    there = heard(measured, geometry, law_of(measured))
    away_m = torch.cdist(geometry.ap_position_m[:, :2], geometry.point_m[:, :2])
    assert there[away_m < 45].float().mean() > 0.97
    assert there[away_m > 75].float().mean() < 0.03
    assert there[3, away_m[3] < 50].all()
    assert not there[3, away_m[3] > 70].any()


def test_likelihood_falls_with_distance_and_is_a_half_at_the_edge(measured):
    geometry = square()
    likely = likelihood(measured, geometry, law_of(measured))
    away_m = torch.cdist(geometry.ap_position_m[:, :2], geometry.point_m[:, :2])
    order = away_m[0].argsort()
    assert (likely[0, order].diff() <= 1e-4).all()
    edge_m = away_m[(likely > 0.45) & (likely < 0.55)]
    assert float(edge_m.mean()) == pytest.approx(60.0, abs=3.0)


def test_what_is_heard_at_every_place_is_heard_everywhere():
    measured = survey()
    law = law_of(measured)
    for heard in (near_by, near_by_or_likely, everywhere):
        assert heard(measured, square(), law).all()


def test_of_an_access_point_that_was_not_measured_the_law_is_as_wrong_as_of_the_others():
    """Gains of access points differ by 10 dB: a law of all is wrong by some of that, of a new one by all of it."""
    offset_db = torch.tensor([-10.0, 0.0, 10.0, 0.0])
    measured = survey(places=60, shadow_db=lambda _, ap: offset_db[ap])
    measured = measured.links(measured.ap != 3)
    position_m, ap = measured.sensed.position_m, measured.ap
    features = features_of(measured.values, measured.sensed)
    plain = NoInterpolation(position_m, ap, residuals(features, law_of(measured).at(position_m, ap)))
    told = OfOthers(plain, FIT, position_m, ap, features)
    known, unknown = told.at(CENTRE, 0)[1][0, GAIN], told.at(CENTRE, 3)[1][0, GAIN]
    assert torch.equal(known, plain.at(CENTRE, 0)[1][0, GAIN])
    assert 1.2 * known < unknown < 3 * known
    assert (told.at(BESIDE_AP_3, 3)[0] == 0).all()
