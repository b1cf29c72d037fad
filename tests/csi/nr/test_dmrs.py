"""DM-RS inside a slot, against a receiver written out symbol by symbol, and what must hold in physics."""

import math

import numpy as np
import pytest
import torch

from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS, PILOT_ENERGY, doppler_factors, equalised_sinr

SYMBOL_S = 0.5e-3 / 14
ADDITIONAL = torch.arange(4)


def receiver_error(own, pilots):
    """Error of the estimate at each data symbol, from the channel at every symbol: interpolated, at the ends held."""
    time_s = (np.arange(14) - 6.5) * SYMBOL_S
    g = own[0] + own[1] * time_s + own[2] * time_s**2 / 2
    estimate = np.interp(np.arange(14), pilots, g[list(pilots)].real) + 1j * np.interp(
        np.arange(14), pilots, g[list(pilots)].imag
    )
    data = [symbol for symbol in range(1, 14) if symbol not in pilots]
    return np.abs(g - estimate)[data] ** 2 / abs(own[0]) ** 2


def draw_own(seed, doppler_hz=80.0):
    """Effective channels of a few paths with Doppler shifts, and their derivatives, complex [3]."""
    rng = np.random.default_rng(seed)
    gain = rng.normal(size=4) + 1j * rng.normal(size=4)
    shift_hz = rng.uniform(-doppler_hz, doppler_hz, 4)
    turn = 2j * np.pi * shift_hz
    return np.array([gain.sum(), (gain * turn).sum(), (gain * turn**2).sum()])


@pytest.mark.parametrize("seed", range(5))
def test_without_noise_the_error_is_that_of_a_receiver_written_out(seed):
    own = draw_own(seed)
    sinr = equalised_sinr(
        torch.full((4,), 1e12), torch.tensor(own, dtype=torch.complex64).expand(4, 3), ADDITIONAL, SYMBOL_S
    )
    expected = [1 / receiver_error(own, pilots).mean() for pilots in DMRS_SYMBOLS]
    np.testing.assert_allclose(sinr.numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("additional", range(4))
def test_noise_on_pilots_is_averaged_as_the_interpolation_weighs_them(additional):
    """A channel that stands still: the estimate's variance by Monte Carlo, pilots of `PILOT_ENERGY` times the SNR."""
    rng, snr, pilots = np.random.default_rng(0), 2.0, DMRS_SYMBOLS[additional]
    noise = rng.normal(scale=math.sqrt(1 / (PILOT_ENERGY * snr)), size=(20_000, len(pilots)))
    data = [symbol for symbol in range(1, 14) if symbol not in pilots]
    variance = np.mean([np.interp(data, pilots, row) ** 2 for row in noise])
    still = torch.tensor([1.0, 0.0, 0.0], dtype=torch.complex64)
    sinr = equalised_sinr(torch.tensor(snr), still, torch.tensor(additional), SYMBOL_S)
    assert 1 / sinr.item() - 1 / snr == pytest.approx(variance, rel=0.03)


def test_faster_is_never_better_nor_is_more_noise():
    own = torch.tensor(np.stack([draw_own(1, f) for f in (0.0, 10.0, 50.0, 150.0)]), dtype=torch.complex64)
    own = own / own[:, :1]
    for additional in ADDITIONAL:
        by_speed = equalised_sinr(torch.tensor(100.0), own, additional, SYMBOL_S)
        assert (by_speed.diff() < 0).all()
        by_noise = equalised_sinr(torch.tensor([1.0, 10.0, 100.0, 1e4]), own[2], additional, SYMBOL_S)
        assert (by_noise.diff() > 0).all()
        assert (by_noise < torch.tensor([1.0, 10.0, 100.0, 1e4])).all()


@pytest.mark.parametrize("seed", range(5))
def test_an_additional_position_never_adds_error_to_a_slot(seed):
    own = torch.tensor(draw_own(seed, 200.0), dtype=torch.complex64)
    data_symbols = 12 - ADDITIONAL
    for sinr in (0.5, 5.0, 1e3, 1e9):
        error = 1 / equalised_sinr(torch.full((4,), sinr), own.expand(4, 3), ADDITIONAL, SYMBOL_S) - 1 / sinr
        assert ((error * data_symbols).diff() <= 1e-6 * error[0]).all()
        assert error[0] == error.max()


def test_doppler_shifts_are_the_velocity_along_each_path_over_the_wavelength():
    # Running from a wave lowers its frequency, running towards it raises it; across there is no shift.
    arrival = torch.tensor([[[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0]]])
    velocity, power = torch.tensor([[10.0, 0, 0]]), torch.tensor([[1.0, 2.0, 5.0]])
    factors = doppler_factors(arrival, power, velocity, 0.1, False)
    pulsation = 2 * math.pi * np.array([-100.0, 100.0, 0.0])
    np.testing.assert_allclose(factors[0].numpy(), [np.ones(3), 1j * pulsation, -(pulsation**2)], rtol=1e-5, atol=1e-3)
    tracked = doppler_factors(arrival, power, velocity, 0.1, True)[0, 1].imag.numpy() / (2 * math.pi)
    np.testing.assert_allclose(tracked, np.array([-100.0, 100.0, 0.0]) - 100.0 / 8, rtol=1e-5)
