"""Inverse distance and kriging against closed forms and scikit-learn."""

import math
import sys

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.interpolated.interpolation import NoInterpolation, width
from twin_envs.twin.interpolated.inverse_distance import InverseDistance, inverse_distance_weights
from twin_envs.twin.interpolated.kriging import Kriging, covariance_of

FAR_M = torch.tensor([[9e4, 9e4]])


def smooth(position_m, ap):
    """Residuals of two features that change over tens of metres, another one for each AP."""
    x, y = (position_m / 20).unbind(-1)
    one = 5 * torch.sin(x + ap) * torch.cos(y)
    return torch.stack([one, -0.3 * one], -1)


def drawn(count=150, aps=2, seed=0, rough=0.0):
    generator = torch.Generator().manual_seed(seed)
    position_m = 100 * torch.rand(count, 2, generator=generator)
    ap = torch.arange(count) % aps
    residual = smooth(position_m, ap)
    return position_m, ap, residual + rough * torch.randn(residual.shape, generator=generator)


@pytest.mark.parametrize("kind", [InverseDistance, Kriging])
def test_exact_where_it_was_measured_without_noise(kind):
    position_m, ap, residual = drawn()
    interpolation = kind(position_m, ap, residual)
    for number in (0, 1):
        mean, _ = interpolation.at(position_m[ap == number], number)
        torch.testing.assert_close(mean, residual[ap == number], rtol=0, atol=0.02)


def test_inverse_distance_by_hand():
    """1 m and 2 m away: weights 4/5 and 1/5; with equal distances the mean."""
    place_m = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    weights = inverse_distance_weights(torch.tensor([[1.0, 0.0], [1.5, 7.0]]), place_m)
    torch.testing.assert_close(weights, torch.tensor([[0.8, 0.2], [0.5, 0.5]]))
    mean, _ = InverseDistance(place_m, torch.zeros(2).long(), torch.tensor([[10.0], [0.0]])).at(
        torch.tensor([[1.0, 0.0]]), 0
    )
    assert float(mean) == pytest.approx(8.0)


def test_kriging_goes_back_to_the_law_far_away_and_says_how_little_it_knows():
    position_m, ap, residual = drawn()
    kriging = Kriging(position_m, ap, residual)
    away_m = torch.tensor([0.0, 2.0, 5.0, 15.0, 60.0, 300.0])
    line = position_m.amax(0) + torch.stack([away_m, away_m], -1)
    line = torch.cat([position_m[:1], line[1:]])
    _, std = kriging.at(line, 0)
    assert (std[1:] >= std[:-1] - 1e-6).all()
    assert std[0, 0] < 0.2 * std[-1, 0]
    mean, std = kriging.at(FAR_M, 0)
    torch.testing.assert_close(mean, torch.zeros(1, 2), rtol=0, atol=1e-4)
    unknown_mean, unknown_std = kriging.at(position_m, 7)  # an AP of which nothing was measured
    assert (unknown_mean == 0).all()
    torch.testing.assert_close(unknown_std, std.expand(len(position_m), -1))


def test_kriging_is_scikit_learns_gaussian_process():
    position_m, ap, residual = drawn(rough=1.0)
    kriging = Kriging(position_m, ap, residual)
    asked = 100 * torch.rand(40, 2, generator=torch.Generator().manual_seed(3))
    for number, process in kriging.processes.items():
        mean, std = kriging.at(asked, number)
        expected, expected_std = process.predict(asked.double().numpy(), return_std=True)
        torch.testing.assert_close(mean, (torch.from_numpy(expected) * kriging.scale).float(), rtol=1e-4, atol=1e-5)
        wanted = torch.from_numpy(expected_std) * kriging.scale * kriging.calibration
        torch.testing.assert_close(std, wanted.float(), rtol=1e-4, atol=1e-5)


def test_what_is_left_out_is_what_a_process_without_it_says():
    """The closed form behind the calibration, against leaving each out indeed."""
    position_m, ap, residual = drawn(count=30, aps=1, rough=1.0)
    kriging = Kriging(position_m, ap, residual)
    sill, length_m, noise = covariance_of(kriging.kernel)
    place, unit = position_m.double(), residual.double() / kriging.scale
    covariance = sill * torch.exp(-torch.cdist(place, place) / length_m)
    ratios = []
    for left in range(30):
        others = torch.arange(30) != left
        inverse = torch.linalg.inv(covariance[others][:, others] + noise * torch.eye(29))
        weights = covariance[left, others] @ inverse
        variance = sill + noise - weights @ covariance[others, left]
        ratios.append((unit[left] - weights @ unit[others]) / variance.sqrt())
    torch.testing.assert_close(kriging.calibration, width(torch.stack(ratios)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [NoInterpolation, InverseDistance, Kriging])
@pytest.mark.parametrize("rough", [1.0, 6.0])
def test_ninety_percent_intervals_hold_at_other_places(kind, rough):
    interpolation = kind(*drawn(count=400, rough=rough))
    position_m, ap, residual = drawn(count=2000, seed=9, rough=rough)
    held = []
    for number in (0, 1):
        mean, std = interpolation.at(position_m[ap == number], number)
        held.append((residual[ap == number] - mean).abs() <= 1.645 * std)
    assert 0.85 < float(torch.cat(held)[:, 0].float().mean()) < 0.95


def test_inverse_distance_is_less_sure_far_from_what_was_measured():
    """So its intervals hold in a square of 40 m in which nothing was measured, too."""
    (place_m, ap, residual), (asked_m, asked_ap, true) = (
        drawn(count=600, rough=1.0),
        drawn(count=2000, seed=9, rough=1.0),
    )
    outside, inside = (place_m - 50).abs().amax(-1) > 20, (asked_m - 50).abs().amax(-1) < 20
    interpolation = InverseDistance(place_m[outside], ap[outside], residual[outside])
    held = []
    for number in (0, 1):
        asked = inside & (asked_ap == number)
        mean, std = interpolation.at(asked_m[asked], number)
        held.append((true[asked] - mean).abs() <= 1.645 * std)
    assert 0.85 < float(torch.cat(held)[:, 0].float().mean()) < 0.99
    line_m = place_m[:1] + torch.tensor([[0.0], [3.0], [30.0], [300.0]])
    _, std = InverseDistance(place_m[:1].repeat(2, 1), torch.zeros(2).long(), residual[:2]).at(line_m, 0)
    assert (std == std[0]).all()  # two places tell nothing of distances
    _, std = InverseDistance(place_m, ap, residual).at(line_m, 0)
    assert (std[1:] >= std[:-1]).all()
    assert std[-1, 0] > 1.5 * std[0, 0]


def test_the_spread_of_a_normal_distribution_is_its_standard_deviation():
    error = 3.0 * torch.randn(200_000, 1, generator=torch.Generator().manual_seed(0))
    assert float(width(error)) == pytest.approx(3.0, rel=0.01)


def test_kriging_finds_the_covariance_of_its_own_process():
    """Drawn from an exponential covariance: 1/e at 25 m."""
    generator = torch.Generator().manual_seed(1)
    position_m = 200 * torch.rand(600, 2, generator=generator).double()
    root = torch.linalg.cholesky(torch.exp(-torch.cdist(position_m, position_m) / 25) + 0.05 * torch.eye(600))
    field = (root @ torch.randn(600, 1, generator=generator).double()).float()
    kriging = Kriging(position_m.float(), torch.arange(600) % 2, 4.0 * field)
    sill, length_m, noise = covariance_of(kriging.kernel)
    assert 12 < length_m < 50
    assert noise / sill < 0.25


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'twin-envs\[twins\]'"):
        Kriging(*drawn())


def test_features_that_never_differ_are_known_exactly():
    position_m, ap, _ = drawn(count=40)
    mean, std = Kriging(position_m, ap, torch.zeros(40, 2)).at(position_m, 0)
    assert (mean == 0).all()
    assert std.max() < 1e-6
    assert math.isfinite(float(std.max()))
