"""A stale twin is brought up to date by reports."""

from functools import partial

import pytest
import torch
from surveys import GAIN, sensed_at, square, survey

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.interpolated.heard import near_by
from twin_envs.twin.interpolated.interpolation import NoInterpolation
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.law import fit_law
from twin_envs.twin.interpolated.twin import InterpolatedTwin
from twin_envs.twin.learning import learnt
from twin_envs.twin.lifecycle.synchronising import synchronised
from twin_envs.twin.measurements import together

COVERED = (torch.arange(4) != 1)[:, None].expand(4, len(square().point_m))


def shadow_db(position_m, ap):
    return 6 * torch.sin(position_m[:, 0] / 15 + ap) * torch.cos(position_m[:, 1] / 20)


def drifted_db(position_m, ap):
    """In the east something has been built: 12 dB are gone."""
    return shadow_db(position_m, ap) - 12.0 * (position_m[:, 0] > 60)


def stale():
    twin = InterpolatedTwin(square(), partial(fit_law, square(), torch.zeros(4)), Kriging, near_by)
    return twin.learning(survey(places=150, shadow_db=shadow_db))


def error_db(twin, measured):
    return float((twin.predict(measured.sensed, measured.ap)["gain_db"] - measured.values[:, GAIN]).abs().mean())


@pytest.fixture(scope="module")
def old():
    return stale()


def test_reports_mend_what_has_changed_and_leave_what_has_not(old):
    asked = survey(places=200, seed=5, shadow_db=drifted_db)
    mended = synchronised(old, survey(places=25, seed=8, shadow_db=drifted_db), square())
    east = asked.sensed.position_m[:, 0] > 60
    assert error_db(mended, asked.links(east)) < 0.4 * error_db(old, asked.links(east))
    assert error_db(mended, asked.links(~east)) < error_db(old, asked.links(~east)) + 1.5


def test_reports_are_worth_more_beside_the_stale_twin_than_alone(old):
    reports, asked = survey(places=25, seed=8, shadow_db=drifted_db), survey(places=200, seed=5, shadow_db=drifted_db)
    alone = learnt(InterpolatedTwin(square(), partial(fit_law, square(), torch.zeros(4)), Kriging), reports, square())
    assert error_db(synchronised(old, reports, square()), asked) < error_db(alone, asked)


def test_where_nothing_has_drifted_the_twin_says_what_it_said(old):
    reports = survey(places=25, seed=8, shadow_db=shadow_db)
    asked, ap = sensed_at(torch.tensor([[33.0, 40.0], [80.0, 72.0]])), torch.tensor([0, 2])
    before, after = old.predict(asked, ap), synchronised(old, reports, square()).predict(asked, ap)
    torch.testing.assert_close(after["gain_db"], before["gain_db"], rtol=0, atol=1.0)
    torch.testing.assert_close(after["coherence_time_s"], before["coherence_time_s"], rtol=0.02, atol=0)


def test_a_link_that_the_stale_twin_did_not_cover_is_learnt(old):
    """It had never heard an access point, which has since been switched on."""
    deaf = InterpolatedTwin(square(), partial(fit_law, square(), torch.zeros(4)), NoInterpolation, lambda *_: COVERED)
    before = deaf.learning(survey(places=60, shadow_db=shadow_db))
    mended = synchronised(before, survey(places=25, seed=8, shadow_db=shadow_db), square())
    asked = survey(places=50, seed=5, shadow_db=shadow_db)
    asked = asked.links(asked.ap == 1)
    assert (before.predict(asked.sensed, asked.ap).covered == 0).all()
    assert (mended.predict(asked.sensed, asked.ap).covered > 0).all()
    assert error_db(mended, asked) < 6


def test_a_twin_that_knows_nothing_has_nothing_to_synchronise():
    ignorant = InterpolatedTwin(square(), partial(fit_law, square(), torch.zeros(4)), NoInterpolation)
    with pytest.raises(ConfigurationError, match="must cover 1 reported link or more, got 0 of 240"):
        synchronised(ignorant, survey(), square())


def test_measurements_are_put_together_place_by_place():
    one, other = survey(places=10), survey(places=7, seed=3)
    both = together(one, other)
    assert len(both.place_m) == 17
    torch.testing.assert_close(both.place_m[both.place], both.sensed.position_m)
    assert both.resource_elements == one.resource_elements + other.resource_elements
    later = both.at(torch.arange(17) >= 10)
    torch.testing.assert_close(later.values, other.values)
    assert later.place.tolist() == other.place.tolist()
