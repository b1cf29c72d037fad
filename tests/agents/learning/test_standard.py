"""A network that is fitted to standardised observations, and then reads them as they are."""

import pytest
import torch
from gymnasium import spaces

from twin_envs.agents.learning.algorithms import DaggerConfiguration, new_network
from twin_envs.agents.learning.standard import Standard
from twin_envs.envs.association.observation import association_layout

LAYOUT = association_layout(6)
SPACES = [spaces.Discrete(6), spaces.Discrete(7)]
"""Actions that name one of the items, whose network is shared by them, and others."""


@pytest.mark.parametrize("action_space", SPACES)
def test_it_does_with_standardised_observations_what_it_does_with_those_as_they_are(action_space):
    network = new_network(DaggerConfiguration(), LAYOUT.size, LAYOUT.items, action_space)
    raw = 0.3 + 0.2 * torch.rand(64, LAYOUT.size, generator=torch.Generator().manual_seed(0))
    raw[:, -1] = 0.5  # never changes
    standard = Standard(network, raw)
    shown = standard(raw)
    before = network.get_distribution(raw).distribution.logits, network.predict_values(raw)
    with standard.shown():
        within = network.get_distribution(shown).distribution.logits, network.predict_values(shown)
    after = network.get_distribution(raw).distribution.logits, network.predict_values(raw)
    for was, standardised, restored in zip(before, within, after):
        assert was.std() > 0
        torch.testing.assert_close(standardised, was, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(restored, was, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("action_space", SPACES)
def test_numbers_have_no_mean_and_unit_deviation_items_all_alike(action_space):
    network = new_network(DaggerConfiguration(), LAYOUT.size, LAYOUT.items, action_space)
    raw = torch.randn(512, LAYOUT.size, generator=torch.Generator().manual_seed(0)) * 0.01 + 0.4
    shown = Standard(network, raw)(raw)
    assert abs(shown.mean()) < 0.01
    assert abs(shown.std() - 1) < 0.01
    gains = [place for place, name in enumerate(LAYOUT.names) if name.endswith("measured_gain")]
    ratio = shown[:, gains].std(0) / raw[:, gains].std(0)
    alike = bool((ratio / ratio[0] - 1).abs().max() < 1e-4)
    assert alike == (action_space.n == 6)
