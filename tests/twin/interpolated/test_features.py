"""Knowledge in numbers of the place alone, there and back."""

import torch
from surveys import COHERENCE, DOPPLER, sensed_at, survey

from twin_envs.twin.interpolated.features import FEATURES, features_of, values_of


def test_knowledge_comes_back():
    measured = survey()
    features = features_of(measured.values, measured.sensed)
    values, _ = values_of(features, torch.zeros_like(features), measured.sensed)
    torch.testing.assert_close(values, measured.values, rtol=1e-5, atol=1e-6)


def test_twice_the_speed_is_twice_the_doppler_spread_in_half_the_time():
    measured = survey()
    features = features_of(measured.values, measured.sensed)
    std = torch.full_like(features, 0.1)
    slow, slow_std = values_of(features, std, measured.sensed)
    fast, fast_std = values_of(features, std, sensed_at(measured.sensed.position_m, speed_m_s=2.0))
    torch.testing.assert_close(fast[:, DOPPLER], 2 * slow[:, DOPPLER])
    torch.testing.assert_close(fast_std[:, DOPPLER], 2 * slow_std[:, DOPPLER])
    torch.testing.assert_close(fast[:, COHERENCE], slow[:, COHERENCE] / 2)
    torch.testing.assert_close(fast_std[:, COHERENCE] / fast[:, COHERENCE], torch.full((240,), 0.1))


def test_values_stay_in_their_range():
    features = torch.full((1, len(FEATURES)), -7.0)
    values, std = values_of(features, torch.full_like(features, 1e9), sensed_at(torch.zeros(1, 2)))
    assert values.isfinite().all()
    assert std.isfinite().all()
    assert (values[0, [1, 2, 4, 6, 8]] == 0).all()  # a probability and spreads
    assert values[0, [3, 5]].abs().max() <= torch.pi
