import numpy as np
import pytest
import torch
from gymnasium import spaces

from agents.algorithms import PpoConfiguration, new_network
from agents.shared import SharedPolicy, find_items
from twin_envs.envs.association.observation import association_layout
from twin_envs.envs.observation import CSI_LAYOUT
from twin_envs.envs.report_scheduling import scheduling_layout

LAYOUTS = {
    "scheduling": (scheduling_layout(8), spaces.Discrete(8)),
    "association": (association_layout(20), spaces.Box(-1.0, 1.0, (20,), np.float32)),
    "selection": (association_layout(20), spaces.Discrete(20)),
}


@pytest.fixture(params=LAYOUTS)
def case(request):
    return LAYOUTS[request.param]


def test_every_number_belongs_to_one_item_or_to_all(case):
    layout, action_space = case
    items = find_items(layout.names, action_space)
    places = [place for own in items.own for place in own] + list(items.common)
    assert sorted(places) == list(range(layout.size))


def test_permuted_items_have_permuted_scores_and_the_same_value(case):
    layout, action_space = case
    items = find_items(layout.names, action_space)
    network = new_network(PpoConfiguration(), layout.names, action_space)
    assert isinstance(network, SharedPolicy)
    observation = torch.rand(16, layout.size, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(len(items.own), generator=torch.Generator().manual_seed(1))
    own, permuted = torch.tensor(items.own), observation.clone()
    permuted[:, own] = observation[:, own[order]]
    scores, again = network.mlp_extractor.forward_actor(observation), network.mlp_extractor.forward_actor(permuted)
    assert scores.std(1).min() > 1e-5
    torch.testing.assert_close(again, scores[:, order])
    torch.testing.assert_close(network.predict_values(permuted), network.predict_values(observation))


def test_an_action_about_something_else_has_no_items():
    names = scheduling_layout(8).names
    assert find_items(names, spaces.Discrete(7)) is None
    assert find_items(names, spaces.MultiDiscrete([8])) is None
    assert find_items(CSI_LAYOUT.names, spaces.Discrete(10)) is None
