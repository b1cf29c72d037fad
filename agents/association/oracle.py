"""The oracle of the association decisions. Privileged: it bounds the score and is never trained or deployed."""

from __future__ import annotations

from typing import cast

import torch

from twin_envs.agents.association.planner import ChannelPlanner
from twin_envs.agents.core.oracle import Oracle
from twin_envs.envs.association.core import AssociationCore
from twin_envs.envs.faces.vector import TaskVectorEnv

_SHARES = (0.1125, 0.3625, 0.6375, 0.8875)
"""When the oracle looks at the period to come: by default 2.5 and 7.5 slots into periods of uplink pilots."""


def true_gains(core: AssociationCore) -> torch.Tensor:
    """Power gains of all links as they are now, mean over antennas and frequencies, float32 [B, U, A]."""
    rows = torch.arange(core.num_envs, device=core.device)
    position, _ = core.reality.position(rows, core.network.state.now_slots * core.slot_s)
    return torch.view_as_real(core.reality.channels(position)).square().sum(-1).mean((-2, -1))


class OracleClusters(ChannelPlanner, Oracle):
    """The planner with reality for a model: the true channels at the UEs' true positions in the period to come.

    It exchanges one AP of one UE at a time, as the others do; so it is no strict bound.
    """

    def __init__(self) -> None:
        super().__init__(exchanges=8)

    def reveal(self, envs: TaskVectorEnv) -> None:
        """Look into the networks of `envs`."""
        self._reality = cast(AssociationCore, envs.core).reality

    def channels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The true channels at moments of the period to come, and those that will have been sounded by then."""
        network, reality = self.network, self._reality
        rows = torch.arange(network.num_envs, device=network.device)
        now, period = network.state.now_slots, network.config.decision_slots
        times_s = [(now + s * period) * network.slot_s for s in _SHARES]
        met = [reality.channels(reality.position(rows, time_s)[0]) for time_s in times_s]
        sounded = [reality.channels(reality.sounded(rows, time_s)) for time_s in times_s]
        return torch.stack(met, 1), torch.stack(sounded, 1)
