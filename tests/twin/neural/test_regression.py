"""Regression towards a prior, against solving it anew for each sample or group that is left out."""

import pytest
import torch

from twin_envs.twin.neural import regression
from twin_envs.twin.neural.regression import regress, regress_for_strangers

GENERATOR = torch.Generator().manual_seed(1)
TOLD = torch.randn(60, 5, generator=GENERATOR)
PRIOR = torch.randn(5, 2, generator=GENERATOR)
WANTED = TOLD @ (PRIOR + 0.3) + 0.2 * torch.randn(60, 2, generator=GENERATOR)
GROUP = torch.arange(60) % 4


def solved(told, wanted, prior, penalty):
    told, rest = told.double(), (wanted - told @ prior).double()
    gram = told.mT @ told / len(told) + penalty * torch.eye(told.shape[1]).double()
    return prior.double() + torch.linalg.solve(gram, told.mT @ rest / len(told))


@pytest.fixture
def one_penalty(monkeypatch):
    monkeypatch.setattr(regression, "_PENALTIES", (0.1,))


@pytest.mark.usefixtures("one_penalty")
def test_weights_are_the_solution():
    found = regress(TOLD, WANTED, PRIOR)
    torch.testing.assert_close(found.weights.double(), solved(TOLD, WANTED, PRIOR, 0.1), rtol=1e-4, atol=1e-5)
    strange = regress_for_strangers(TOLD, WANTED, PRIOR, GROUP)
    torch.testing.assert_close(strange.weights, found.weights, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("one_penalty")
def test_what_is_left_out_is_said_by_the_others():
    found, rows = regress(TOLD, WANTED, PRIOR), torch.arange(60)
    for row in (0, 17):
        # Left out, the others are 59; their penalty is then that of 60 samples.
        weights = solved(TOLD[rows != row], WANTED[rows != row], PRIOR, 0.1 * 60 / 59)
        left = WANTED[row].double() - TOLD[row].double() @ weights
        torch.testing.assert_close(found.left_out[row].double(), left, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("one_penalty")
def test_of_a_stranger_nothing_was_known():
    found = regress_for_strangers(TOLD, WANTED, PRIOR, GROUP)
    own = GROUP == 2
    left = WANTED[own].double() - TOLD[own].double() @ solved(TOLD[~own], WANTED[~own], PRIOR, 0.1)
    torch.testing.assert_close(found.left_out[own].double(), left, rtol=1e-3, atol=1e-4)


def test_what_is_known_already_stays_and_a_column_is_as_stiff_as_it_should_be():
    wanted = torch.cat([TOLD @ PRIOR[:, :1] + torch.randn(60, 1, generator=GENERATOR), TOLD @ (PRIOR[:, 1:] + 1)], -1)
    found = regress(TOLD, wanted, PRIOR)
    assert float((found.weights - PRIOR)[:, 0].norm()) < 0.3 * float((found.weights - PRIOR)[:, 1].norm())
    torch.testing.assert_close(regress(TOLD, TOLD @ PRIOR, PRIOR).weights, PRIOR, rtol=1e-4, atol=1e-5)
