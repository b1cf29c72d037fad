"""What stands on a line, against what was put there."""

import math

import pytest
import torch

from twin_envs.twin.map.profile import knife_edge_db, profile
from twin_envs.twin.map.skyline import Skyline

WAVELENGTH_M = 0.1


def walls(*columns, height_m=20.0):
    """Walls 1 m thick from south to north, on 101 m x 101 m."""
    top_m = torch.zeros(101, 101)
    top_m[:, list(columns)] = height_m
    return Skyline(top_m=top_m, built=top_m > 2.5, origin_m=(0.0, 0.0))


def line(skyline, start=(10.0, 50.0, 5.0), end=(90.0, 50.0, 1.5)):
    return profile(skyline, torch.tensor([start]), torch.tensor([end]), WAVELENGTH_M)


def test_an_open_square_is_in_sight():
    found = line(walls())
    assert found.in_sight.tolist() == [True]
    assert float(found.blocked_m) == float(found.obstacles) == 0
    assert float(knife_edge_db(found.edge)) == pytest.approx(0.0, abs=0.05)


def test_walls_are_counted_and_measured():
    found = line(walls(30, 31, 32, 60))
    assert found.in_sight.tolist() == [False]
    assert float(found.obstacles) == 2
    assert float(found.blocked_m) == pytest.approx(4.0, abs=1.5)


def test_the_edge_is_that_of_the_formula():
    """A wall half way, 16.75 m above the line: v = h sqrt(2 d / (wavelength d1 d2))."""
    found = line(walls(50))
    length_m = math.hypot(80.0, 3.5)
    expected = (20 - 3.25) * math.sqrt(2 * length_m / (WAVELENGTH_M * (length_m / 2) ** 2))
    assert float(found.edge) == pytest.approx(expected, rel=0.01)


def test_a_low_wall_is_looked_over_but_its_edge_is_near():
    found = line(walls(50, height_m=3.0))
    assert found.in_sight.tolist() == [True]
    assert 0.0 < float(knife_edge_db(found.edge)) < 6.03


@pytest.mark.parametrize(("edge", "loss_db"), [(0.0, 6.03), (-0.78, 0.0), (2.4, 20.54)])
def test_the_loss_over_an_edge(edge, loss_db):
    """6 dB where the line grazes the edge; far behind it 13 + 20 log10 v (ITU-R P.526)."""
    assert float(knife_edge_db(torch.tensor(edge))) == pytest.approx(loss_db, abs=0.05)


def test_there_and_back_the_same_stands_in_the_way():
    skyline = walls(30, 31, 60)
    there, back = line(skyline), line(skyline, start=(90.0, 50.0, 1.5), end=(10.0, 50.0, 5.0))
    for name in ("blocked_m", "obstacles", "edge"):
        torch.testing.assert_close(vars(there)[name], vars(back)[name], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(there.first_m, back.last_m, rtol=1e-3, atol=1e-3)


def test_obstacles_are_where_they_are():
    found = line(walls(25, 26, 65))
    assert float(found.first_m) == pytest.approx(14.5, abs=1.1)  # from x = 10 m
    assert float(found.last_m) == pytest.approx(24.5, abs=1.1)  # to x = 90 m
    assert (found.highest_m[0] > 0).nonzero()[:, 0].tolist() == [1, 5]  # eighths of 80 m
    assert float(found.highest_m[0, 5]) == pytest.approx(20 - (5 - 3.5 * 55 / 80), abs=0.1)
    assert float(line(walls()).first_m) == pytest.approx(math.hypot(80.0, 3.5))


def test_no_line_has_no_profile():
    assert len(profile(walls(), torch.zeros(0, 3), torch.zeros(0, 3), WAVELENGTH_M).edge) == 0
