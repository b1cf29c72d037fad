"""Precoding against closed forms, an independent NumPy reference and the optimality that defines it."""

import numpy as np
import pytest
import torch

from twin_envs.csi.precoding import LOADING_RANGE, regularised_zero_forcing, signal_to_interference


def draw(*shape: int, seed: int = 0, spread_db: float = 0.0) -> torch.Tensor:
    """Rayleigh channels [..., U, A] whose UEs' path gains are spread evenly over `spread_db`."""
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(*shape, dtype=torch.complex64, generator=generator)
    gain_db = torch.linspace(0.0, -spread_db, shape[-2])
    return h * (10 ** (gain_db / 20))[:, None]


def column_power(w: torch.Tensor) -> torch.Tensor:
    return w.abs().square().sum(-2)


def reference(h: np.ndarray, noise: np.ndarray, power: float) -> np.ndarray:
    """W = G^H (G G^H + K / power I)^-1 with equal column powers, in double precision, one system at a time."""
    w = np.zeros((*h.shape[:2], h.shape[3], h.shape[2]), dtype=np.complex128)
    for n, f in np.ndindex(*h.shape[:2]):
        g = h[n, f].astype(np.complex128) / np.sqrt(noise[n])[:, None]
        column = g.conj().T @ np.linalg.inv(g @ g.conj().T + len(g) / power * np.eye(len(g)))
        w[n, f] = column / np.linalg.norm(column, axis=0) * np.sqrt(power / len(g))
    return w


@pytest.mark.parametrize("users", [1, 3, 8])
def test_equals_the_textbook_formula_over_40_db_of_path_gain(users: int) -> None:
    h = draw(4, 3, users, 16, spread_db=40.0) * 1e-4
    noise = 1e-11 * (1 + torch.rand(4, users, generator=torch.Generator().manual_seed(1)))
    w = regularised_zero_forcing(h, noise, 0.02)
    expected = reference(h.numpy(), noise.numpy(), 0.02)
    assert np.abs(w.numpy() - expected).max() < 1e-4 * np.abs(expected).max()


def test_every_ue_gets_the_same_power_and_the_cell_no_more_than_it_has() -> None:
    w = regularised_zero_forcing(draw(5, 2, 8, 32, spread_db=40.0), torch.ones(5, 8), 3.0)
    torch.testing.assert_close(column_power(w), torch.full((5, 2, 8), 3.0 / 8))


def test_without_noise_nothing_leaks() -> None:
    h = draw(6, 2, 8, 32)
    sinr = signal_to_interference(h, regularised_zero_forcing(h, torch.zeros(6, 8), 1.0), torch.full((6, 8), 1e-12))
    assert sinr.min() > 1e5


def test_in_much_noise_every_ue_gets_its_matched_filter() -> None:
    h = draw(6, 2, 4, 8)
    w = regularised_zero_forcing(h, torch.full((6, 4), 1e5), 1.0)
    match = (h @ w).diagonal(dim1=-2, dim2=-1).abs()
    torch.testing.assert_close(match, h.norm(dim=-1) * 0.5, rtol=1e-3, atol=0.0)


def test_orthogonal_ues_reach_the_snr_of_their_share_of_the_power() -> None:
    h = torch.diag(torch.tensor([1.0, 0.1, 0.01, 2.0])).to(torch.complex64).expand(1, 1, 4, 4)
    noise = torch.tensor([[1e-3, 2e-3, 1e-3, 1e-3]])
    sinr = signal_to_interference(h, regularised_zero_forcing(h, noise, 2.0), noise)
    expected = 2.0 / 4 * torch.tensor([1.0, 1e-2, 1e-4, 4.0]) / noise
    torch.testing.assert_close(sinr[0], expected)


def test_no_other_beam_gives_more_signal_for_its_leakage() -> None:
    power, users = 10.0, 4
    h = draw(1, 1, users, 8, spread_db=20.0)
    noise = torch.full((1, users), 0.05)
    g = (h / noise.sqrt()[:, None, :, None])[0, 0]

    def ratio(beams: torch.Tensor, user: int) -> torch.Tensor:
        """Signal over unit noise and leakage in units of each UE's noise; beams [A, K] of the power of one UE."""
        received = (g @ beams).abs().square()
        return received[user] / (1.0 + received.sum(0) - received[user])

    w = regularised_zero_forcing(h, noise, power)[0, 0]
    generator = torch.Generator().manual_seed(3)
    for user in range(users):
        own = w[:, user : user + 1]
        for step in (1e-2, 1e-1, 1.0):
            other = own + step * torch.randn(8, 500, dtype=torch.complex64, generator=generator)
            other = other / other.norm(dim=0) * own.norm()
            assert (ratio(other, user) <= ratio(own, user) * (1 + 1e-5)).all()


def test_only_the_ratio_of_channel_to_noise_matters() -> None:
    h = draw(3, 2, 6, 16, spread_db=20.0)
    factor = torch.tensor([1e-3, 1e-6, 1.0, 1e-5, 1e-2, 1e-7])
    w = regularised_zero_forcing(h, torch.ones(3, 6), 5.0)
    scaled = regularised_zero_forcing(h * factor[:, None], factor.square().expand(3, 6), 5.0)
    torch.testing.assert_close(w, scaled, rtol=1e-3, atol=1e-4)


def test_a_ue_without_csi_gets_nothing_and_the_others_its_power() -> None:
    h = draw(2, 3, 5, 8)
    h[0, :, 1] = 0.0
    h[1] = 0.0
    w = regularised_zero_forcing(h, torch.full((2, 5), 0.1), 1.0)
    expected = torch.full((2, 3, 5), 0.25)
    expected[0, :, 1] = 0.0
    expected[1] = 0.0
    torch.testing.assert_close(column_power(w), expected)
    others = regularised_zero_forcing(h[:1, :, [0, 2, 3, 4]], torch.full((1, 4), 0.1), 1.0)
    torch.testing.assert_close(w[:1, :, :, [0, 2, 3, 4]], others)


@pytest.mark.parametrize("noise_power", [0.0, 1e-9, 1.0, 1e24])
def test_ues_with_the_same_channel_share_it(noise_power: float) -> None:
    h = draw(1, 2, 1, 32).expand(50, 2, 8, 32) * torch.logspace(0, -3, 8)[:, None]
    w = regularised_zero_forcing(h, torch.full((50, 8), noise_power), 1.0)
    assert torch.isfinite(torch.view_as_real(w)).all()
    torch.testing.assert_close(column_power(w), torch.full((50, 2, 8), 1 / 8))
    sinr = signal_to_interference(h, w, torch.full((50, 8), 1e-9))
    assert sinr.max() < 2.0  # one beam for eight: interference as strong as the signal, and seven times over


def pair(correlation_deficit: float) -> torch.Tensor:
    """Channels of two UEs with |correlation|^2 = 1 - deficit, 100 draws, complex64 [100, 1, 2, 32]."""
    basis = torch.linalg.qr(draw(100, 1, 2, 32).to(torch.complex128).mH).Q.mH
    second = (1 - correlation_deficit) ** 0.5 * basis[:, :, 0] + correlation_deficit**0.5 * basis[:, :, 1]
    return torch.stack((basis[:, :, 0], second), -2).to(torch.complex64)


def test_ues_side_by_side_are_told_apart_where_the_noise_allows() -> None:
    h, noise = pair(0.01), torch.full((100, 2), 1e-9)
    sinr = signal_to_interference(h, regularised_zero_forcing(h, noise, 1.0), noise)
    assert sinr.min() > 1e4


def test_ues_too_close_for_single_precision_get_the_solution_with_the_least_loading() -> None:
    h, least = pair(1e-8), LOADING_RANGE[0]
    w = regularised_zero_forcing(h, torch.zeros(100, 2), 1.0)
    rows = h.to(torch.complex128)
    expected = rows.mH @ torch.linalg.inv(rows @ rows.mH + least * torch.eye(2))
    expected = expected / expected.norm(dim=-2, keepdim=True) * 0.5**0.5
    assert (w - expected).abs().max() < 0.05 * expected.abs().max()


def test_an_environment_is_precoded_as_it_would_be_alone() -> None:
    h, noise = draw(7, 3, 8, 32, spread_db=30.0), torch.full((7, 8), 0.01)
    w = regularised_zero_forcing(h, noise, 1.0)
    alone = regularised_zero_forcing(h[4:5], noise[4:5], 1.0)
    torch.testing.assert_close(w[4:5], alone)


def test_sinr_by_the_definition_and_for_several_times() -> None:
    h, w = draw(5, 3, 2, 4, 8, seed=1), draw(3, 2, 8, 4, seed=2)
    noise = torch.rand(3, 4, generator=torch.Generator().manual_seed(4)) + 0.1
    sinr = signal_to_interference(h, w, noise)
    assert sinr.shape == (5, 3, 2, 4)
    hn, wn, noise_power = h.numpy(), w.numpy(), noise.numpy()
    for t, n, f, u in np.ndindex(5, 3, 2, 4):
        received = [abs(sum(hn[t, n, f, u] * wn[n, f, :, v])) ** 2 for v in range(4)]
        expected = received[u] / (sum(received) - received[u] + noise_power[n, u])
        assert sinr[t, n, f, u].item() == pytest.approx(expected, rel=1e-3)


def test_strong_interference_suppression_survives_single_precision() -> None:
    h = draw(4, 2, 4, 32)
    w = regularised_zero_forcing(h, torch.full((4, 4), 1e-3), 1.0)
    noise = torch.full((4, 4), 1e-3)
    hw = h.numpy().astype(np.complex128) @ w.numpy().astype(np.complex128)
    received = np.abs(hw) ** 2
    signal = np.diagonal(received, axis1=-2, axis2=-1)
    expected = signal / (received.sum(-1) - signal + 1e-3)
    np.testing.assert_allclose(signal_to_interference(h, w, noise).numpy(), expected, rtol=1e-3)


def test_the_worse_the_csi_the_lower_the_rate() -> None:
    h, noise = draw(200, 1, 6, 16), torch.full((200, 6), 1e-3)
    error = draw(200, 1, 6, 16, seed=9)
    rates = []
    for share in (0.0, 0.01, 0.1, 0.5, 1.0):
        h_hat = (1 - share) ** 0.5 * h + share**0.5 * error
        sinr = signal_to_interference(h, regularised_zero_forcing(h_hat, noise, 1.0), noise)
        rates.append(torch.log2(1 + sinr).sum(-1).mean().item())
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 4 * rates[-1]
