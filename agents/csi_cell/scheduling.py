"""Who reports next, where the uplink carries a report now and then: rules, and plans by how CSI will have aged."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from twin_envs.agents.core.episodes import NewEpisodes
from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.agents.csi_cell.appraisal import RecentMean
from twin_envs.agents.csi_cell.planner import Planner
from twin_envs.base.errors import check_number
from twin_envs.base.settings import computing, lasting
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.view import csi_view

_DRIFT_M_S = 1.0
"""What ages CSI of UEs that stand still, in a planner's rule of thumb."""
_LEAST_WORTH = 1e-3
"""Of a report, in slots of one bit per resource element: where nothing is lost, age decides."""


class SchedulingRule(ViewPolicy):
    """The UE with the highest priority reports."""

    def attach(self, network: NetworkView) -> None:
        """Decide among the UEs of these environments."""
        self._layout, self._num_ue = network.layout, network.config.num_ue

    def act(self, observation: Array) -> Array:
        """The UE with the highest priority, [N]; of equal ones the first."""
        return self.priority(observation).argmax(-1)

    @abstractmethod
    def priority(self, observation: Array) -> Array:
        """Priority of each UE, [N, U]."""

    def of_ues(self, observation: Array, name: str) -> Array:
        """A field of all UEs in its unit, [N, U]."""
        return np.stack([self._layout.value(observation, f"ue_{k}_{name}") for k in range(self._num_ue)], -1)


class RoundRobin(SchedulingRule):
    """The oldest CSI first."""

    def priority(self, observation: Array) -> Array:
        """The age's logarithm."""
        return self.of_ues(observation, "age")


class SpeedTimesAge(SchedulingRule):
    """The UE first that has gone farthest since its last report, but not before the others' CSI gets too old.

    Args:
        drift_m_s: added to every speed, 0.001 to 100: what ages CSI of UEs that stand still.
    """

    def __init__(self, drift_m_s: float) -> None:
        check_number("drift_m_s", drift_m_s, 1e-3, 100.0)
        self.drift_m_s = drift_m_s

    def priority(self, observation: Array) -> Array:
        """The logarithm of speed times age."""
        speed_m_s = 10 ** self.of_ues(observation, "speed_logarithm")
        return np.log10(speed_m_s + self.drift_m_s) + self.of_ues(observation, "age")


class LostTransportBlocks(SchedulingRule):
    """An event trigger: UEs that lose transport blocks report first, the oldest CSI first among them; then the others.

    Args:
        threshold: share of acknowledged transport blocks below which a UE is in need, 0 to 1.
    """

    def __init__(self, threshold: float) -> None:
        check_number("threshold", threshold, 0.0, 1.0)
        self.threshold = threshold

    def priority(self, observation: Array) -> Array:
        """Need, then age."""
        need = self.of_ues(observation, "acknowledged") < self.threshold
        return 10.0 * need + self.of_ues(observation, "age")


class CoherenceRule(SchedulingRule):
    """The UE first whose CSI is oldest in coherence times, as the twin knows them; where it does not, a typical one.

    Args:
        typical_s: coherence time of UEs that the twin does not know, 1e-4 to 10 s; no other is taken to be longer than
            ten times that.
    """

    def __init__(self, typical_s: float) -> None:
        check_number("typical_s", typical_s, 1e-4, 10.0)
        self.typical_s = typical_s

    def priority(self, observation: Array) -> Array:
        """The logarithm of age over coherence time."""
        known = self.of_ues(observation, "known") > 0
        coherence = np.where(known, self.of_ues(observation, "twin_coherence_time"), np.log10(self.typical_s))
        return self.of_ues(observation, "age") - np.minimum(coherence, 1 + np.log10(self.typical_s))


class SchedulingPlanner(ViewPolicy):
    """The UE first whose report is worth most, by a planner's view of how its rate falls as its CSI ages.

    With f(a) the rate lost at age a, the worth is Whittle's index for the age of information, a f(a) less the sum
    of f up to a (Tripathi and Modiano, "A Whittle index approach to minimizing functions of age of information", 2019):
    what the UE has fallen behind what it had on average since its report, times the time since. It rewards reports
    whose effect will last: a UE whose CSI is worth nothing after a moment is not worth a report.

    What is foreseen of one place is only a sample of what the UE will meet, so it is averaged over the last reports,
    and older CSI is never taken to be better. What then is still wrong of it would leave UEs waiting for good; so the
    priority is a geometric mean of the worth and of speed times age, which grows without end.

    Args:
        planner: says how rates fall.
        trust: weight of the worth in that mean, 0 to 1.

    Attributes:
        rate: what is foreseen of each UE by the age of its CSI, at `planner.ages_slots`.
    """

    def __init__(self, planner: Planner, trust: float) -> None:
        check_number("trust", trust, 0.0, 1.0)
        self.planner, self.trust, self.rule = planner, trust, SpeedTimesAge(_DRIFT_M_S)

    @lasting()
    def attach(self, network: NetworkView) -> None:
        """Plan for these environments. Raises `ConfigurationError` if they are not about CSI."""
        self.planner.attach(network)
        self.rule.attach(network)
        self._cell = cell = csi_view(network)
        self._episodes, self._rows = NewEpisodes(cell), torch.arange(cell.num_envs, device=cell.device)
        self.rate = RecentMean(cell.num_envs, cell.config.num_ue, (len(self.planner.ages_slots),), cell.device)
        self._ages = torch.tensor(self.planner.ages_slots, dtype=torch.float32, device=cell.device)

    def act(self, observation: Array) -> Array:
        """The UE whose report is worth most when the uplink next has room, [N]."""
        cell = self._cell
        with computing(cell.num_envs):
            now_slots = cell.state.now_slots
            begun = self._episodes.begun(self._rows)
            fresh, later = self._rows[begun], self._rows[~begun]
            self.rate.forget(fresh)
            for ue in range(cell.config.num_ue if len(fresh) else 0):
                self._learn(fresh, torch.full_like(fresh, ue))
            if len(later):
                self._learn(later, cell.state.turn[later])
            coming = now_slots + (cell.state.blocks.float().mean(-1) / cell.blocks_per_slot).long()
            worth = self.index((coming[:, None] - cell.state.report_slots).float()).cpu().numpy()
        by_worth = np.log10(np.maximum(worth, _LEAST_WORTH))
        return (self.trust * by_worth + (1 - self.trust) * self.rule.priority(observation)).argmax(-1)

    def index(self, age_slots: torch.Tensor) -> torch.Tensor:
        """Whittle's index of every UE with CSI of the given ages [B, U], float32 [B, U]."""
        ages, rate = self._ages, self.rate.value.cummin(-1).values
        width = ages.diff()
        area = torch.cat(
            [torch.zeros_like(rate[..., :1]), (0.5 * (rate[..., 1:] + rate[..., :-1]) * width).cumsum(-1)], -1
        )
        left = (torch.searchsorted(ages, age_slots.contiguous(), right=True) - 1).clamp(0, len(ages) - 2)
        first, second = (rate.gather(-1, k[..., None])[..., 0] for k in (left, left + 1))
        beyond = age_slots - ages[left]
        now = torch.lerp(first, second, (beyond / width[left]).clamp_max(1.0))  # after the last age it falls no more
        inside = torch.minimum(beyond, width[left])
        total = area.gather(-1, left[..., None])[..., 0] + 0.5 * (first + now) * inside + now * (beyond - inside)
        return total - age_slots * now

    def _learn(self, rows: torch.Tensor, ue: torch.Tensor) -> None:
        """Note how the rate of UE `ue` [N], which has just reported, is to be expected to fall."""
        self.rate.learn(rows, ue, self.planner.goodput(self._cell, rows, ue)[..., 0])
