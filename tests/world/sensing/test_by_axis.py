"""Sensing: the filter knows its own errors, and they behave as the sensors say."""

import math

import numpy as np
import pytest
import torch
from kalman import van_loan
from scipy.stats import chi2

from twin_envs.base.streams import Streams
from twin_envs.world.sensing.by_axis import AxisSensing
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu
from twin_envs.world.sensing.sky_view import SkyView

OPEN_SKY = SkyView(np.ones((2, 2)), (0.0, 0.0), 1.0)
NO_SKY = SkyView(np.zeros((2, 2)), (0.0, 0.0), 1.0)


def begin(gnss=None, imu=None, num_envs=128, num_ue=8, sky=OPEN_SKY, keys=None):
    """Sensing and streams of users who stay at the origin."""
    rows, streams = torch.arange(num_envs), Streams(num_envs)
    streams.seed(rows, rows + 100 if keys is None else torch.tensor(keys))
    sensing = AxisSensing(gnss or Gnss(), imu or Imu(), num_envs, num_ue, sky)
    still = torch.zeros(num_envs, num_ue, 2)
    sensing.start(rows, still, still, streams)
    return sensing, streams


def advance(sensing, streams, elapsed_s, steps=1, at=(0.0, 0.0)):
    num_envs, num_ue, _ = sensing.estimates.position.shape
    position = torch.tensor(at).expand(num_envs, num_ue, 2)
    elapsed = torch.as_tensor(elapsed_s, dtype=torch.float64).expand(num_envs)
    for _ in range(steps):
        sensing.advance(torch.arange(num_envs), elapsed, position, torch.zeros_like(position), streams)


def rms(error):
    return float(error.double().square().mean().sqrt())


def test_errors_after_the_first_fix_follow_the_initial_covariance():
    sensing, _ = begin(num_envs=1024)
    expected = math.hypot(2.5, 0.5)
    count = sensing.estimates.position.numel()
    assert rms(sensing.estimates.position) == pytest.approx(expected, rel=4 / math.sqrt(2 * count))
    assert rms(sensing.estimates.velocity) == pytest.approx(0.15, rel=4 / math.sqrt(2 * count))
    np.testing.assert_allclose(sensing.estimates.position_std_m.numpy(), expected, rtol=1e-6)
    assert Gnss().position_std_m == pytest.approx(expected)
    np.testing.assert_allclose(sensing.estimates.velocity_std_m_s.numpy(), 0.15, rtol=1e-6)


def test_covariance_is_that_of_a_textbook_filter():
    """Random jumps with and without fixes against NumPy with matrix exponentials and Joseph's form."""
    gnss, imu = Gnss(bias_time_s=5.0, interval_s=0.1), Imu(bias_walk_m_s2=0.3, velocity_walk_m_s=0.2)
    sensing, streams = begin(gnss, imu, num_envs=1, num_ue=1)
    covariance = sensing.covariance[0, 0].numpy().copy()
    measurement = np.array([[1.0, 0, 0, 1], [0, 1, 0, 0]])
    noise = np.diag([gnss.noise_m**2, gnss.velocity_noise_m_s**2])
    rng, fixes = np.random.default_rng(0), 0
    for _ in range(60):
        t = rng.integers(1, 321) * 0.5e-3
        transition, process = van_loan(gnss, imu, t)
        covariance = transition @ covariance @ transition.T + process
        advance(sensing, streams, t)
        result = sensing.covariance[0, 0].numpy()
        if not np.allclose(result, covariance, rtol=1e-9, atol=1e-13):
            fixes += 1
            gain = covariance @ measurement.T @ np.linalg.inv(measurement @ covariance @ measurement.T + noise)
            rest = np.eye(4) - gain @ measurement
            covariance = rest @ covariance @ rest.T + gain @ noise @ gain.T
        np.testing.assert_allclose(result, covariance, rtol=1e-8, atol=1e-12)
    assert 20 < fixes < 60


def test_error_is_that_of_a_filter_that_integrates_an_imu():
    """The same noise fed to a textbook filter that moves along a true path and knows nothing of errors."""
    gnss, imu = Gnss(interval_s=0.01, bias_time_s=5.0), Imu(bias_walk_m_s2=0.1)
    rows, t = torch.tensor([0]), 0.02
    streams, same = Streams(1), Streams(1)
    streams.seed(rows, torch.tensor([5]))
    same.seed(rows, torch.tensor([5]))
    sensing = AxisSensing(gnss, imu, 1, 1, OPEN_SKY)

    def normals(count):
        return torch.view_as_real(same.complex_normal(rows, count, 1))[0, :, 0, 0].double().numpy() * math.sqrt(2)

    def path(time):
        return 3.0 * time + 2.0 * math.sin(time), 3.0 + 2.0 * math.cos(time)

    def truth(time):
        return (torch.tensor([[[x, 0.0]]]) for x in path(time))

    n = normals(4)
    bias_accelerometer, bias_gnss = -imu.bias_m_s2 * n[2], -gnss.bias_m * n[3]
    position, velocity = path(0.0)
    state = np.array([position + bias_gnss + 0.5 * n[0], velocity + 0.15 * n[1], 0.0, 0.0])
    sensing.start(rows, *truth(0.0), streams)
    same.uniform(rows, 1)
    covariance = sensing.covariance[0, 0].numpy().copy()
    measurement = np.array([[1.0, 0, 0, 1], [0, 1, 0, 0]])
    noise = np.diag([gnss.noise_m**2, gnss.velocity_noise_m_s**2])
    transition, process = van_loan(gnss, imu, t)
    for step in range(1, 101):
        old_position, old_velocity = path((step - 1) * t)
        position, velocity = path(step * t)
        n = normals(8)
        white, walk = 0.05 * math.sqrt(t), 0.1 * math.sqrt(t)
        # The accelerometer's bias and the integrals of all its errors over the step, then what the IMU makes of them.
        drift = bias_accelerometer * t - walk * t * (n[2] / 2 + n[3] / math.sqrt(12)) + white * n[0]
        double_drift = bias_accelerometer * t**2 / 2 + white * t * (n[0] / 2 + n[1] / math.sqrt(12))
        double_drift -= walk * t**2 * (n[2] / 6 + n[3] / math.sqrt(48) + n[4] / math.sqrt(720))
        bias_accelerometer -= walk * n[2]
        bias_gnss = bias_gnss * math.exp(-t / 5) - 2.5 * math.sqrt(1 - math.exp(-2 * t / 5)) * n[5]
        moved = position - old_position - old_velocity * t + double_drift
        state = transition @ state + [moved, velocity - old_velocity + drift, 0.0, 0.0]
        covariance = transition @ covariance @ transition.T + process
        fix = np.array([position + bias_gnss + 0.5 * n[6], velocity + 0.15 * n[7]])
        gain = covariance @ measurement.T @ np.linalg.inv(measurement @ covariance @ measurement.T + noise)
        state = state + gain @ (fix - measurement @ state)
        covariance = covariance - gain @ measurement @ covariance
        sensing.advance(rows, torch.tensor([t], dtype=torch.float64), *truth(step * t), streams)
        assert float(sensing.estimates.position[0, 0, 0]) == pytest.approx(state[0], abs=2e-5)
        assert float(sensing.estimates.velocity[0, 0, 0]) == pytest.approx(state[1], abs=2e-5)


def test_the_filter_is_consistent():
    """Normalised squared errors of position and velocity have the mean that chi-square says, jumps and all."""
    sensing, streams = begin()
    jumps = Streams(128)
    jumps.seed(torch.arange(128), torch.arange(128))
    for _ in range(150):
        slots = 1 + jumps.integers(torch.arange(128), 320)
        advance(sensing, streams, slots.double() * 0.5e-3)
    error = torch.stack([sensing.estimates.position, sensing.estimates.velocity], dim=2).double()
    block = sensing.covariance[..., :2, :2]
    squared = (error * torch.linalg.solve(block, error)).sum(2)
    count = squared.numel()
    low, high = chi2.ppf([5e-5, 1 - 5e-5], 2 * count) / count
    assert low < float(squared.mean()) < high
    squared = (error[:, :, 0] / sensing.estimates.position_std_m[..., None]).square()
    low, high = chi2.ppf([5e-5, 1 - 5e-5], count) / count
    assert low < float(squared.mean()) < high


def test_errors_grow_in_an_outage_and_shrink_after_it():
    sky = SkyView(np.array([[1.0, 0.1]]), (0.0, 0.0), 100.0)
    sensing, streams = begin(num_envs=64, sky=sky)
    advance(sensing, streams, 0.16, 100)
    before, before_std = rms(sensing.estimates.position), rms(sensing.estimates.position_std_m)
    stds = []
    for _ in range(12):
        advance(sensing, streams, 0.16, 10, at=(100.0, 0.0))
        stds.append(rms(sensing.estimates.position_std_m))
    during = rms(sensing.estimates.position - torch.tensor([100.0, 0.0]))
    advance(sensing, streams, 0.16, 100)
    assert stds[0] > before_std
    assert all(np.diff(stds) > 0)
    assert during > 1.5 * before
    assert during == pytest.approx(stds[-1], rel=0.1)
    assert rms(sensing.estimates.position) < 1.1 * before
    assert rms(sensing.estimates.position_std_m) < before_std


def test_gnss_bias_is_a_stationary_gauss_markov_process():
    sensing, streams = begin(Gnss(bias_m=3.0, bias_time_s=2.0), num_envs=512, sky=NO_SKY)
    first = sensing.state.values[3, :2].clone()
    count = first.numel()
    for step in (1, 2):
        advance(sensing, streams, 0.1, 10)
        now = sensing.state.values[3, :2]
        assert rms(now) == pytest.approx(3.0, rel=4 / math.sqrt(2 * count))
        correlation = float((first * now).mean()) / 9.0
        assert correlation == pytest.approx(math.exp(-step * 1.0 / 2.0), abs=4 / math.sqrt(count))
    np.testing.assert_allclose(sensing.covariance[..., 3, 3].numpy(), 9.0, rtol=1e-12)


@pytest.mark.parametrize("elapsed_s", [1e-3, 0.16, 20.0])
def test_a_jump_in_two_halves_grows_the_covariance_alike(elapsed_s):
    whole, streams = begin(num_envs=1, num_ue=1, sky=NO_SKY)
    halves, same = begin(num_envs=1, num_ue=1, sky=NO_SKY)
    advance(whole, streams, elapsed_s)
    advance(halves, same, elapsed_s / 2, 2)
    np.testing.assert_allclose(whole.covariance.numpy(), halves.covariance.numpy(), rtol=1e-11, atol=1e-15)
    transition, process = van_loan(whole.gnss, whole.imu, elapsed_s)
    start = begin(num_envs=1, num_ue=1)[0].covariance[0, 0].numpy()
    np.testing.assert_allclose(
        whole.covariance[0, 0].numpy(), transition @ start @ transition.T + process, rtol=1e-8, atol=1e-12
    )


def test_without_imu_errors_dead_reckoning_only_spreads_the_initial_velocity():
    exact = Imu(bias_m_s2=0.0, bias_walk_m_s2=0.0, velocity_walk_m_s=0.0)
    sensing, streams = begin(imu=exact, num_envs=4, sky=NO_SKY)
    position, velocity = sensing.estimates.position.clone(), sensing.estimates.velocity.clone()
    advance(sensing, streams, 0.1, 50)
    np.testing.assert_allclose(sensing.estimates.position.numpy(), (position + 5.0 * velocity).numpy(), atol=1e-5)
    np.testing.assert_allclose(sensing.estimates.velocity.numpy(), velocity.numpy(), atol=1e-7)


@pytest.mark.parametrize("elapsed_s", [0.5e-3, 7e-3, 0.04, 0.1])
def test_fixes_come_at_their_rate_whatever_the_jumps(elapsed_s):
    sensing, streams = begin(Gnss(interval_s=0.1), num_envs=2, num_ue=4)
    fixes, steps = torch.zeros(2, 4), round(max(0.4, 5 * elapsed_s) / elapsed_s)
    for _ in range(steps):
        before = sensing.covariance[..., 1, 1].clone()
        advance(sensing, streams, elapsed_s)
        fixes += sensing.covariance[..., 1, 1] < before
    expected = steps * elapsed_s / 0.1
    assert (fixes >= math.floor(expected + 1e-9)).all()
    assert (fixes <= math.ceil(expected - 1e-9) + (elapsed_s < 0.1)).all()


def test_a_phone_has_a_fix_once_a_second():
    """Its velocity is as good as the last fix, and the IMU, leave it: a tenth of a metre per second in the open."""
    sensing, streams = begin(num_envs=2, num_ue=4)
    fixes = torch.zeros(2, 4)
    for _ in range(500):
        before = sensing.covariance[..., 1, 1].clone()
        advance(sensing, streams, 0.02)
        fixes += sensing.covariance[..., 1, 1] < before
    assert ((fixes >= 9) & (fixes <= 11)).all()
    assert 0.07 < rms(sensing.estimates.velocity_std_m_s) < 0.12


def test_long_jumps_use_one_fix_each():
    sensing, streams = begin(Gnss(interval_s=0.1), num_envs=2, num_ue=4)
    for _ in range(5):
        before = sensing.covariance[..., 1, 1].clone()
        advance(sensing, streams, 0.16)
        assert (sensing.covariance[..., 1, 1] < before).all()


@pytest.mark.parametrize(
    ("sensor", "field", "levels", "of_velocity"),
    [
        (Gnss, "bias_m", (0.5, 1.0, 2.5, 6.0), False),
        (Gnss, "noise_m", (0.1, 2.0, 20.0), False),
        (Gnss, "velocity_noise_m_s", (0.05, 0.2, 1.0), True),
        (Imu, "velocity_walk_m_s", (0.01, 0.1, 1.0), True),
        (Gnss, "interval_s", (0.1, 1.0, 10.0), True),
    ],
)
def test_worse_sensors_never_make_errors_smaller(sensor, field, levels, of_velocity):
    """With the same random numbers; of the velocity where the field concerns it, of the position otherwise."""
    errors = []
    for level in levels:
        sensing, streams = begin(**{sensor.__name__.lower(): sensor(**{field: level})}, num_envs=64)
        advance(sensing, streams, 0.1, 60)
        errors.append(rms(sensing.estimates.velocity if of_velocity else sensing.estimates.position))
    assert all(np.diff(errors) > 0), errors


def test_an_environment_senses_the_same_alone_and_in_a_batch():
    together, many = begin(num_envs=9, keys=list(range(40, 49)))
    alone, one = begin(num_envs=1, keys=[44])
    elapsed = torch.rand(30, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.16 + 1e-3
    still = torch.zeros(9, 8, 2)
    for step in range(30):
        rows = torch.arange(9) if step % 3 else torch.tensor([4, 7])
        together.advance(rows, elapsed[step, rows], still[rows], still[rows], many)
        alone.advance(torch.tensor([0]), elapsed[step, 4:5], still[:1], still[:1], one)
    assert torch.equal(together.estimates.position[4], alone.estimates.position[0])
    assert torch.equal(together.estimates.velocity[4], alone.estimates.velocity[0])
    assert torch.equal(together.covariance[4], alone.covariance[0])
    assert not torch.equal(together.estimates.position[4], together.estimates.position[3])


def test_other_environments_stay_as_they_are():
    sensing, streams = begin(num_envs=3)
    position, covariance = sensing.estimates.position.clone(), sensing.covariance.clone()
    still = torch.zeros(1, 8, 2)
    sensing.advance(torch.tensor([1]), torch.tensor([0.1]), still, still, streams)
    assert torch.equal(sensing.estimates.position[[0, 2]], position[[0, 2]])
    assert torch.equal(sensing.covariance[[0, 2]], covariance[[0, 2]])
    sensing.start(torch.tensor([1]), still, still, streams)
    assert torch.equal(sensing.covariance[1], covariance[1])


def test_filters_stay_sound_over_many_small_jumps():
    sensing, streams = begin(num_envs=2, num_ue=2)
    advance(sensing, streams, 0.5e-3, 800)
    covariance = sensing.covariance
    np.testing.assert_allclose(covariance.numpy(), covariance.mT.numpy(), rtol=1e-12, atol=1e-15)
    assert float(torch.linalg.eigvalsh(covariance).min()) > 0
    assert bool(torch.isfinite(sensing.estimates.position).all())
