"""The law of the map's terms, against NumPy, on a made-up store."""

import math

import numpy as np
import pytest
import torch
from surveys import square

from twin_envs.twin.interpolated.features import AZIMUTHS, FEATURES, GAIN
from twin_envs.twin.semantic.knowledge_store import TERMS, EnvironmentFeatures
from twin_envs.twin.semantic.law import fit_semantic_law

APS, PLACES = 4, 200


@pytest.fixture(scope="module")
def store():
    geometry, generator = square(), torch.Generator().manual_seed(0)
    shape = (APS, len(geometry.point_m))
    terms = torch.randn(*shape, len(TERMS), generator=generator)
    azimuth_rad = math.pi * (2 * torch.rand(*shape, 2, generator=generator) - 1)
    return EnvironmentFeatures(geometry=geometry, terms=terms, azimuth_rad=azimuth_rad)


@pytest.fixture(scope="module")
def measured(store):
    """Gains that follow the terms, and azimuths 0.3 rad from the way's."""
    generator = torch.Generator().manual_seed(1)
    position_m, ap = 100 * torch.rand(PLACES, 2, generator=generator), torch.arange(PLACES) % APS
    terms, azimuth_rad = store.at(position_m, ap)
    features = torch.zeros(PLACES, len(FEATURES))
    features[:, GAIN] = -90 + terms @ torch.linspace(-3, 4, len(TERMS))
    features[:, AZIMUTHS] = azimuth_rad + 0.3
    return position_m, ap, features


def test_it_is_ridge_regression(store, measured):
    position_m, ap, features = measured
    law = fit_semantic_law(store, position_m, ap, features)
    terms = store.at(position_m, ap)[0].double().numpy()
    unit = (terms - terms.mean(0)) / terms.std(0, ddof=1)
    gain_db = features[:, GAIN].double().numpy()
    weight = np.linalg.lstsq(
        np.vstack([unit, math.sqrt(3.0) * np.eye(len(TERMS))]),
        np.concatenate([gain_db - gain_db.mean(), np.zeros(len(TERMS))]),
        rcond=None,
    )[0]
    np.testing.assert_allclose(law.weight[:, GAIN].numpy(), weight, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(law.at(position_m, ap)[:, GAIN].numpy(), gain_db.mean() + unit @ weight, atol=1e-3)


def test_what_follows_the_terms_is_known_elsewhere(store, measured):
    law = fit_semantic_law(store, *measured)
    asked, ap = torch.tensor([[3.0, 97.0], [50.0, 20.0], [-1.0, 50.0]]), torch.tensor([3, 1, 0])
    expected = -90 + law.terms(asked, ap) @ torch.linspace(-3, 4, len(TERMS))
    torch.testing.assert_close(law.at(asked, ap)[:, GAIN], expected, rtol=0, atol=0.6)


def test_azimuths_are_those_of_the_way(store, measured):
    position_m, ap, features = measured
    said = fit_semantic_law(store, position_m, ap, features).at(position_m, ap)[:, AZIMUTHS]
    torch.testing.assert_close((said - features[:, AZIMUTHS]).cos(), torch.ones(PLACES, 2), rtol=0, atol=1e-5)


def test_beside_the_grid_the_nearest_point_is_asked(store):
    outside, inside = torch.tensor([[-7.0, 40.2]]), torch.tensor([[0.0, 40.0]])
    ap = torch.tensor([2])
    assert torch.equal(store.at(outside, ap)[0], store.at(inside, ap)[0])
