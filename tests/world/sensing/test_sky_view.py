"""Where GNSS works."""

import math

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.sensing.sky_view import SkyView


def test_sky_view_is_that_of_the_nearest_cell():
    sky = SkyView(np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]]), (10.0, -4.0), 2.0)
    where = torch.tensor([[10.0, -4.0], [11.1, -4.9], [14.0, -2.0], [99.0, -99.0], [-99.0, 99.0]])
    np.testing.assert_allclose(sky.at(where).numpy(), [0.0, 0.1, 0.5, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((0, 3)), np.array([[1.1]]), np.array([[math.nan]])])
def test_a_bad_sky_view_is_refused(values):
    with pytest.raises(ConfigurationError, match="values must be a raster"):
        SkyView(values, (0.0, 0.0), 1.0)
