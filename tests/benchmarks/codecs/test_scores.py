"""What a cell makes of decoded channels, and what reports cost, where both can be told by hand."""

import pytest
import torch

from twin_envs.benchmarks.codecs.costs import multiply_adds
from twin_envs.benchmarks.codecs.scores import UES, sum_rate
from twin_envs.csi.channels import SampledLinks
from twin_envs.csi.codecs.protocol import SideInformation


def links(h, ap):
    return SampledLinks(h=h, position_m=torch.zeros(len(h), 3), ap=torch.tensor(ap))


def test_ues_that_do_not_hear_each_other_have_their_share_of_the_power_each():
    h = torch.zeros(2 * UES + 3, 4, 32, dtype=torch.complex64)
    for ue in range(len(h)):
        h[ue, :, ue] = 1e-4
    ap = [0, 1] * UES + [0, 1, 1]  # three are too few for a group of their own
    rate = sum_rate(links(h, ap), h, 0.0, 1e-10)
    assert rate == pytest.approx(UES * float(torch.log2(torch.tensor(1 + 1e-8 / UES / 1e-10))), rel=1e-4)


def test_what_is_decoded_wrongly_costs_rate():
    generator = torch.Generator().manual_seed(0)
    h, wrong = 1e-4 * torch.randn(2, 4 * UES, 4, 32, dtype=torch.complex64, generator=generator)
    ap = [0] * len(h)
    had = ((h, 0.0), (h + 0.1 * wrong, 0.01), (wrong, 1.0))
    exact, near, other = (sum_rate(links(h, ap), decoded, lost, 1e-12) for decoded, lost in had)
    assert exact > near + 5 > other + 15


def test_multiplications_of_products_are_counted_by_report():
    class Products:
        """A report is a product with a matrix of 4 x 6 and one of 6 x 4, for each of 5 blocks."""

        def report(self, x, side):
            assert len(side.codeword_bits) == len(x)
            return x @ torch.ones(4, 6, dtype=x.dtype) @ torch.ones(6, 4, dtype=x.dtype)

    x, side = torch.zeros(3, 5, 4, dtype=torch.complex64), SideInformation(codeword_bits=torch.full((9,), 8))
    assert multiply_adds(Products(), x, side) == 5 * (4 * 6 + 6 * 4)
