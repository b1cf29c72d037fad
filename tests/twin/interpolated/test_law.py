"""The log-distance law, recovered from what follows it."""

import math

import pytest
import torch
from surveys import INTERCEPT_DB, SLOPE_DB, square, survey

from twin_envs.twin.interpolated.features import AZIMUTHS, features_of
from twin_envs.twin.interpolated.law import fit_law, residuals

BORESIGHT = torch.tensor([0.0, math.pi, math.pi / 2, -math.pi / 2])


def fitted(measured):
    features = features_of(measured.values, measured.sensed)
    return fit_law(square(), BORESIGHT, measured.sensed.position_m, measured.ap, features)


def test_the_law_behind_exact_data_is_found():
    law = fitted(survey())
    assert law.intercept_db == pytest.approx(INTERCEPT_DB, abs=1e-3)
    assert law.slope_db == pytest.approx(SLOPE_DB, abs=1e-3)


def test_the_law_is_the_one_of_least_squares():
    measured = survey(noise_db=6.0)
    law, gain_db = fitted(measured), measured.values[:, 0]
    position = torch.nn.functional.pad(measured.sensed.position_m, (0, 1), value=1.5)
    decades = (position - square().ap_position_m[measured.ap]).norm(dim=-1).log10()
    off = gain_db - law.intercept_db - law.slope_db * decades
    assert abs(float(off.mean())) < 1e-3  # residuals are orthogonal to both columns of the design
    assert abs(float((off * decades).mean())) < 1e-3
    assert law.slope_db == pytest.approx(SLOPE_DB, abs=4.0)


def test_angles_are_the_straight_lines():
    """An AP in the west that looks east, a UE in the east of it: both in front."""
    law = fitted(survey())
    law.level[AZIMUTHS] = 0.0
    features = law.at(torch.tensor([[50.0, 50.0], [-5.0, 90.0]]), torch.tensor([0, 0]))
    departure, arrival = features[:, AZIMUTHS].unbind(-1)
    assert departure.tolist() == pytest.approx([0.0, math.pi / 2], abs=1e-5)
    assert [abs(float(arrival[0])), float(arrival[1])] == pytest.approx([math.pi, -math.pi / 2], abs=1e-5)


def test_residuals_of_azimuths_go_the_shorter_way_round():
    one, other = torch.zeros(1, 10), torch.zeros(1, 10)
    one[0, AZIMUTHS], other[0, AZIMUTHS] = math.pi - 0.1, -math.pi + 0.1
    assert residuals(one, other)[0, AZIMUTHS].tolist() == pytest.approx([-0.2, -0.2], abs=1e-5)
