"""Rules of thumb."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from agents.policies import Array, State
from twin_envs.envs.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.observation import CSI_LAYOUT
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.errors import ConfigurationError, check_number

CLARKE = 0.423
"""Coherence time times the largest Doppler shift in Clarke's model, the geometric mean of its two common definitions
(Rappaport, "Wireless Communications", 2nd ed., equation 5.40.c)."""
DOPPLER_CONSTANTS = tuple(float(c) for c in np.geomspace(0.05, 100.0, 34))
"""The constants that are tried for a Doppler rule: each a quarter larger than the one before."""
_SLOWEST_M_S = 1e-3


class DopplerRule:
    """A UE's report period in proportion to its coherence time, as its sensed speed lets one expect it.

    The largest period of NR that is no longer than constant x `CLARKE` x wavelength / speed; the shortest if all are
    longer. For environments whose action is the report period.

    Args:
        constant: from 1e-3 to 1e6. Around 1 a report comes before the channel has changed; where the uplink cannot
            carry so many, a larger one spreads the reports that there are over the UEs by their speed.

    Raises:
        ConfigurationError: `constant` is outside its range.
    """

    def __init__(self, constant: float) -> None:
        check_number("constant", constant, 1e-3, 1e6)
        self.constant = constant

    def attach(self, envs: TaskVectorEnv) -> None:
        """See `Policy`."""
        cell = envs.core
        self._distance_m_slots_per_s = self.constant * CLARKE * cell.site.recipe.wavelength_m / cell.slot_s

    def predict(
        self,
        observation: Array,
        state: State = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, State]:
        """See `Policy`."""
        speed_m_s = np.maximum(CSI_LAYOUT.value(observation, "speed"), _SLOWEST_M_S)
        longest_slots = self._distance_m_slots_per_s / speed_m_s
        return np.maximum(np.searchsorted(REPORT_PERIODS_SLOTS, longest_slots, side="right") - 1, 0), None


def tune_doppler(
    mean_return: Callable[[DopplerRule], float], constants: Sequence[float] = DOPPLER_CONSTANTS
) -> tuple[DopplerRule, dict[float, float]]:
    """The Doppler rule with the best constant, and what each constant earned.

    Args:
        mean_return: the rule's mean return over training episodes, the same ones at every call.
        constants: which to try.

    Raises:
        ConfigurationError: there are no constants.
    """
    if not constants:
        raise ConfigurationError("constants must hold 1 number or more, got none")
    returns = {constant: mean_return(DopplerRule(constant)) for constant in constants}
    return DopplerRule(max(returns, key=lambda constant: returns[constant])), returns
