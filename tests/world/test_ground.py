"""The ground under UEs."""

import numpy as np
import torch
from scipy.integrate import cumulative_trapezoid

from twin_envs.world.ground import Ground
from twin_envs.world.motion import Motion, Routes, UserKind

ORIGIN_M = (-20.0, 10.0)
X_M, Y_M = np.meshgrid(ORIGIN_M[0] + np.arange(61), ORIGIN_M[1] + np.arange(41))


def hillside(height_m):
    return Ground(height_m=torch.tensor(height_m, dtype=torch.float32), origin_m=ORIGIN_M, ue_height_m=2.0)


PLANE = hillside(30 + 0.2 * X_M - 0.1 * Y_M)


def test_on_level_ground_all_are_as_high():
    place = Ground().place(torch.tensor([[3.0, 4.0], [-1e4, 2.0]]))
    assert place.tolist() == [[3.0, 4.0, 1.5], [-1e4, 2.0, 1.5]]
    assert Ground().velocity(torch.zeros(2), torch.ones(2)).tolist() == [1.0, 1.0, 0.0]


def test_on_a_slope_the_height_is_the_plane_s_and_beyond_the_edge_that_of_the_edge():
    place = PLANE.place(torch.tensor([[0.25, 20.75], [39.5, 10.0], [100.0, 30.0]]))
    expected = [30 + 0.05 - 2.075 + 2, 30 + 7.9 - 1 + 2, 30 + 8 - 3 + 2]
    np.testing.assert_allclose(place[:, 2], expected, atol=1e-4)
    inside, outside = PLANE.velocity(torch.tensor([[0.3, 20.6], [100.0, 30.0]]), torch.tensor([[2.0, 3.0], [2.0, 3.0]]))
    np.testing.assert_allclose(inside, [2.0, 3.0, 0.4 - 0.3], atol=1e-4)
    np.testing.assert_allclose(outside, [2.0, 3.0, -0.3], atol=1e-4)


def test_a_walker_s_velocity_leads_where_it_goes_on_a_hill():
    ground = hillside(5 * np.sin(X_M / 9) * np.cos(Y_M / 7))
    points = np.stack([np.linspace(-10, 30, 41), np.full(41, 25.0)], -1)
    motion, rows = Motion(Routes(points[None], [40], [0], ground=ground), 1, 1), torch.zeros(1, dtype=torch.int64)
    start = {"offset_m": 5.0, "speed_m_s": 1.5, "direction": 1.0, "phase_rad": 0.4}
    motion.start(
        rows,
        kind=torch.tensor([[UserKind.WALKING]]),
        route=torch.tensor([[0]]),
        **{name: torch.tensor([[value]]) for name, value in start.items()},
    )
    time_s = torch.arange(0.0, 15.0, 0.01, dtype=torch.float64)[None]
    place, velocity = (values[0, :, 0].double().numpy() for values in motion.at(rows, time_s))
    assert np.ptp(place[:, 2]) > 3
    way_m = cumulative_trapezoid(velocity, dx=0.01, axis=0, initial=0)
    np.testing.assert_allclose(place - place[0], way_m, atol=2e-3)
