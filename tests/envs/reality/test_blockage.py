"""Blockage against an independent reference, and what it does on average."""

import itertools
import math

import numpy as np
import pytest
import torch

from twin_envs.base.streams import Streams
from twin_envs.envs.reality.blockage import Blockage, screen_amplitude
from twin_envs.world.atlas.atlas import LocalPaths
from twin_envs.world.motion import Motion, Routes

WAVELENGTH_M = 0.0107


def knife_edge_reference(one, other, above, azimuth, elevation):
    """TR 38.901, equations 7.6-22 and -30: with detours measured in space to a source a kilometre away."""
    source = 1000.0 * np.array([math.cos(azimuth), math.sin(azimuth), math.tan(elevation)])

    def f(edge_point, inside):
        detour = np.linalg.norm(edge_point) + np.linalg.norm(source - edge_point) - np.linalg.norm(source)
        return (1 if inside else -1) * math.atan(math.pi / 2 * math.sqrt(math.pi / WAVELENGTH_M * detour)) / math.pi

    toward = np.array([math.cos(azimuth), math.sin(azimuth)])
    line = other - one
    # The point of the screen's line that the path passes above or below: one + s line = t toward.
    s, t = np.linalg.solve(np.stack([line, -toward], 1), -one)
    height = t * math.tan(elevation)
    side = (
        f(np.array([*one, one @ toward * math.tan(elevation)]), s > 0),
        f(np.array([*other, other @ toward * math.tan(elevation)]), s < 1),
    )
    top = f(np.array([*(t * toward), above]), height < above)
    return 1 - sum(side) * (top + 0.5)


@pytest.mark.parametrize("elevation_deg", [0.0, 4.0, 9.0, 15.0])
@pytest.mark.parametrize("off_deg", [-30.0, -8.0, 0.0, 5.0, 12.0])
@pytest.mark.parametrize("distance_m", [0.6, 1.2, 2.5])
def test_a_person_attenuates_as_the_knife_edges_of_the_report(distance_m, off_deg, elevation_deg):
    one, other = np.array([distance_m, -0.15]), np.array([distance_m, 0.15])
    azimuth, elevation = math.radians(off_deg), math.radians(elevation_deg)
    got = float(
        screen_amplitude(
            torch.tensor(one).float(),
            torch.tensor(other).float(),
            torch.tensor(0.2),
            torch.tensor(azimuth),
            torch.tensor(elevation),
            WAVELENGTH_M,
        )
    )
    assert 20 * math.log10(got) == pytest.approx(
        20 * math.log10(knife_edge_reference(one, other, 0.2, azimuth, elevation)), abs=0.8
    )


def test_a_screen_takes_most_behind_its_middle_and_nothing_from_the_other_side():
    azimuth = torch.linspace(-math.pi, math.pi, 361)
    left = screen_amplitude(
        torch.tensor([0.6, -0.15]), torch.tensor([0.6, 0.15]), torch.tensor(0.2), azimuth, torch.tensor(0.0), 0.0107
    )
    assert int(left.argmin()) == 180
    assert float(left.min()) < 10 ** (-8 / 20)
    assert float(left[azimuth.abs() > math.pi / 2].min()) > 10 ** (-0.3 / 20)
    assert float(left.max()) <= 1


def test_what_rises_over_a_persons_head_passes():
    elevation = torch.linspace(0, 1.2, 50)
    left = screen_amplitude(
        torch.tensor([1.0, -0.15]), torch.tensor([1.0, 0.15]), torch.tensor(0.2), torch.tensor(0.0), elevation, 0.0107
    )
    assert (left.diff() > -1e-6).all()
    assert float(left[-1]) > 0.95


def users(num, kind):
    """One user in each of `num` environments, of a `UserKind`."""
    motion = Motion(Routes([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]], [2], [0]), num, 1)
    motion.state.kind[:] = kind
    return motion


def blocked(count, *, kind=2, self_blocking=False, car_loss_db=0.0, num=64, elevation=0.1):
    """Mean power that is left of paths from all round, at some times, over environments [num, times, paths]."""
    azimuth = torch.arange(24) * (2 * math.pi / 24)
    arrival = -torch.stack([azimuth.cos(), azimuth.sin(), torch.full_like(azimuth, math.tan(elevation))], -1)
    arrival = torch.nn.functional.normalize(arrival, dim=-1).expand(num, -1, 3)
    nothing = torch.zeros(num, 24)
    paths = LocalPaths(
        gain=nothing.to(torch.complex64), image_m=arrival, arrival=arrival, line_of_sight=nothing[:, 0] > 0, ap=None
    )
    streams, rows = Streams(num), torch.arange(num)
    streams.seed(rows, rows + 5)
    blockage = Blockage(users(num, kind), count, 8, self_blocking, car_loss_db, WAVELENGTH_M, torch.device("cpu"))
    blockage.start(rows, streams)
    velocity = torch.tensor([1.0, 0.0, 0.0]).expand(num, 3)
    times = torch.arange(0.0, 4.0, 0.25).double()
    return torch.stack(
        [blockage.amplitude(rows, rows * 0, time.expand(num), velocity, paths) for time in times], 1
    ).square()


@pytest.mark.parametrize("kind", [2, 3])
def test_more_blockers_never_help_on_average(kind):
    left = [float(blocked(count, kind=kind).mean()) for count in (0, 1, 2, 4, 8)]
    assert left[0] == 1
    assert all(more < fewer for fewer, more in itertools.pairwise(left))
    assert left[-1] > 0.4


def test_the_first_blockers_are_the_same_however_many_there_are():
    one, two = blocked(1), blocked(2)
    assert (two <= one + 1e-6).all()


def test_what_blocks_comes_and_goes():
    left = blocked(8)
    deep = left < 10 ** (-6 / 10)
    share = float(deep.float().mean())
    assert 0.005 < share < 0.2
    stays = float((deep[:, 1:] & deep[:, :-1]).float().mean()) / share
    assert share < stays < 0.9  # a quarter of a second later more likely than at any time, but not for sure


def test_the_own_body_takes_30_db_from_a_third_of_the_azimuths():
    left = blocked(0, kind=0, self_blocking=True)
    assert set(torch.unique((10 * left.log10()).round()).tolist()) == {-30.0, 0.0}
    assert float((left < 0.5).float().mean()) == pytest.approx(120 / 360, abs=1.01 / 24)  # paths are 15 degrees apart
    behind = left[0, 0, 12]  # it walks towards +x
    assert float(behind) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("kind", [1, 3])
def test_a_vehicle_has_no_body_behind_it(kind):
    assert (blocked(0, kind=kind, self_blocking=True) == 1).all()


@pytest.mark.parametrize(("mean_db", "std_db"), [(9.0, 5.0), (20.0, 5.0)])
def test_windows_take_as_much_from_all_that_reaches_a_vehicle_as_the_report_says(mean_db, std_db):
    """TR 38.901, 7.4.3.2: normal in decibels; a loss below 0 dB is none."""
    loss_db = -10 * blocked(0, kind=1, car_loss_db=mean_db, num=2000).log10()
    assert (loss_db == loss_db[:, :1, :1]).all()  # the same from all directions, and for good
    of_vehicle = loss_db[:, 0, 0]
    assert float(of_vehicle.min()) >= 0
    normal = mean_db + std_db * torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    assert float(of_vehicle.mean()) == pytest.approx(float(normal.clamp_min(0).mean()), abs=0.35)
    assert float(of_vehicle.std()) == pytest.approx(float(normal.clamp_min(0).std()), rel=0.06)


@pytest.mark.parametrize(("kind", "mean_db"), [(0, 9.0), (2, 9.0), (1, 0.0), (3, 0.0)])
def test_pedestrians_and_open_windows_lose_nothing(kind, mean_db):
    assert (blocked(0, kind=kind, car_loss_db=mean_db) == 1).all()


def test_nothing_depends_on_what_else_is_in_the_batch():
    torch.testing.assert_close(blocked(4, num=64)[:5], blocked(4, num=5))


def test_paths_from_high_above_pass_people():
    assert float(blocked(8, elevation=1.0).min()) > 0.7
