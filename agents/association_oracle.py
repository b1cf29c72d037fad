"""The oracle of the association decisions. Privileged: it bounds the score and is never trained or deployed."""

from __future__ import annotations

import torch

from agents.association_planning import ChannelPlanner

_SHARES = (0.125, 0.375, 0.625, 0.875)
"""When the oracle looks at the period to come."""


class OracleClusters(ChannelPlanner):
    """The planner with reality for a model: the true channels at the UEs' true positions in the period to come.

    It exchanges one AP of one UE at a time, as the others do; so it is no strict bound.
    """

    def __init__(self) -> None:
        super().__init__(exchanges=8)

    def channels(self) -> torch.Tensor:
        """See `ChannelPlanner`."""
        network = self.network
        rows = torch.arange(network.num_envs, device=network.device)
        now, period = network.known.now_slots, network.config.decision_slots
        looks = [network.reality.position(rows, (now + s * period) * network.slot_s)[0] for s in _SHARES]
        return torch.stack([network.reality.channels(at) for at in looks], 1)
