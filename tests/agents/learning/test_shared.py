import numpy as np
import pytest
import torch
from gymnasium import spaces

from twin_envs.agents.learning.algorithms import PpoConfiguration, new_network
from twin_envs.agents.learning.saving import PolicyCard, load_policy, save_policy
from twin_envs.agents.learning.shared import SharedPolicy, find_items
from twin_envs.agents.learning.spaces import describe_space
from twin_envs.envs.association.observation import association_layout
from twin_envs.envs.beams.observation import fidelity_layout
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.envs.csi_cell.report_scheduling import scheduling_layout

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
    items = find_items(layout.items, action_space)
    places = [place for own in items.own for place in own] + list(items.common)
    assert sorted(places) == list(range(layout.size))


def test_an_item_is_what_its_numbers_are_called_after(case):
    layout, action_space = case
    for name, item in zip(layout.names, layout.items, strict=True):
        assert item is None or name.startswith(f"{item}_")
    items = find_items(layout.items, action_space)
    fields = [[layout.names[place].removeprefix(f"{layout.items[place]}_") for place in own] for own in items.own]
    assert all(own == fields[0] for own in fields)


def test_permuted_items_have_permuted_scores_and_the_same_value(case):
    layout, action_space = case
    items = find_items(layout.items, action_space)
    network = new_network(PpoConfiguration(), layout.size, layout.items, action_space)
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
    items = scheduling_layout(8).items
    assert find_items(items, spaces.Discrete(7)) is None
    assert find_items(items, spaces.MultiDiscrete([8])) is None
    assert find_items(fidelity_layout(4).items, spaces.Discrete(4)) is None  # twins differ in kind
    assert find_items(CSI_LAYOUT.items, spaces.Discrete(10)) is None


def test_saved_and_loaded_network_decides_the_same(case, tmp_path):
    layout, action_space = case
    card = PolicyCard(
        env="ApAssociation",
        algorithm="ppo",
        options={"world": "twin"},
        seed=0,
        steps=1,
        num_envs=1,
        hyperparameters={"hidden": [16]},
        observation=layout.names,
        action_space=describe_space(action_space),
        commit=None,
        learning_curve=[[0, 1.5]],
        items=layout.items,
    )
    policy = card.new_policy()
    save_policy(tmp_path, card, policy)
    loaded, _ = load_policy(tmp_path)
    observation = np.random.default_rng(0).random((64, layout.size), dtype=np.float32)
    chosen, again = policy.predict(observation)[0], loaded.predict(observation)[0]
    assert len(np.unique(chosen)) > 1
    assert np.array_equal(chosen, again)
