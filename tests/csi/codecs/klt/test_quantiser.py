"""Quantisers against published distortions, bits against exhaustive search and the theory of water-filling."""

import itertools

import pytest
import torch

from twin_envs.csi.codecs.klt.quantiser import distribute, lloyd_max, quantise

LEFT = torch.tensor([1.0, 0.3634, 0.1175, 0.03454, 0.009497])
"""Mean square errors of a Gaussian source of unit variance (Max, IRE Trans. Inf. Theory 6(1), 1960, table I)."""


def test_quantisers_of_a_gaussian_source_are_those_of_max():
    share = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    samples = torch.special.ndtri(share).float()
    for values, left in zip(lloyd_max(samples, 4), LEFT):
        error = (samples - values[quantise(samples, values)]).square().mean()
        assert error == pytest.approx(float(left), rel=5e-3, abs=2e-4)
    assert lloyd_max(samples, 1)[1].tolist() == pytest.approx([-0.7979, 0.7979], abs=1e-3)


def test_no_distribution_of_bits_does_better():
    variance = torch.tensor([5.0, 1.0, 0.7, 0.01])
    for total, found in zip((1, 3, 6), distribute(variance, LEFT, (1, 3, 6))):
        assert int(found.sum()) == total
        every = [b for b in itertools.product(range(5), repeat=4) if sum(b) == total]
        least = min(float((variance * LEFT[list(bits)]).sum()) for bits in every)
        assert float((variance * LEFT[found]).sum()) == pytest.approx(least)


def test_with_errors_of_theory_it_is_reverse_water_filling():
    left = 0.25 ** torch.arange(9)
    variance = 4.0 ** torch.tensor([6.0, 3.0, 2.0, 0.0, -1.0])
    (found,) = distribute(variance, left, (11,))
    assert found.tolist() == [6, 3, 2, 0, 0]  # half the binary logarithm of the variance over the water level of 1
