"""Motion: the velocity is the derivative of the position, and users move as their kind does."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicHermiteSpline
from scipy.stats import norm

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.streams import Streams
from twin_envs.world.ground import Ground
from twin_envs.world.motion import USER_KINDS, Motion, Routes, draw_speed

WALKING, DRIVING, STANDING, PARKED = (USER_KINDS.index(kind) for kind in ("walking", "driving", "standing", "parked"))


def winding_points(length, seed=0, turn_rad=0.02):
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.normal(0.0, turn_rad, length))
    return np.concatenate([[[0.0, 0.0]], np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), axis=0)])


@pytest.fixture(scope="module")
def routes():
    """Two winding routes, 150 m and 90 m long, the shorter one padded, and a straight one of 150 m along x."""
    short = winding_points(90, seed=1)
    padded = np.concatenate([short, np.repeat(short[-1:], 60, axis=0)])
    straight = np.stack([np.arange(151.0), np.zeros(151)], 1)
    return Routes(np.stack([winding_points(150), padded, straight]), [150, 90, 150], [0, 1, 1])


def start(routes, kind, route, offset_m, speed_m_s, direction=1.0, phase_rad=0.3):
    """One environment; arguments are lists over UEs or numbers."""
    num_ue = max(len(x) if isinstance(x, list) else 1 for x in (kind, route, offset_m, speed_m_s, direction, phase_rad))
    motion = Motion(routes, 1, num_ue)
    fields = {"offset_m": offset_m, "speed_m_s": speed_m_s, "direction": direction, "phase_rad": phase_rad}
    tensors = {name: torch.tensor(value, dtype=torch.float32).expand(1, num_ue) for name, value in fields.items()}
    tensors |= {"kind": torch.tensor(kind).expand(1, num_ue), "route": torch.tensor(route).expand(1, num_ue)}
    motion.start(torch.zeros(1, dtype=torch.int64), **tensors)
    return motion


def follow(motion, time_s):
    """Positions and velocities [T, U, 3] of the only environment, as float64 arrays."""
    time = torch.as_tensor(time_s, dtype=torch.float64)[None]
    position, velocity = motion.at(torch.zeros(1, dtype=torch.int64), time)
    return position[0].double().numpy(), velocity[0].double().numpy()


def test_curve_is_the_catmull_rom_spline(routes):
    vertices = winding_points(150)
    ends = [2 * vertices[0] - vertices[1], 2 * vertices[-1] - vertices[-2]]
    around = np.concatenate([ends[:1], vertices, ends[1:]])
    reference = CubicHermiteSpline(np.arange(151), vertices, (around[2:] - around[:-2]) / 2)
    arc = np.linspace(0.0, 150.0, 1999)
    position, tangent = routes.curve(torch.zeros(1999, dtype=torch.int64), torch.as_tensor(arc))
    np.testing.assert_allclose(position.numpy(), reference(arc), atol=3e-5)
    np.testing.assert_allclose(tangent.numpy(), reference.derivative()(arc), atol=1e-4)


def test_curve_ends_at_the_last_vertex_of_a_padded_route(routes):
    position, tangent = routes.curve(torch.tensor([1, 1]), torch.tensor([89.5, 90.0], dtype=torch.float64))
    vertices = winding_points(90, seed=1)
    np.testing.assert_allclose(position[1].numpy(), vertices[90], atol=1e-5)
    np.testing.assert_allclose(tangent.norm(dim=-1).numpy(), 1.0, atol=0.02)


@pytest.mark.parametrize(("kind", "speed"), [(WALKING, 1.5), (DRIVING, 4.0), (DRIVING, 13.0), (STANDING, 0.0)])
def test_velocity_is_the_derivative_of_position(routes, kind, speed):
    motion = start(routes, kind, [0, 1, 0, 1], [20.0, 45.0, 75.0, 80.0], speed, [1.0, -1.0, -1.0, 1.0])
    time, h = np.linspace(0.1, 130.0, 4001), 5e-3
    velocity = follow(motion, time)[1]
    slope = (follow(motion, time + h)[0] - follow(motion, time - h)[0]) / (2 * h)
    # Half a float32 step of 100 m at each end of the interval, and what an acceleration that jumps at vertices adds.
    np.testing.assert_allclose(velocity, slope, atol=2e-3 + 0.25 * h * speed**2 * 0.4)


@pytest.mark.parametrize(
    ("kind", "speed", "share", "period_s"), [(WALKING, 1.5, 0.1, 8.0), (DRIVING, 13.0, 0.25, 20.0)]
)
def test_users_brake_and_turn_round_gently(routes, kind, speed, share, period_s):
    """At comfortable braking over a quarter of the route at most: no jump of velocity at the ends of a straight one."""
    motion = start(routes, kind, 2, 75.0, speed)
    time = np.arange(0.0, 250.0, 0.01)
    velocity = follow(motion, time)[1][:, 0, 0]
    turn_m = min(speed**2 / 1.67, 150 / 4)
    limit = ((1 + share) * speed) ** 2 / turn_m + share * speed * 2 * math.pi / period_s
    assert np.abs(np.diff(velocity)).max() < 0.01 * limit + 1e-5
    assert velocity.min() < -0.7 * speed
    assert velocity.max() > 0.7 * speed


def test_ues_are_as_high_as_their_site_says():
    points = np.column_stack([np.arange(50.0), np.zeros(50)])[None]
    position, velocity = follow(
        start(Routes(points, [49], [0], ground=Ground(ue_height_m=20.0)), WALKING, 0, 5.0, 1.4), [0.0, 3.0]
    )
    assert (position[..., 2] == 20.0).all()
    assert (velocity[..., 2] == 0.0).all()


def test_straight_walk_follows_the_closed_form(routes):
    speed, phase, offset = 1.4, 0.3, 40.0
    motion = start(routes, WALKING, 2, offset, speed, phase_rad=phase)
    time = np.linspace(0.0, 60.0, 61)
    rate = 2 * math.pi / 8.0
    expected = offset + speed * time + 0.1 * speed / rate * (np.sin(rate * time + phase) - math.sin(phase))
    position, velocity = follow(motion, time)
    np.testing.assert_allclose(position[:, 0, 0], expected, atol=2e-5)
    np.testing.assert_allclose(position[:, 0, 1:], [[0.0, 1.5]] * 61, atol=1e-6)
    assert (velocity[:, 0, 0] > 0).all()


def test_direction_turns_the_walk_round(routes):
    there = start(routes, WALKING, 2, 75.0, 1.4, 1.0)
    back = start(routes, WALKING, 2, 75.0, 1.4, -1.0)
    time = np.linspace(0.0, 30.0, 31)
    np.testing.assert_allclose(follow(there, time)[0][..., 0] - 75.0, 75.0 - follow(back, time)[0][..., 0], atol=3e-5)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_users_start_at_their_offset(routes, direction):
    offsets = [30.0, 55.5, 75.0, 130.0, 120.0]
    motion = start(routes, DRIVING, 2, offsets, 9.0, direction)
    np.testing.assert_allclose(follow(motion, [0.0])[0][0, :, 0], offsets, atol=1e-3)


def test_an_offset_beyond_the_turning_point_starts_at_it(routes):
    motion = start(routes, DRIVING, 2, [0.0, 150.0], 14.0)
    turning = 0.5 * 150 / 4
    np.testing.assert_allclose(follow(motion, [0.0])[0][0, :, 0], [turning, 150 - turning], atol=1e-3)


def test_users_stay_on_their_route_for_ever(routes):
    motion = start(routes, [WALKING, DRIVING, DRIVING], 2, [20.0, 75.0, 110.0], [1.9, 5.0, 14.0])
    position, velocity = follow(motion, np.linspace(0.0, 2e4, 20_001))
    assert position[..., 0].min() >= 0
    assert position[..., 0].max() <= 150
    assert (np.abs(velocity[..., 0]).max(axis=0) <= [1.9 * 1.1 + 1e-5, 5.0 * 1.25 + 1e-5, 14.0 * 1.25 + 1e-5]).all()
    spread = np.ptp(position[..., 0], axis=0)
    assert (spread > 100).all(), "they cover the route, and do not sit at one end"


def test_positions_are_precise_after_a_day(routes):
    motion = start(routes, DRIVING, 2, 75.0, 10.0)
    day = 86_400.0
    position, velocity = follow(motion, [day, day + 1e-3])
    np.testing.assert_allclose(position[1] - position[0], 1e-3 * velocity[0], atol=4e-5)


def test_standing_users_sway_and_parked_ones_do_not(routes):
    motion = start(routes, [STANDING, PARKED], [0, 1], 40.0, 0.0)
    position, velocity = follow(motion, np.linspace(0.0, 100.0, 2001))
    away = position[..., :2] - position[..., :2].mean(axis=0)
    rms = np.sqrt((away**2).sum(-1).mean(0))
    assert rms[0] == pytest.approx(0.02, rel=0.02), "two axes with amplitude 2 cm"
    assert np.abs(velocity[:, 0]).max() <= 0.02 * 2 * math.pi * 0.31 + 1e-6
    assert not np.ptp(position[:, 1], axis=0).any()
    assert not velocity[:, 1].any()


def random_motion(routes, keys, num_ue=5):
    rows, streams = torch.arange(len(keys)), Streams(len(keys))
    streams.seed(rows, torch.tensor(keys))
    kind = streams.integers(rows, 4, num_ue)
    motion = Motion(routes, len(keys), num_ue)
    motion.start(
        rows,
        kind=kind,
        route=kind % 2,
        offset_m=streams.uniform(rows, num_ue) * 90.0,
        speed_m_s=draw_speed(streams, rows, kind),
        direction=1.0 - 2.0 * streams.integers(rows, 2, num_ue),
        phase_rad=streams.uniform(rows, num_ue) * 2.0 * math.pi,
    )
    return motion


def test_an_environment_moves_the_same_alone_and_in_a_batch(routes):
    keys = list(range(11, 20))
    batch, alone = random_motion(routes, keys), random_motion(routes, keys[4:5])
    time = torch.rand(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 50
    for together, single in zip(batch.at(torch.arange(9), time), alone.at(torch.tensor([0]), time[4:5])):
        assert torch.equal(together[4], single[0])


def test_times_and_rows_may_be_asked_for_in_any_shape(routes):
    motion = random_motion(routes, [1, 2, 3])
    rows = torch.tensor([2, 0])
    time = torch.tensor([[0.5, 7.0], [3.0, 40.0]], dtype=torch.float64)
    position, velocity = motion.at(rows, time)
    assert position.shape == velocity.shape == (2, 2, 5, 3)
    for t in range(2):
        one_position, one_velocity = motion.at(rows, time[:, t])
        assert torch.equal(one_position, position[:, t])
        assert torch.equal(one_velocity, velocity[:, t])


def test_restarting_one_environment_leaves_the_others_alone(routes):
    motion, time = random_motion(routes, [1, 2, 3]), torch.full((3,), 12.5)
    before = motion.at(torch.arange(3), time)[0]
    other = random_motion(routes, [9])
    motion.start(
        torch.tensor([1]),
        kind=other.state.kind,
        route=other.state.route,
        offset_m=torch.full((1, 5), 45.0),
        speed_m_s=other.state.speed_m_s,
        direction=torch.ones(1, 5),
        phase_rad=torch.zeros(1, 5),
    )
    after = motion.at(torch.arange(3), time)[0]
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert not torch.equal(after[1], before[1])


def test_speeds_follow_their_distributions():
    rows, streams, num_ue = torch.arange(400), Streams(400), 80
    streams.seed(rows, rows + 5)
    speeds = {k: draw_speed(streams, rows, torch.full((400, num_ue), k)).double().numpy().ravel() for k in range(4)}
    count = speeds[WALKING].size
    # Mean of a normal variable clipped to [low, high] in closed form.
    low, high = (0.6 - 1.34) / 0.26, (2.0 - 1.34) / 0.26
    inside = norm.cdf(high) - norm.cdf(low)
    mean = 1.34 * inside + 0.26 * (norm.pdf(low) - norm.pdf(high)) + 0.6 * norm.cdf(low) + 2.0 * norm.sf(high)
    assert speeds[WALKING].mean() == pytest.approx(mean, abs=4 * 0.26 / math.sqrt(count))
    assert speeds[WALKING].min() >= 0.6 - 1e-6
    assert speeds[WALKING].max() <= 2.0 + 1e-6
    assert speeds[WALKING].std() == pytest.approx(0.26, rel=0.03)
    assert speeds[DRIVING].mean() == pytest.approx(9.0, abs=4 * 10 / math.sqrt(12 * count))
    assert 4.0 <= speeds[DRIVING].min() < 4.1
    assert 13.9 < speeds[DRIVING].max() <= 14.0
    assert not speeds[STANDING].any()
    assert not speeds[PARKED].any()


@pytest.mark.parametrize(
    ("points", "length", "kind", "message"),
    [
        (np.zeros((2, 10, 3)), [9, 9], [0, 0], "points, length_m and kind"),
        (np.zeros((0, 10, 2)), [], [], "points, length_m and kind"),
        (np.zeros((2, 10, 2)), [9], [0, 0], "points, length_m and kind"),
        (np.zeros((2, 10, 2)), [9, 9], [0], "points, length_m and kind"),
        (np.zeros((2, 10, 2)), [9, 10], [0, 0], "length_m must be whole metres from 2 to 9"),
        (np.zeros((2, 10, 2)), [9, 1], [0, 0], "length_m must be whole metres from 2 to 9"),
        (np.zeros((2, 10, 2)), [9, 4.5], [0, 0], "length_m must be whole metres from 2 to 9"),
    ],
)
def test_bad_routes_are_refused(points, length, kind, message):
    with pytest.raises(ConfigurationError, match=message):
        Routes(points, length, kind)
