"""All sensors in one filter: it is a textbook's, knows its own errors, and sees no more than there is to see."""

import math

import numpy as np
import pytest
import torch
from kalman import updated, van_loan
from scipy.stats import chi2, norm

from twin_envs.base.streams import Streams
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.sensing.by_axis import AxisSensing
from twin_envs.world.sensing.joint import AGILITY_M_S, JointSensing
from twin_envs.world.sensing.mounting import Mounting
from twin_envs.world.sensing.protocol import normals
from twin_envs.world.sensing.sensors.camera import Camera
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu
from twin_envs.world.sensing.sensors.radar import Radar
from twin_envs.world.sensing.sky_view import SkyView

OPEN_SKY = SkyView(np.ones((2, 2)), (0.0, 0.0), 1.0)
APS_M = ((-30.0, -20.0, 8.0), (35.0, -10.0, 9.0), (0.0, 40.0, 7.5), (300.0, 300.0, 8.0))
ROUND = 2 * math.pi
CAMERA, RADAR = Camera(field_rad=ROUND), Radar(field_rad=ROUND)
EXACT = {"offset_std_m": 0.0, "yaw_std_rad": 0.0, "clock_std_s": 0.0}


def mounting(in_sight=True, sky=OPEN_SKY):
    """Four APs on a plain, in sight of all of it or of nothing."""
    geometry = Geometry(
        carrier_hz=3.5e9,
        ap_position_m=torch.tensor(APS_M),
        cell_of=torch.zeros(1, 1, dtype=torch.int64),
        point_m=torch.tensor([[0.0, 0.0, 1.5]]),
        origin_m=(0.0, 0.0),
        grid_m=2000.0,
    )
    return Mounting(geometry, torch.zeros(4), torch.full((4, 1), in_sight), sky)


class Walk:
    """UEs that start round the origin and walk straight on, and what follows them."""

    def __init__(self, *mounted, imu=True, gnss=None, num_envs=256, num_ue=1, keys=None, speed=1.3, place=None):
        self.rows, self.streams = torch.arange(num_envs), Streams(num_envs)
        keys = self.rows + 100 if keys is None else torch.tensor(keys)
        self.streams.seed(self.rows, keys)
        gnss = gnss or Gnss()
        self.sensing = JointSensing(gnss, Imu() if imu else None, mounted, num_envs, num_ue, place or mounting())
        angle = (torch.arange(num_ue) + 0.618 * keys[:, None]) * ROUND / 7
        self.position = 8.0 * torch.stack([angle.cos(), angle.sin()], -1)
        self.velocity = speed * torch.stack([-angle.sin(), angle.cos()], -1)
        self.sensing.start(self.rows, self.position, self.velocity, self.streams)

    def go(self, elapsed_s=0.1, steps=1, rows=None):
        rows = self.rows if rows is None else rows
        for _ in range(steps):
            elapsed = torch.full((len(rows),), elapsed_s, dtype=torch.float64)
            self.position[rows] = self.position[rows] + elapsed_s * self.velocity[rows]
            self.sensing.advance(rows, elapsed, self.position[rows], self.velocity[rows], self.streams)
        return self

    @property
    def error(self):
        """Of position and velocity, float64 [B, U, 4]."""
        estimates = self.sensing.estimates
        off = torch.cat([estimates.position - self.position, estimates.velocity - self.velocity], -1)
        return off.double()

    @property
    def squared(self):
        """Normalised estimation error squared, of position and velocity [B, U]."""
        covariance = self.sensing.motion_covariance
        return (self.error * torch.linalg.solve(covariance, self.error)).sum(-1)

    @property
    def rms_m(self):
        return float(self.error[..., :2].square().mean().sqrt())


def test_without_mounted_sensors_it_is_the_filter_of_one_axis():
    joint = Walk(num_envs=6, num_ue=3)
    streams = Streams(6)
    streams.seed(joint.rows, joint.rows + 100)
    axis = AxisSensing(Gnss(), Imu(), 6, 3, OPEN_SKY)
    position = joint.position.clone()
    axis.start(joint.rows, position, joint.velocity, streams)
    for _ in range(40):
        joint.go(0.07)
        position = position + 0.07 * joint.velocity
        axis.advance(joint.rows, torch.full((6,), 0.07, dtype=torch.float64), position, joint.velocity, streams)
    for name, value in vars(axis.estimates).items():
        np.testing.assert_allclose(getattr(joint.sensing.estimates, name), value, rtol=1e-6, atol=2e-5)
    np.testing.assert_allclose(joint.sensing.motion_covariance, axis.motion_covariance, rtol=1e-9, atol=1e-12)


def polar(ap_m, place, velocity, registration):
    """The UE relative to a sensor, its distance and azimuth, as the model of `joint` says."""
    away = place + registration[3] * velocity - ap_m - registration[:2]
    return away, np.hypot(*away), np.arctan2(away[1], away[0])


def test_it_is_a_textbook_filter():
    """The same noise fed to a filter of dense matrices, in Joseph's form, that is written in estimates, not in errors.

    Without an IMU, so that what moves the estimates is known to it, and with all errors of registration.
    """
    gnss, still, t = Gnss(interval_s=0.05), Imu(bias_m_s2=0.0, bias_walk_m_s2=0.0, velocity_walk_m_s=AGILITY_M_S), 0.1
    sensors = (Camera(field_rad=ROUND, interval_s=0.05), Radar(field_rad=ROUND, interval_s=0.05, reach_m=45.0))
    walk = Walk(*sensors, imu=False, gnss=gnss, num_envs=1)
    same, rows = Streams(1), torch.tensor([0])
    same.seed(rows, rows + 100)
    n = normals(same, rows, 4 + 16, 1)[..., 0, 0].numpy()
    same.uniform(rows, 3)
    std = np.array([[s.offset_std_m, s.offset_std_m, s.yaw_std_rad, s.clock_std_s] for s in sensors])
    true = n[4:].reshape(2, 4, 4) * std[:, None]
    place, velocity = walk.position[0, 0].double().numpy(), walk.velocity[0, 0].double().numpy()
    bias = -gnss.bias_m * n[3]
    state, covariance = np.zeros(8 + 24), np.zeros((32, 32))
    state[[0, 4]], state[[1, 5]] = place + gnss.noise_m * n[0] + bias, velocity + gnss.velocity_noise_m_s * n[1]
    first = np.array([[gnss.noise_m, 0, 0, -gnss.bias_m], [0, gnss.velocity_noise_m_s, 0, 0], [0] * 4, [0] * 4])
    first[3, 3] = gnss.bias_m
    for own in (slice(0, 4), slice(4, 8)):
        covariance[own, own] = first @ first.T
    aps = np.array(APS_M)
    order = np.argsort(np.hypot(*(aps[:, :2] - state[[0, 4]]).T))[:3]
    for s in range(2):
        for k in range(3):
            own = np.arange(8 + 4 * (3 * s + k), 12 + 4 * (3 * s + k))
            covariance[own, own] = std[s] ** 2
    transition, process = np.eye(32), np.zeros((32, 32))
    for own in (slice(0, 4), slice(4, 8)):
        transition[own, own], process[own, own] = van_loan(gnss, still, t)
    seen = 0
    for _ in range(25):
        walk.go(t)
        place = walk.position[0, 0].double().numpy()
        n = normals(same, rows, 6 + 2 + 12, 1)[..., 0, 0].numpy()
        bias = bias * math.exp(-t / 60) - gnss.bias_m * math.sqrt(-math.expm1(-2 * t / 60)) * n[5]
        state, covariance = transition @ state, transition @ covariance @ transition.T + process
        fix = np.zeros((4, 32))
        fix[0, [0, 3]] = fix[1, [4, 7]] = fix[2, 1] = fix[3, 5] = 1
        measured = np.concatenate([place + bias + 0.5 * n[6], velocity + 0.15 * n[7]])
        state, covariance = updated(state, covariance, fix, fix @ state - measured, [0.25, 0.25, 0.0225, 0.0225])
        for s in range(2):
            for k, ap in enumerate(order):
                own, mine = n[8:].reshape(2, 3, 4)[s, k], 8 + 4 * (3 * s + k)
                height = aps[ap, 2] - 1.5
                away, distance, azimuth = polar(aps[ap, :2], place, velocity, true[s, ap])
                radial = away @ velocity / distance
                if s == 0:
                    chance = 0.9 * (np.hypot(*(place - aps[ap, :2])) <= 80)
                else:
                    plain = place - aps[ap, :2]
                    slant = math.hypot(np.hypot(*plain), height)
                    snr = (math.log(1e-6) / math.log(0.9) - 1) * (45.0 / slant) ** 4
                    moving = abs(plain @ velocity) / np.hypot(*plain) >= 0.3
                    chance = math.exp(math.log(1e-6) / (1 + snr)) * moving
                if norm.cdf(own[3]) >= chance:
                    continue
                seen += 1

                def noise(distance, s=s, height=height):
                    if s == 0:
                        return 0.004 * (distance**2 + height**2) / height, 0.004
                    return 0.5 * math.hypot(distance, height) / distance, 0.0175

                far = distance + noise(distance)[0] * own[0]
                seen_at = azimuth - true[s, ap, 2] + noise(distance)[1] * own[1]
                around, expected, _ = polar(aps[ap, :2], state[[0, 4]], state[[1, 5]], state[mine : mine + 4])
                turned = seen_at + state[mine + 2]
                toward = np.array([math.cos(turned), math.sin(turned)])
                across = np.array([-toward[1], toward[0]])
                spread, theirs = toward @ covariance[np.ix_([0, 4], [0, 4])] @ toward, noise(far)[0] ** 2
                middle = ((toward @ around) * theirs + far * spread) / (theirs + spread)
                matrix = np.zeros((2, 32))
                for row, along in zip(matrix, (toward, across), strict=True):
                    row[[0, 4]], row[[1, 5]], row[mine : mine + 2] = along, state[mine + 3] * along, -along
                    row[mine + 3] = along @ state[[1, 5]]
                matrix[1, mine + 2] = -middle
                off = np.array([toward @ around - far, across @ around])
                variances = [noise(middle)[0] ** 2, (middle * noise(middle)[1]) ** 2]
                state, covariance = updated(state, covariance, matrix, off, variances)
                if s == 1:
                    around, expected, _ = polar(aps[ap, :2], state[[0, 4]], state[[1, 5]], state[mine : mine + 4])
                    toward, speed = around / expected, state[[1, 5]]
                    turns = (speed - (toward @ speed) * toward) / expected
                    row = np.zeros((1, 32))
                    row[0, [0, 4]], row[0, mine : mine + 2], row[0, mine + 3] = turns, -turns, turns @ speed
                    row[0, [1, 5]] = toward + state[mine + 3] * turns
                    steep = [0.2 * math.hypot(r, height) / r for r in (distance, expected)]
                    off = np.array([toward @ speed - radial - steep[0] * own[2]])
                    state, covariance = updated(state, covariance, row, off, [steep[1] ** 2])
        np.testing.assert_allclose(walk.sensing.estimates.position[0, 0], state[[0, 4]], atol=2e-4)
        np.testing.assert_allclose(walk.sensing.estimates.velocity[0, 0], state[[1, 5]], atol=2e-4)
        np.testing.assert_allclose(walk.sensing.covariance[0, 0], covariance, rtol=1e-4, atol=1e-7)
    assert seen > 80


SETS = {
    "camera": (CAMERA,),
    "radar": (RADAR,),
    "poorly registered": (
        Camera(field_rad=ROUND, offset_std_m=1.0, yaw_std_rad=0.02, clock_std_s=0.2),
        Radar(field_rad=ROUND, offset_std_m=1.0, yaw_std_rad=0.02, clock_std_s=0.2),
    ),
}


@pytest.mark.parametrize("mounted", SETS.values(), ids=SETS)
def test_the_filter_is_consistent(mounted):
    """Normalised squared errors have the mean that chi-square says, in every quarter of a walk of 2 s."""
    walk = Walk(*mounted, num_envs=256, speed=5.0)
    low, high = chi2.ppf([1e-4, 1 - 1e-4], 4 * 256) / 256
    for _ in range(4):
        walk.go(steps=5)
        assert low < float(walk.squared.mean()) < high


def test_a_filter_that_takes_registration_for_perfect_is_far_too_sure():
    """So the test above would find an error of registration that the covariance does not hold."""
    perfect = [Camera(field_rad=ROUND, **EXACT), Radar(field_rad=ROUND, **EXACT)]
    walk = Walk(*perfect, num_envs=64)
    shape = walk.sensing.state.registration.shape
    normal = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = walk.sensing.state
    state.registration[:] = normal * torch.tensor([0.5, 0.5, 0.02, 0.01])[:, None, None]
    state.values[8:, 0] = -state.registration.flatten(0, 2)  # which the network takes for none
    walk.go(steps=20)
    assert float(walk.squared.mean()) > 40


def test_nobody_is_known_better_than_the_sensors_are_registered():
    """Who stands in front of one exact camera that is off by d: GNSS, whose bias is g, and d are all that is known."""
    offset_m, gnss = 0.5, Gnss(bias_time_s=3600.0, noise_m=0.01, interval_s=0.1)
    exact = Camera(field_rad=ROUND, angle_noise_rad=1e-4, miss=0.0, **{**EXACT, "offset_std_m": offset_m})
    far = mounting()
    far.ap_m[1:] += 1000.0  # one camera sees the UE
    walk = Walk(exact, gnss=gnss, num_envs=2, speed=0.0, place=far).go(steps=60)
    known = 1 / (1 / offset_m**2 + 1 / gnss.bias_m**2)
    variance = walk.sensing.motion_covariance[..., (0, 1), (0, 1)]
    np.testing.assert_allclose(variance, known, rtol=0.05)


def test_more_sensors_are_never_worse():
    """In the mean over the same walks, by what is stated and by what is true."""
    sets = ((), (RADAR,), (CAMERA, RADAR))
    walks = [Walk(*mounted, num_envs=64).go(steps=15) for mounted in sets]
    errors = [walk.rms_m for walk in walks]
    assert errors == sorted(errors, reverse=True)
    stated = [float(walk.sensing.estimates.position_std_m.square().mean().sqrt()) for walk in walks]
    assert stated == sorted(stated, reverse=True)
    assert errors == pytest.approx(stated, rel=0.15)


def test_an_imu_makes_velocity_better():
    errors = [float(Walk(CAMERA, imu=imu).go(steps=20).error[..., 2:].square().mean()) for imu in (True, False)]
    assert errors[0] < 0.5 * errors[1]


def test_what_is_hidden_changes_nothing():
    hidden, plain = Walk(CAMERA, RADAR, place=mounting(in_sight=False), num_envs=4), Walk(num_envs=4)
    hidden.go(steps=15)
    plain.go(steps=15)
    np.testing.assert_allclose(hidden.sensing.estimates.position, plain.sensing.estimates.position, atol=1e-4)
    np.testing.assert_allclose(hidden.sensing.motion_covariance, plain.sensing.motion_covariance, rtol=1e-9)


def test_sensors_come_at_their_interval():
    walk = Walk(Camera(field_rad=ROUND, miss=0.0, interval_s=0.5), gnss=Gnss(interval_s=10.0), num_envs=8)
    times = torch.zeros(8, 1)
    for _ in range(50):
        before = walk.sensing.covariance[..., 0, 0].clone()
        walk.go(0.05)
        times += walk.sensing.covariance[..., 0, 0] < before - 1e-9
    assert ((times >= 4) & (times <= 6)).all()


def test_all_ues_meet_the_same_registration_of_a_sensor():
    walk = Walk(CAMERA, RADAR, num_envs=3, num_ue=5)
    state = walk.sensing.state
    for env in range(3):
        by_ap = {}
        for ue in range(5):
            for follower, ap in enumerate(state.followed[:, env, ue].tolist()):
                by_ap.setdefault(ap, []).append(state.registration[:, follower, :, env, ue])
        assert set(by_ap) == {0, 1, 2}  # those near by
        for found in by_ap.values():
            assert all(torch.equal(found[0], other) for other in found)
    assert not torch.equal(state.registration[..., 0, 0], state.registration[..., 1, 0])


def test_an_environment_senses_the_same_alone_and_in_a_batch():
    together, alone = Walk(CAMERA, RADAR, num_envs=5, num_ue=3), Walk(CAMERA, RADAR, num_envs=1, num_ue=3, keys=[102])
    for step in range(12):
        together.go(0.03 + 0.01 * step, rows=torch.arange(5) if step % 3 else torch.tensor([2, 4]))
        alone.go(0.03 + 0.01 * step)
    for name, value in vars(alone.sensing.estimates).items():
        assert torch.equal(getattr(together.sensing.estimates, name)[2], value[0]), name
    assert torch.equal(together.sensing.covariance[2], alone.sensing.covariance[0])


def test_other_environments_stay_as_they_are():
    walk = Walk(CAMERA, RADAR, num_envs=3).go(steps=3)
    before = {name: value.clone() for name, value in walk.sensing.state.rows().items()}
    walk.go(rows=torch.tensor([1]))
    for name, value in walk.sensing.state.rows().items():
        assert torch.equal(value[[0, 2]], before[name][[0, 2]]), name


def test_filters_stay_sound_over_many_small_jumps():
    walk = Walk(CAMERA, RADAR, num_envs=2).go(0.5e-3, 400)
    covariance = walk.sensing.covariance
    np.testing.assert_allclose(covariance, covariance.mT, rtol=1e-9, atol=1e-12)
    assert float(torch.linalg.eigvalsh(covariance).min()) > -1e-12
    assert bool(torch.isfinite(walk.sensing.estimates.position).all())
