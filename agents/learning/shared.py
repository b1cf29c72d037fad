"""A network of PPO that treats alike what is alike: one score for each item, by the same weights for all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

_FIRST_SCALE = 0.01
"""Of the weights behind the scores: at first all items are nearly alike."""


@dataclass(frozen=True)
class Items:
    """Which numbers of an observation are about which of I items that an action is about.

    Args:
        own: places of each item's F numbers, I tuples in the same order of fields.
        common: places of the C numbers that are about no item.
    """

    own: tuple[tuple[int, ...], ...]
    common: tuple[int, ...]


def find_items(items: Sequence[str | None], action_space: spaces.Space[Any]) -> Items | None:
    """The items among the numbers of an observation, in the order in which they come first.

    Args:
        items: what each number is about, as `ObservationLayout.items` has it; nothing where none is about an item.
        action_space: what is chosen.

    Returns:
        None, unless the action names one item (Discrete) or scores each (Box), and as many numbers are about each.
    """
    if isinstance(action_space, spaces.Discrete):
        count = int(action_space.n)
    elif isinstance(action_space, spaces.Box):
        count = int(action_space.shape[0])
    else:
        return None
    own: dict[str, list[int]] = {}
    common = []
    for place, item in enumerate(items):
        if item is None:
            common.append(place)
        else:
            own.setdefault(item, []).append(place)
    if count < 2 or len(own) != count or len({len(places) for places in own.values()}) > 1:
        return None
    return Items(tuple(map(tuple, own.values())), tuple(common))


class SharedNetwork(nn.Module):
    """Scores of the items, and what the value is read from (Zaheer et al., "Deep Sets", 2017).

    A score is a function of the item's own numbers, the common ones, and the mean of a description of all items; the
    value's features are the means of such a description. So permuted items have permuted scores and the same value.

    Args:
        items: where their numbers are.
        hidden: sizes of the hidden layers.
    """

    _places: torch.Tensor

    def __init__(self, items: Items, hidden: Sequence[int]) -> None:
        super().__init__()
        places = torch.tensor([[*own, *items.common] for own in items.own])
        self.register_buffer("_places", places, persistent=False)
        size = len(items.own[0]) + len(items.common)
        self.latent_dim_pi, self.latent_dim_vf = len(items.own), hidden[-1]
        self.context = _layers(size, hidden[:1])
        self.score = nn.Sequential(*_layers(size + hidden[0], hidden), nn.Linear(hidden[-1], 1))
        self.pooled = _layers(size, hidden)

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores [N, I] and features of the value [N, H] of observations [N, D]."""
        return self.forward_actor(observation), self.forward_critic(observation)

    def forward_actor(self, observation: torch.Tensor) -> torch.Tensor:
        """Scores [N, I] of the items in observations [N, D]."""
        each = self.each(observation)
        context = self.context(each).mean(1, keepdim=True).expand(-1, each.shape[1], -1)
        return self.score(torch.cat([each, context], -1))[..., 0]

    def forward_critic(self, observation: torch.Tensor) -> torch.Tensor:
        """Features [N, H] of observations [N, D] that the value is linear in."""
        return self.pooled(self.each(observation)).mean(1)

    def each(self, observation: torch.Tensor) -> torch.Tensor:
        """What is read of each item in observations [N, D]: its own numbers and the common ones, [N, I, F + C]."""
        return observation[:, self._places]


class SharedPolicy(ActorCriticPolicy):
    """The policy of PPO whose logits (Discrete) or means (Box) are the scores of a `SharedNetwork`.

    Args:
        arguments: as `ActorCriticPolicy` has them; `net_arch` is the list of the sizes of the hidden layers.
        items: where the numbers of each item are.
        keywords: as `ActorCriticPolicy` has them.
    """

    def __init__(self, *arguments: Any, items: Items, **keywords: Any) -> None:
        self._items = items
        super().__init__(*arguments, **keywords)

    def _build_mlp_extractor(self) -> None:
        network = SharedNetwork(self._items, cast(list[int], self.net_arch))
        self.mlp_extractor = cast(MlpExtractor, network)  # has all that Stable-Baselines3 asks of one

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        last = cast(nn.Linear, cast(SharedNetwork, self.mlp_extractor).score[-1])
        with torch.no_grad():
            last.weight.mul_(_FIRST_SCALE)
        self.optimizer = self.optimizer_class(self.parameters(), **{"lr": lr_schedule(1), **self.optimizer_kwargs})


def _layers(size: int, hidden: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((size, *hidden)):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers)
