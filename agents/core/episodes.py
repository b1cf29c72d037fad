"""When what a policy remembers is void."""

from __future__ import annotations

import torch

from twin_envs.envs.core.network_view import NetworkView


class NewEpisodes:
    """Tells a policy, by the network's view, where a new episode has begun since it last asked.

    What a policy remembers of the episode before is void there, however the policy is called: from the first step on
    or later, with `episode_start` or without.

    Args:
        network: the view that the policy is attached to. At first a new episode has begun in every environment.
    """

    def __init__(self, network: NetworkView) -> None:
        self._episode = network.episode
        self._seen = torch.full_like(network.episode, -1)

    def begun(self, rows: torch.Tensor) -> torch.Tensor:
        """In which of environments `rows` int64 [N] a new episode has begun since they were asked about, bool [N]."""
        begun = self._episode[rows] != self._seen[rows]
        self._seen[rows] = self._episode[rows]
        return begun
