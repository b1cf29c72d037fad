"""Knowledge of a twin world with two paths per link, against closed forms, and its paths against its own channel."""

import math
from typing import ClassVar

import numpy as np
import pytest
import torch

from twin_envs.csi.transforms import AngleDelayGrid, to_angle_delay
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, SensedState, coherence_time_s
from twin_envs.twin.traced import TracedTwin
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.atlas.tracks import track_paths

C = 299_792_458.0
CARRIER_HZ = 3.5e9
WAVELENGTH_M = C / CARRIER_HZ
ROWS, COLUMNS = 4, 16


def unit(azimuth, elevation=0.0):
    return np.array(
        [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
    )


def antennas(yaw):
    """4 rows from the top down, 16 columns half a wavelength apart, facing `yaw`: [64, 3]."""
    along = (np.arange(COLUMNS) - (COLUMNS - 1) / 2) * WAVELENGTH_M / 2
    down = ((ROWS - 1) / 2 - np.arange(ROWS)) * 0.7 * WAVELENGTH_M
    across = np.array([-math.sin(yaw), math.cos(yaw), 0])
    return np.array([c * across + [0, 0, r] for r in down for c in along])


def path(gain_db, length_m, departure, arrival=None, phase=0.0):
    """A path; without an arrival direction it is the line of sight."""
    return gain_db, length_m, departure, arrival, phase


def twin_of(links, boresight=(0.0,), grid_m=1.0, cells_across=1, kind=Geometry):
    """A `TracedTwin` from [AP][grid point] -> paths; the grid points lie `grid_m` apart along x, from x = 0.

    Each stands for so many `cells_across` x, half of them to either side.
    """
    packed = []
    for per_point in links:
        fields = empty_paths(len(per_point), 4)
        for n, paths in enumerate(per_point):
            for p, (gain_db, length_m, departure, arrival, phase) in enumerate(paths):
                fields["gain"][n, p] = 10 ** (gain_db / 20) * np.exp(1j * phase)
                fields["length_m"][n, p], fields["departure"][n, p] = length_m, departure
                fields["line_of_sight"][n, p] = arrival is None
                if arrival is not None and np.linalg.norm(departure - arrival) > 1e-9:
                    normal = (departure - arrival) / np.linalg.norm(departure - arrival)
                    fields["turn"][n, p] = np.eye(3) - 2 * np.outer(normal, normal)
        packed.append(pack_paths(TracedPaths(**fields)))
    points = len(links[0])
    geometry = kind(
        carrier_hz=CARRIER_HZ,
        ap_position_m=torch.zeros(len(links), 3),
        cell_of=torch.arange(points).expand(cells_across, -1),
        point_m=torch.stack([torch.tensor([grid_m * i, 0.0, 1.5]) for i in range(points)]),
        origin_m=(0.0, -grid_m * (cells_across // 2)),
        grid_m=grid_m,
    )
    tensors = {k: torch.from_numpy(np.concatenate([p[k] for p in packed])) for k in packed[0] if k != "count"}
    tensors["count"] = torch.from_numpy(np.stack([p["count"] for p in packed]))
    tensors["track"] = track_paths(geometry, tensors)
    tensors["antenna_m"] = torch.tensor(np.stack([antennas(yaw) for yaw in boresight]), dtype=torch.float32)
    tensors["track"] = track_paths(geometry, tensors)
    return TracedTwin(Atlas(geometry, tensors), torch.tensor(boresight), COLUMNS)


def sensed(x_m=0.0, velocity=(0.0, 0.0), position_std_m=0.0, velocity_std_m_s=0.0, y_m=0.0):
    return SensedState(
        position_m=torch.tensor([[x_m, y_m]]),
        velocity_m_s=torch.tensor([velocity], dtype=torch.float32),
        position_std_m=torch.tensor([position_std_m]),
        velocity_std_m_s=torch.tensor([velocity_std_m_s]),
    )


def ask(twin, state, ap=0):
    return twin.predict(state, torch.tensor([ap]))


STRONG = path(-80.0, 60.0, unit(0.2, 0.05))
WEAK = path(-86.0, 105.0, unit(-0.7, 0.1), unit(2.0, 0.1))
SHARE = np.array([1.0, 10 ** (-86 / 10) / 10 ** (-80 / 10)]) / (1 + 10 ** (-6 / 10))


def two_paths():
    return twin_of([[[STRONG, WEAK]]], boresight=(0.5,))


def test_static_knowledge_of_two_paths():
    known = ask(two_paths(), sensed())
    spread_s = math.sqrt(SHARE[0] * SHARE[1]) * 45.0 / C
    assert known.covered.item() == pytest.approx(1.0)
    assert known["gain_db"].item() == pytest.approx(10 * math.log10(10**-8.0 + 10**-8.6), abs=0.01)
    assert known["los_probability"].item() == pytest.approx(1.0)
    assert known["k_factor_db"].item() == pytest.approx(6.0, abs=0.02)
    assert known["delay_spread_s"].item() == pytest.approx(spread_s, rel=2e-3)
    assert known["coherence_bandwidth_hz"].item() == pytest.approx(1 / (2 * math.pi * spread_s), rel=2e-3)
    for field, angles in (("departure_spread_rad", (0.2, -0.7)), ("arrival_spread_rad", (0.2, 2.0))):
        resultant = abs((SHARE * np.exp(1j * np.array(angles))).sum())
        assert known[field].item() == pytest.approx(math.sqrt(-2 * math.log(resultant)), rel=2e-3)
    mean = np.angle((SHARE * np.exp(1j * np.array([0.2, -0.7]))).sum())
    assert known["departure_azimuth_rad"].item() == pytest.approx(mean - 0.5, abs=1e-3)
    mean = np.angle((SHARE * np.exp(1j * np.array([0.2 + math.pi, 2.0 + math.pi]))).sum())  # from where waves come
    assert known["arrival_azimuth_rad"].item() == pytest.approx(mean, abs=1e-3)
    assert (known.std / known.values.abs().clamp_min(1e-9)).max().item() < 1e-3  # one place, one truth


def test_doppler_spread_is_that_of_two_paths_about_their_mean():
    velocity = np.array([6.0, -9.0])
    difference = (unit(0.2, 0.05) - unit(2.0, 0.1))[:2]
    spread_hz = math.sqrt(SHARE[0] * SHARE[1]) * abs(velocity @ difference) / WAVELENGTH_M
    known = ask(two_paths(), sensed(velocity=tuple(velocity)))
    assert known["doppler_spread_hz"].item() == pytest.approx(spread_hz, rel=2e-3)


def test_two_equal_paths_have_lost_half_when_they_are_a_quarter_turn_apart():
    """Squared autocorrelation cos^2(pi difference t) of their Doppler shifts: one half at 1 / (4 difference)."""
    equal = twin_of([[[STRONG, path(-80.0, 105.0, unit(-0.7, 0.1), unit(2.0, 0.1))]]])
    for velocity in ((6.0, -9.0), (0.3, 0.4), (-20.0, 3.0)):
        difference_hz = abs(np.array(velocity) @ (unit(0.2, 0.05) - unit(2.0, 0.1))[:2]) / WAVELENGTH_M
        known = ask(equal, sensed(velocity=velocity))
        assert known["coherence_time_s"].item() == pytest.approx(1 / (4 * difference_hz), rel=1e-2)
        assert known.uncertainty("coherence_time_s").item() < 1e-6


@pytest.mark.parametrize("weaker_db", [2.0, 4.0, 6.0, 7.0, 8.0, 9.0, 20.0])
def test_where_one_path_dominates_the_channel_never_loses_half(weaker_db):
    """At worst 1 - 4 p (1 - p) of the squared autocorrelation is left: half where p is 0.146, -7.66 dB."""
    weak = path(-80.0 - weaker_db, 105.0, unit(-0.7, 0.1), unit(2.0, 0.1))
    known = ask(twin_of([[[STRONG, weak]]]), sensed(velocity=(6.0, -9.0)))
    difference_hz = abs(np.array((6.0, -9.0)) @ (unit(0.2, 0.05) - unit(2.0, 0.1))[:2]) / WAVELENGTH_M
    share = 1 / (1 + 10 ** (weaker_db / 10))
    lost = 0.5 / (4 * share * (1 - share))
    expected_s = math.asin(math.sqrt(lost)) / (math.pi * difference_hz) if lost < 1 else 10.0
    assert known["coherence_time_s"].item() == pytest.approx(expected_s, rel=0.08)


def test_the_coherence_time_is_that_of_the_sum_over_paths():
    """300 links with 8 paths, against their autocorrelation at 20,000 ages."""
    rng = np.random.default_rng(0)
    power, doppler_hz = rng.exponential(size=(300, 8)), rng.uniform(-40, 40, (300, 8))
    age_s = np.linspace(0, 0.5, 20_001)
    ratio = coherence_time_s(torch.tensor(power).float(), torch.tensor(doppler_hz).float()).numpy()
    for link, (p, f) in enumerate(zip(power, doppler_hz)):
        left = np.abs((p[:, None] * np.exp(2j * np.pi * f[:, None] * age_s)).sum(0) / p.sum()) ** 2
        ratio[link] /= age_s[np.argmax(left <= 0.5)]
    assert np.quantile(np.abs(ratio - 1), 0.95) < 0.05


def test_an_uncertain_velocity_makes_doppler_and_coherence_uncertain():
    """Far from standstill both are as uncertain, to first order, as the velocity along the paths' difference."""
    difference = (unit(0.2, 0.05) - unit(2.0, 0.1))[:2]
    velocity, std_m_s = np.array([6.0, -9.0]), 0.3
    known = ask(two_paths(), sensed(velocity=tuple(velocity), velocity_std_m_s=std_m_s))
    per_hz = math.sqrt(SHARE[0] * SHARE[1]) / WAVELENGTH_M
    spread_hz, std_hz = per_hz * abs(velocity @ difference), per_hz * std_m_s * np.linalg.norm(difference)
    assert known["doppler_spread_hz"].item() == pytest.approx(spread_hz, rel=2e-2)
    assert known.uncertainty("doppler_spread_hz").item() == pytest.approx(std_hz, rel=5e-2)
    share = known.uncertainty("coherence_time_s").item() / known["coherence_time_s"].item()
    assert share == pytest.approx(std_hz / spread_hz, rel=0.15)
    still = ask(two_paths(), sensed(velocity_std_m_s=0.3))
    assert still["doppler_spread_hz"].item() > 0.3 * std_hz
    assert still.uncertainty("doppler_spread_hz").item() > 0.3 * std_hz


def test_one_path_alone_does_not_spread():
    known = ask(twin_of([[[STRONG]]]), sensed(velocity=(10.0, 5.0)))
    for field in ("delay_spread_s", "doppler_spread_hz"):
        assert known[field].item() == pytest.approx(0.0, abs=1e-9 if field.endswith("_s") else 0.1)
    assert known["arrival_spread_rad"].item() < 0.01
    assert known["k_factor_db"].item() == 40.0
    hidden = ask(twin_of([[[WEAK]]]), sensed())
    assert hidden["los_probability"].item() == 0.0
    assert hidden["k_factor_db"].item() == -40.0
    assert hidden["coherence_time_s"].item() == 10.0


def test_each_access_point_has_its_own_boresight_and_paths():
    twin = twin_of([[[STRONG]], [[path(-70.0, 30.0, unit(1.0))]]], boresight=(0.5, -0.25))
    one, two = ask(twin, sensed(), 0), ask(twin, sensed(), 1)
    assert one["departure_azimuth_rad"].item() == pytest.approx(0.2 - 0.5, abs=1e-3)
    assert two["departure_azimuth_rad"].item() == pytest.approx(1.0 + 0.25, abs=1e-3)
    assert two["gain_db"].item() - one["gain_db"].item() == pytest.approx(10.0, abs=0.02)


# Uncertain positions


def test_a_slope_of_the_gain_has_the_standard_deviation_of_the_position():
    line = [[path(-80.0 - 0.1 * n, 50.0, unit(0.0))] for n in range(400)]  # 1 dB per metre along x
    twin = twin_of([line], grid_m=0.1, cells_across=201)
    for std_m in (0.5, 2.0, 5.0):
        state = sensed(20.0, position_std_m=std_m)
        known = ask(twin, state)
        assert known["gain_db"].item() == pytest.approx(-100.0, abs=0.02)
        assert known.uncertainty("gain_db").item() == pytest.approx(std_m, rel=0.05)


def test_a_step_of_the_gain_shows_as_uncertainty_near_it_and_not_far_from_it():
    step = [[STRONG] if n < 20 else [path(-100.0, 60.0, unit(0.2))] for n in range(40)]
    twin = twin_of([step], grid_m=1.0, cells_across=11)
    uncertain = [ask(twin, sensed(19.0, position_std_m=std)).uncertainty("gain_db").item() for std in (0.0, 0.4, 2.0)]
    far = ask(twin, sensed(5.0, position_std_m=2.0))
    # Two standard deviations away: a quarter of the distribution's weight stands on the other side.
    assert uncertain[0] == 0.0
    assert uncertain[2] == pytest.approx(20.0 * math.sqrt(0.25 * 0.75), rel=1e-3)
    assert uncertain[1] < uncertain[2]
    assert far.uncertainty("gain_db").item() == pytest.approx(0.0, abs=1e-3)
    near = ask(twin, sensed(19.0, position_std_m=2.0))
    assert near["gain_db"].item() == pytest.approx(-80.0 - 20.0 * 0.25, abs=0.02)


def test_knowledge_of_a_direction_does_not_tear_behind_the_array():
    # Behind the AP the departure turns from +179 to -179 degrees within one step of the grid.
    step = [
        [path(-80.0, 60.0, unit(math.pi - 0.02))] if n < 20 else [path(-80.0, 60.0, unit(-math.pi + 0.02))]
        for n in range(40)
    ]
    twin = twin_of([step], cells_across=11)
    known = ask(twin, sensed(19.0, position_std_m=2.0))
    assert abs(known["departure_azimuth_rad"].item()) == pytest.approx(math.pi, abs=0.03)
    assert known.uncertainty("departure_azimuth_rad").item() == pytest.approx(0.04 * math.sqrt(0.25 * 0.75), abs=2e-3)


def test_covered_is_the_share_of_the_position_that_is_covered():
    twin = twin_of([[[STRONG] if n < 20 else [] for n in range(40)]], cells_across=11)
    inside, edge, beyond, off_grid = (ask(twin, sensed(x, position_std_m=2.0)) for x in (5.0, 19.0, 30.0, 500.0))
    assert inside.covered.item() == pytest.approx(1.0)
    assert edge.covered.item() == pytest.approx(0.75)
    assert beyond.covered.item() == 0.0
    assert off_grid.covered.item() == 0.0
    # What is not covered does not spoil what is.
    assert edge["gain_db"].item() == pytest.approx(-80.0, abs=0.01)
    assert edge.uncertainty("gain_db").item() == pytest.approx(0.0, abs=1e-3)
    for known in (inside, edge, beyond, off_grid):
        assert known.values.isfinite().all()
        assert known.std.isfinite().all()
        assert known.values.shape == (1, len(KNOWLEDGE_FIELDS))


class EachItsOwn(Geometry):
    """Every place that is asked about has a grid point of its own, in the order in which they are asked about."""

    def cell(self, position_m):
        self.asked_m.append(position_m[0])
        return torch.arange(position_m.shape[1])[None]

    asked_m: ClassVar[list[torch.Tensor]] = []


def test_the_position_is_spread_evenly_over_directions():
    EachItsOwn.asked_m.clear()
    ask(twin_of([[[STRONG]] * 7], kind=EachItsOwn), sensed(position_std_m=1.0))
    offset = EachItsOwn.asked_m[0].double()
    # Where the twin has a channel at one of the places alone, the share that is covered is the weight of that place.
    only = [twin_of([[[STRONG] if n == k else [] for n in range(7)]], kind=EachItsOwn) for k in range(7)]
    weight = torch.stack([ask(twin, sensed(position_std_m=1.0)).covered[0] for twin in only]).double()
    assert weight.sum().item() == pytest.approx(1.0)
    torch.testing.assert_close(weight @ offset, torch.zeros(2, dtype=torch.float64), atol=1e-6, rtol=0)
    covariance = offset.T @ (weight[:, None] * offset)
    torch.testing.assert_close(covariance, torch.eye(2, dtype=torch.float64), atol=1e-6, rtol=0)


# The paths that the twin expects, as a prior for estimation: they must point where the channel is.

GRID = AngleDelayGrid(rows=ROWS, columns=COLUMNS)
YAW = 0.8


def peak(twin):
    """Tap and beams at which the angle-delay picture of the twin's own channel is strongest."""
    position = torch.tensor([[0.0, 0.0, 1.5]])
    paths = twin.atlas.paths(position, torch.tensor([0]))
    offset_hz = (torch.arange(GRID.blocks) - (GRID.blocks - 1) / 2) * GRID.block_spacing_hz
    h = twin.atlas.channel(paths, offset_hz, paths.first_m)
    picture = to_angle_delay(h, GRID).abs()[0]
    tap, beam = divmod(int(picture.argmax()), GRID.antennas)
    return tap, *divmod(beam, COLUMNS)


def cyclic(difference, size):
    return abs((difference + size / 2) % size - size / 2)


@pytest.mark.parametrize("seed", range(20))
def test_expected_paths_are_where_the_channel_is(seed):
    rng = np.random.default_rng(seed)
    first_m, later_m = 80.0, rng.uniform(0, 20) * C / GRID.bandwidth_hz
    strong = path(-80.0, first_m + later_m, unit(YAW + rng.uniform(-1.2, 1.2), rng.uniform(-0.7, 0.7)), unit(2.0))
    twin = twin_of([[[path(-105.0, first_m, unit(0.0)), strong]]], boresight=(YAW,))
    expected = twin.expected_paths(torch.tensor([[0.0, 0.0, 1.5]]), torch.tensor([0]))
    assert expected.distance_m.item() == pytest.approx(first_m, rel=1e-5)
    strongest = int(expected.power[0].argmax())
    assert 10 * math.log10(expected.power[0, strongest].item()) == pytest.approx(-80.0, abs=0.02)
    delay_s = expected.delay_s[0, strongest].item()
    assert delay_s == pytest.approx(later_m / C, abs=1e-12)
    tap, row_beam, column_beam = peak(twin)
    assert cyclic(tap - delay_s * GRID.bandwidth_hz, GRID.blocks) < 0.52
    assert cyclic(column_beam - expected.column_cycles[0, strongest].item() * COLUMNS, COLUMNS) < 0.55
    assert cyclic(row_beam - expected.row_cycles[0, strongest].item() * ROWS, ROWS) < 0.55


def test_the_signs_of_the_beams():
    # A UE on the side of the later columns and above: the phase grows with the column and falls from the top row down.
    twin = twin_of([[[path(-80.0, 90.0, unit(YAW + 0.5, 0.3))]]], boresight=(YAW,))
    expected = twin.expected_paths(torch.tensor([[0.0, 0.0, 1.5]]), torch.tensor([0]))
    assert expected.column_cycles[0, 0].item() == pytest.approx(0.5 * math.sin(0.5) * math.cos(0.3), abs=1e-3)
    assert expected.row_cycles[0, 0].item() == pytest.approx(-0.7 * math.sin(0.3), abs=1e-3)


def test_where_the_twin_has_no_path_nothing_is_expected():
    twin = twin_of([[[], [STRONG]]])
    position = torch.tensor([[0.0, 0.0, 1.5], [700.0, 0.0, 1.5], [1.0, 0.0, 1.5]])
    expected = twin.expected_paths(position, torch.zeros(3, dtype=torch.int64))
    assert not expected.power[:2].any()
    assert expected.distance_m.tolist()[:2] == [0.0, 0.0]
    assert expected.power[2].sum() > 0
    for values in vars(expected).values():
        assert values.isfinite().all()
