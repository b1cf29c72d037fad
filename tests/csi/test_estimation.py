"""Least squares and LMMSE against dense NumPy references, and what no estimator may violate."""

import numpy as np
import pytest
import torch

from twin_envs.base.streams import Streams
from twin_envs.csi import estimation
from twin_envs.csi.estimation import EVEN_SHARE, MEAN_SHARE, hedge, match_power, profile_from_paths, refine
from twin_envs.csi.nr.pilots import sound
from twin_envs.csi.transforms import AngleDelayGrid, from_angle_delay, to_angle_delay

GRID = AngleDelayGrid()
SMALL = AngleDelayGrid(blocks=16, rows=2, columns=3, taps=8, precursor_taps=3)
SNRS_DB = (-10.0, 0.0, 10.0, 20.0)


def least_squares(y, spacing, grid):
    return from_angle_delay(estimation.least_squares(y, spacing, grid), grid)


def lmmse(y, spacing, noise, profile, grid):
    return from_angle_delay(estimation.lmmse(y, spacing, noise, profile, grid), grid)


def profiles(grid, count, seed=0, decay_taps=3.0):
    """Powers that decay along delay, with a few strong beams each, of a size as path gains have."""
    generator = torch.Generator().manual_seed(seed)
    beams = torch.rand(count, 1, grid.antennas, generator=generator).pow(8)
    taps = torch.exp(-torch.arange(grid.blocks) / decay_taps)[None, :, None]
    return beams * taps * torch.rand(count, grid.blocks, grid.antennas, generator=generator) * 1e-9


def draw(profile, grid, seed=1):
    """Channels of zero mean whose angle-delay bins are independent and have the power of `profile`."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(profile.shape, generator=generator, dtype=torch.complex64) * profile.sqrt()
    return from_angle_delay(x, grid)


def pilots(h, noise, spacing, key=7):
    """Samples; the same noise for the same `key`, apart from its size."""
    rows = torch.arange(len(h))
    streams = Streams(len(h))
    streams.seed(rows, rows + 1000 * key)
    return sound(h, noise, torch.full((len(h),), spacing), streams, rows)


def mean_nmse(h_hat, h):
    return float(((h_hat - h).abs().square().sum((1, 2)) / h.abs().square().sum((1, 2))).mean())


def noise_for(h, snr_db):
    return h.abs().square().mean((1, 2)) * 10 ** (-snr_db / 10)


def spacings(h, spacing):
    return torch.full((len(h),), spacing)


def dense_lmmse(y, spacing, noise, profile, grid):
    """R_hy R_yy^-1 y in double precision, with the covariance of all blocks and antennas written out."""
    block, antenna = np.divmod(np.arange(grid.blocks * grid.antennas), grid.antennas)
    row, column = np.divmod(antenna, grid.columns)
    phase = (
        -np.outer(block, block) / grid.blocks + np.outer(row, row) / grid.rows + np.outer(column, column) / grid.columns
    )
    basis = np.exp(2j * np.pi * phase) / np.sqrt(len(block))
    covariance = basis @ np.diag(profile.double().numpy().ravel()) @ basis.conj().T
    seen = block % spacing == 0
    received = covariance[np.ix_(seen, seen)] + float(noise) * np.eye(seen.sum())
    return (covariance[:, seen] @ np.linalg.solve(received, y.numpy().ravel()[seen])).reshape(y.shape)


@pytest.mark.parametrize("spacing", [1, 2, 4])
@pytest.mark.parametrize("snr_db", [-10.0, 10.0, 40.0])
def test_lmmse_is_the_dense_one(spacing, snr_db):
    profile = profiles(SMALL, 3)
    h = draw(profile, SMALL)
    noise = noise_for(h, snr_db)
    y = pilots(h, noise, spacing)
    h_hat = lmmse(y, spacings(h, spacing), noise, profile, SMALL)
    for n in range(len(h)):
        expected = dense_lmmse(y[n], spacing, noise[n], profile[n], SMALL)
        np.testing.assert_allclose(h_hat[n].numpy(), expected, atol=2e-5 * np.abs(expected).max())


def test_a_batch_may_mix_spacings():
    profile = profiles(GRID, 3)
    h = draw(profile, GRID)
    noise, spacing = noise_for(h, 10.0), torch.tensor([4, 1, 2])
    y = torch.cat([pilots(h, noise, int(s))[n : n + 1] for n, s in enumerate(spacing)])
    mixed_lmmse, mixed_ls = lmmse(y, spacing, noise, profile, GRID), least_squares(y, spacing, GRID)
    for n in range(3):
        one = slice(n, n + 1)
        torch.testing.assert_close(mixed_lmmse[one], lmmse(y[one], spacing[one], noise[one], profile[one], GRID))
        torch.testing.assert_close(mixed_ls[one], least_squares(y[one], spacing[one], GRID))


@pytest.mark.parametrize(("spacing", "taps"), [(1, range(-6, 42)), (2, range(-3, 21)), (4, range(-1, 11))])
def test_least_squares_is_exact_inside_its_window_and_aliases_outside(spacing, taps):
    for tap in (taps[0], taps[-1], 0):
        x = torch.zeros(1, GRID.blocks, GRID.antennas, dtype=torch.complex64)
        x[0, tap % GRID.blocks, 5] = 1e-4
        h = from_angle_delay(x, GRID)
        h_ls = least_squares(pilots(h, torch.zeros(1), spacing), spacings(h, spacing), GRID)
        torch.testing.assert_close(h_ls, h, atol=1e-10, rtol=0)
    if spacing > 1:
        x = torch.zeros(1, GRID.blocks, GRID.antennas, dtype=torch.complex64)
        x[0, taps[-1] + 1, 5] = 1e-4
        h = from_angle_delay(x, GRID)
        h_ls = least_squares(pilots(h, torch.zeros(1), spacing), spacings(h, spacing), GRID)
        assert int(to_angle_delay(h_ls, GRID)[0, :, 5].abs().argmax()) == taps[0] % GRID.blocks


@pytest.mark.parametrize("spacing", [1, 2, 4])
def test_error_of_least_squares_is_the_noise(spacing):
    h = draw(profiles(GRID, 64, decay_taps=0.3), GRID)  # delays within the window of every comb
    x = to_angle_delay(h, GRID)
    x[:, 4:] = 0
    h = from_angle_delay(x, GRID)
    h_ls = least_squares(pilots(h, noise_for(h, 10.0), spacing), spacings(h, spacing), GRID)
    # blocks / spacing taps, each with the noise of spacing samples: the noise of one sample per block
    assert mean_nmse(h_ls, h) == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("spacing", [1, 2, 4])
def test_right_prior_never_loses_to_least_squares_and_noise_never_helps(spacing):
    profile = profiles(GRID, 64)
    h = draw(profile, GRID)
    errors = []
    for snr_db in SNRS_DB:
        noise = noise_for(h, snr_db)
        y = pilots(h, noise, spacing)
        with_prior = mean_nmse(lmmse(y, spacings(h, spacing), noise, profile, GRID), h)
        assert with_prior < mean_nmse(least_squares(y, spacings(h, spacing), GRID), h)
        errors.append(with_prior)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 1.0


def test_error_with_the_right_prior_is_the_posterior_variance():
    profile = profiles(GRID, 1).expand(256, -1, -1)
    h, spacing = draw(profile, GRID), 2
    noise = torch.full((256,), float(profile[0].mean()) * 0.3)
    h_hat = lmmse(pilots(h, noise, spacing), spacings(h, spacing), noise, profile, GRID)
    p = profile[0].double().numpy()
    together = p + np.roll(p, GRID.blocks // 2, axis=0)
    expected = (p - p**2 / (together + spacing * float(noise[0]))).sum()
    assert float((h_hat - h).abs().square().sum((1, 2)).mean()) == pytest.approx(expected, rel=0.03)


def test_without_noise_and_knowledge_lmmse_is_least_squares():
    h = draw(profiles(GRID, 4), GRID)
    one, silent = spacings(h, 1), torch.zeros(4)
    y = pilots(h, silent, 1)
    h_hat = lmmse(y, one, silent, torch.full(h.shape, 1e-9), GRID)
    torch.testing.assert_close(h_hat, least_squares(y, one, GRID), atol=1e-9, rtol=0)
    torch.testing.assert_close(h_hat, h, atol=1e-9, rtol=0)


def test_no_power_expected_and_no_noise_gives_zero_not_nan():
    h = draw(profiles(GRID, 2), GRID)
    h_hat = lmmse(h, spacings(h, 1), torch.zeros(2), torch.zeros(h.shape), GRID)
    assert torch.equal(h_hat, torch.zeros_like(h))


def test_hedging_saves_an_estimate_from_a_wrong_prior():
    """The twin lacks every true path: alone its prior loses the channel, hedged it comes near least squares."""
    paths = 6
    generator = torch.Generator().manual_seed(3)
    delay_s = torch.rand(64, paths, generator=generator) * 5e-7
    psi = torch.rand(2, 64, paths, generator=generator) - 0.5
    power, none = torch.full((64, paths), 1e-9), torch.zeros(64, 1)
    true = profile_from_paths(delay_s, psi[0], psi[1], power, none, none, GRID)
    h = draw(true, GRID)
    noise, one = noise_for(h, 20.0), spacings(h, 1)
    y = pilots(h, noise, 1)
    wrong = profile_from_paths(delay_s + 1e-6, psi[0] + 0.5, psi[1], power, none, none, GRID)
    hedged = hedge(wrong, true.mean(0) / true.mean(0).sum()) * wrong.sum((1, 2), keepdim=True)
    errors = [mean_nmse(lmmse(y, one, noise, profile, GRID), h) for profile in (wrong, hedged)]
    assert errors[0] > 0.3
    assert errors[1] < mean_nmse(least_squares(y, one, GRID), h)


def test_a_hedged_prior_is_shares_of_the_power_and_the_mean_where_nothing_is_expected():
    usual = profiles(GRID, 1)[0]
    usual /= usual.sum()
    expected = torch.stack([profiles(GRID, 1, seed=4)[0], torch.zeros(GRID.blocks, GRID.antennas)])
    known, unknown = hedge(expected, usual)
    even = EVEN_SHARE / usual.numel()
    torch.testing.assert_close(unknown, (1 - EVEN_SHARE) * usual + even)
    twin = expected[0] / expected[0].sum()
    torch.testing.assert_close(known, (1 - MEAN_SHARE - EVEN_SHARE) * twin + MEAN_SHARE * usual + even)


@pytest.mark.parametrize("spacing", [1, 2])
def test_refining_a_prior_is_a_step_of_expectation_maximisation_against_dense_algebra(spacing):
    profile = profiles(SMALL, 3)
    h = draw(profile, SMALL)
    noise, known = noise_for(h, 5.0), spacings(h, spacing)
    y = pilots(h, noise, spacing)
    refined = refine(y, known, noise, profile, SMALL)
    x_hat = to_angle_delay(lmmse(y, known, noise, profile, SMALL), SMALL)
    folded = profile.unflatten(1, (spacing, -1)).sum(1).repeat(1, spacing, 1)
    posterior = profile - profile.square() / (folded + spacing * noise[:, None, None])
    torch.testing.assert_close(refined, 0.5 * (profile + x_hat.abs().square() + posterior))


@pytest.mark.parametrize("spacing", [1, 2])
def test_refining_mends_a_prior_that_is_the_same_for_all_and_leaves_the_right_one_nearly_as_good(spacing):
    """Of channels of few paths each."""
    one = torch.zeros(400, 8)
    generator = torch.Generator().manual_seed(3)
    delay_s = torch.rand(400, 8, generator=generator) * 1e-6
    psi = torch.rand(2, 400, 8, generator=generator) - 0.5
    right = profile_from_paths(delay_s, psi[0], psi[1], one + 1e-10, one, one, GRID)
    h = draw(right, GRID)
    noise, known = noise_for(h, 5.0), spacings(h, spacing)
    y = pilots(h, noise, spacing)

    def errors(profile):
        refined = refine(y, known, noise, profile, GRID)
        return [mean_nmse(lmmse(y, known, noise, prior, GRID), h) for prior in (profile, refined)]

    plain, refined = errors(right.mean(0).expand_as(right))
    assert refined < 0.9 * plain
    best, nearly = errors(right)
    assert best < nearly < 1.1 * best


@pytest.mark.parametrize("spacing", [1, 2, 4])
def test_match_power_undoes_a_gain_error_of_the_twin(spacing):
    profile = profiles(GRID, 256)
    h, known = draw(profile, GRID), spacings(profile, spacing)
    noise = noise_for(h, 10.0)
    y = pilots(h, noise, spacing)
    right = mean_nmse(lmmse(y, known, noise, profile, GRID), h)
    for factor in (1e-2, 1e2):
        matched = match_power(profile * factor, y, known, noise)
        assert mean_nmse(lmmse(y, known, noise, matched, GRID), h) < 1.05 * right
    assert mean_nmse(lmmse(y, known, noise, profile * 1e-2, GRID), h) > 2 * right
    measured = match_power(profile, y, known, noise).sum((1, 2)).mean()
    torch.testing.assert_close(measured, h.abs().square().sum((1, 2)).mean(), rtol=0.05, atol=0)


def test_match_power_of_noise_alone_expects_next_to_nothing_and_of_no_profile_nothing():
    noise = torch.full((64,), 1e-12)
    y = pilots(torch.zeros(64, GRID.blocks, GRID.antennas, dtype=torch.complex64), noise, 1)
    matched = match_power(profiles(GRID, 1).expand(y.shape), y, spacings(y, 1), noise)
    assert 0 < matched.mean() < 0.2e-12
    assert not match_power(torch.zeros(y.shape), y, spacings(y, 1), noise).any()


def numpy_profile(delay_s, psi_col, psi_row, power, grid):
    """Angle-delay power of one UE's paths, phases averaged out, through NumPy FFTs."""
    block, row, column = np.ogrid[: grid.blocks, : grid.rows, : grid.columns]
    total = np.zeros((grid.blocks, grid.antennas))
    for tau, col_step, row_step, gain in zip(delay_s, psi_col, psi_row, power):
        cycles = row * row_step + column * col_step - block * grid.block_spacing_hz * tau
        x = np.fft.ifft(np.sqrt(gain) * np.exp(2j * np.pi * cycles), axis=0, norm="ortho")
        total += np.abs(np.fft.fft2(x, axes=(1, 2), norm="ortho").reshape(total.shape)) ** 2
    return total


def random_paths(count, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-1e-7, 2e-6, count),
        rng.uniform(-0.5, 0.5, count),
        rng.uniform(-0.5, 0.5, count),
        rng.random(count),
    )


@pytest.mark.parametrize("grid", [GRID, SMALL])
def test_profile_of_known_paths_is_their_leakage(grid):
    paths = random_paths(5)
    batch = [torch.tensor(value, dtype=torch.float32)[None] for value in paths]
    none = torch.zeros(1, 1)
    profile = profile_from_paths(*batch, none, none, grid)[0].double().numpy()
    expected = numpy_profile(*paths, grid)
    np.testing.assert_allclose(profile, expected, atol=1e-5 * expected.max())


def test_profile_of_uncertain_paths_is_the_mean_of_their_leakage():
    rng = np.random.default_rng(1)
    delay_std_s, psi_std = 4e-8, 0.03
    path = (3e-7, 0.21, -0.1, 2.0)
    jittered = [
        (path[0] + delay_std_s * a, path[1] + psi_std * b, path[2] + psi_std * c, path[3] / 4000)
        for a, b, c in rng.standard_normal((4000, 3))
    ]
    expected = numpy_profile(*zip(*jittered), SMALL)
    batch = [torch.tensor([[value]], dtype=torch.float32) for value in (*path, delay_std_s, psi_std)]
    profile = profile_from_paths(*batch, SMALL)[0].numpy()
    np.testing.assert_allclose(profile, expected, atol=0.02 * expected.max())


def test_profile_keeps_the_power_and_ignores_padding():
    paths = [torch.tensor(value, dtype=torch.float32)[None] for value in random_paths(6)]
    std = torch.tensor([[1e-8, 2e-8, 0.0, 1e-6, 3e-8, 0.0]])
    psi_std = torch.tensor([[0.01]])
    profile = profile_from_paths(*paths, std, psi_std, GRID)
    torch.testing.assert_close(profile.sum(), paths[3].sum() * GRID.blocks * GRID.antennas)
    padded = [torch.cat([value, torch.full((1, 2), 0.3)], 1) for value in paths[:3]]
    padded.append(torch.cat([paths[3], torch.zeros(1, 2)], 1))
    std = torch.cat([std, torch.zeros(1, 2)], 1)
    torch.testing.assert_close(profile_from_paths(*padded, std, psi_std, GRID), profile)
