"""What each sensor measures, with what noise, and when it misses; and how sensors are named."""

import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.sensing.registry import make_sensors, sensors
from twin_envs.world.sensing.sensors.camera import Camera
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.sensing.sensors.imu import Imu
from twin_envs.world.sensing.sensors.protocol import Sight
from twin_envs.world.sensing.sensors.radar import Radar

SEEN = {
    "distance_m": 40.0,
    "height_m": 6.0,
    "off_axis_rad": 0.0,
    "radial_velocity_m_s": 1.0,
    "line_of_sight": True,
    "sky_view": 1.0,
}


def chance(sensor, **sight):
    return float(sensor.chance(Sight(**{name: torch.tensor([value]) for name, value in (SEEN | sight).items()}))[0])


def std(sensor, quantity, distance_m, height_m):
    return float(sensor.std(torch.tensor([distance_m]).double(), torch.tensor([height_m]).double())[quantity][0])


def test_a_camera_finds_the_distance_from_the_angle_below_the_horizon():
    """By how much atan(height / distance) must be wrong for the distance to be wrong by the standard deviation."""
    camera = Camera(angle_noise_rad=1e-4)
    for distance_m, height_m in ((5.0, 8.0), (30.0, 6.0), (80.0, 10.0)):
        wrong = distance_m + std(camera, "range", distance_m, height_m)
        angle = math.atan2(height_m, distance_m) - math.atan2(height_m, wrong)
        assert angle == pytest.approx(camera.angle_noise_rad, rel=0.01)
        assert std(camera, "azimuth", distance_m, height_m) == camera.angle_noise_rad


def test_a_camera_misses_what_is_hidden_or_out_of_the_picture_and_some_of_the_rest():
    camera = Camera(miss=0.2)
    assert chance(camera) == pytest.approx(0.8)
    edge = 0.5 * camera.field_rad
    assert chance(camera, off_axis_rad=edge - 1e-3) == pytest.approx(0.8)
    for hidden in (
        {"off_axis_rad": edge + 1e-3},
        {"line_of_sight": False},
        {"distance_m": camera.reach_m + 1},
        {"distance_m": camera.nearest_m - 1},
    ):
        assert chance(camera, **hidden) == 0.0


def test_a_radar_detects_nine_in_ten_at_its_reach_and_by_the_fourth_power_elsewhere():
    radar = Radar(reach_m=100.0)
    assert chance(radar, distance_m=100.0, height_m=0.0) == pytest.approx(0.9, abs=1e-6)
    for distance_m in (30.0, 100.0, 200.0, 400.0):
        found = chance(radar, distance_m=distance_m, height_m=0.0)
        snr = math.log(radar.false_alarm) / math.log(found) - 1
        at_reach = math.log(radar.false_alarm) / math.log(0.9) - 1
        assert snr == pytest.approx(at_reach * (100.0 / distance_m) ** 4, rel=1e-3)
    assert chance(radar, distance_m=1e4) == pytest.approx(radar.false_alarm, rel=1e-3)


def test_a_radar_does_not_see_who_stands_or_is_hidden():
    radar = Radar()
    assert chance(radar) > 0.9
    assert chance(radar, radial_velocity_m_s=-1.0) > 0.9
    for hidden in ({"radial_velocity_m_s": 0.1}, {"line_of_sight": False}, {"off_axis_rad": 2.0}, {"distance_m": 2.0}):
        assert chance(radar, **hidden) == 0.0


def test_a_radar_measures_along_the_ray():
    """A slant range wrong by the noise is a horizontal distance wrong by the standard deviation."""
    radar = Radar(range_noise_m=1e-3)
    slant = math.hypot(10.0, 8.0) + 1e-3
    assert std(radar, "range", 10.0, 8.0) == pytest.approx(math.sqrt(slant**2 - 64.0) - 10.0, rel=1e-3)


def test_gnss_needs_the_sky_and_an_imu_nothing():
    assert [chance(Gnss(), sky_view=view) for view in (0.2, 0.3)] == [0.0, 1.0]
    assert chance(Imu(), sky_view=0.0, line_of_sight=False) == 1.0
    assert std(Gnss(), "position", 10.0, 5.0) == 0.5
    assert std(Imu(), "acceleration", 10.0, 5.0) == 0.05


@pytest.mark.parametrize("name", list(sensors))
def test_every_sensor_says_the_noise_of_what_it_measures(name):
    sensor = sensors.get(name)()
    said = sensor.std(torch.full((3,), 50.0), torch.full((3,), 6.0))
    assert set(said) == set(sensor.measures)
    assert all(value.shape == (3,) and (value > 0).all() for value in said.values())


def test_sensors_are_named_in_any_order():
    assert make_sensors("radar+gnss + imu") == make_sensors("gnss+imu+radar")
    assert set(make_sensors("gnss")) == {"gnss"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("gnss+imu+camra", "one of .*did you mean 'camera'"),
        ("imu+camera", "must have 'gnss'.*did you mean 'gnss\\+imu\\+camera'"),
        ("gnss+imu+gnss", "named once each"),
        ("", "one of"),
        (7, "one of"),
        (["gnss"], "one of"),
        ("gnss+twin_envs.world.sensing.sensors.gnss:Gnss", "must give a MountedSensor"),
        ("gnss+math:sqrt", "must be called with nothing"),
    ],
)
def test_sensors_that_do_not_go_are_refused(names, message):
    with pytest.raises(ConfigurationError, match=f"sensors.*{message}"):
        make_sensors(names)


class Deaf(Camera):
    measures = ("loudness",)


def test_a_sensor_measures_what_the_filter_knows():
    sensors.register("deaf", Deaf)
    try:
        with pytest.raises(ConfigurationError, match="must measure some of range, azimuth, radial_velocity"):
            make_sensors("gnss+deaf")
    finally:
        sensors.unregister("deaf")


def constant(value):
    return lambda *_: value


@pytest.mark.parametrize(
    ("what", "answer", "message"),
    [
        ("std", constant(0.1), "std of 'odd' must tell the noise of range, azimuth by name, got 0.1"),
        ("std", constant({"range": torch.ones(3)}), r"noise of range, azimuth by name, got \['range'\]"),
        ("std", constant({"range": 1.0, "azimuth": torch.ones(3)}), r"finite range of the shape .* \[3\], got 1.0"),
        ("std", constant({"range": torch.ones(3), "azimuth": torch.zeros(3)}), "must give a positive, finite azimuth"),
        ("std", constant({"range": torch.ones(3), "azimuth": torch.ones(1)}), "must give a positive, finite azimuth"),
        ("std", constant({"range": torch.full((3,), math.inf), "azimuth": torch.ones(3)}), "positive, finite range"),
        ("chance", constant(1.0), r"chance of 'odd' must be from 0 to 1, of the shape of what is seen, \[3\], got 1.0"),
        ("chance", constant(torch.full((3,), 1.2)), "must be from 0 to 1"),
        ("chance", constant(torch.full((3,), math.nan)), "must be from 0 to 1"),
    ],
)
def test_a_sensor_says_how_large_its_noise_is_and_how_often_it_measures(what, answer, message):
    sensors.register("odd", type("Odd", (Camera,), {what: staticmethod(answer)}))
    try:
        with pytest.raises(ConfigurationError, match=message):
            make_sensors("gnss+odd")
    finally:
        sensors.unregister("odd")


def test_a_camera_sees_as_well_above_it_as_below():
    assert std(Camera(), "range", 40.0, -30.0) == std(Camera(), "range", 40.0, 30.0)


@pytest.mark.parametrize(
    ("sensor", "field", "value"),
    [
        (Gnss, "interval_s", 0.0),
        (Gnss, "bias_m", -1.0),
        (Gnss, "bias_time_s", 0.5),
        (Gnss, "noise_m", 0.0),
        (Gnss, "velocity_noise_m_s", math.nan),
        (Gnss, "least_sky_view", 1.5),
        (Imu, "bias_m_s2", 6.0),
        (Imu, "bias_walk_m_s2", "0.1"),
        (Imu, "velocity_walk_m_s", True),
        (Camera, "interval_s", 0.0),
        (Camera, "miss", 1.1),
        (Camera, "reach_m", 1.0),
        (Camera, "yaw_std_rad", 1.0),
        (Camera, "angle_noise_rad", 0.0),
        (Radar, "clock_std_s", -1.0),
        (Radar, "false_alarm", 1.0),
        (Radar, "offset_std_m", np.inf),
        (Radar, "field_rad", 7.0),
    ],
)
def test_a_bad_field_is_refused(sensor, field, value):
    with pytest.raises(ConfigurationError, match=f"{field} of {sensor.__name__} must be (a number )?from"):
        sensor(**{field: value})
