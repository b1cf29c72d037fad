"""Rules of thumb for how the UE that has just reported reports next."""

from __future__ import annotations

import numpy as np

from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.base.errors import check_choice, check_number
from twin_envs.csi.nr.dmrs import DMRS_SYMBOLS
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.actions import Mode
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.view import csi_view

CLARKE = 0.423
"""Coherence time times the largest Doppler shift in Clarke's model, the geometric mean of its two common definitions
(Rappaport, "Wireless Communications", 2nd ed., equation 5.40.c)."""
DOPPLER_CONSTANTS = tuple(float(c) for c in np.geomspace(0.05, 100.0, 34))
"""The constants that are tried for a Doppler rule: each a quarter larger than the one before."""
_SLOWEST_M_S = 1e-3
Choices = dict[str, Array | int]
"""What a rule decides: some of the arguments of `CsiActions.encode` by their names, [N] each or one for all."""


class CsiRule(ViewPolicy):
    """What rules about the UE that has just reported have in common: each decides some of the choices.

    Args:
        mode: what the rule does not decide; None for what the environment is configured with.
    """

    def __init__(self, mode: Mode | None = None) -> None:
        self.mode = mode

    def attach(self, network: NetworkView) -> None:
        """Decide in these environments. Raises `ConfigurationError` if they are not about CSI."""
        cell = csi_view(network)
        self.actions, self.layout = cell.actions, cell.layout
        self.slot_s, self.wavelength_m = cell.slot_s, cell.recipe.wavelength_m
        self.block_spacing_hz = cell.recipe.block_spacing_hz

    def act(self, observation: Array) -> Array:
        """The actions that `choose` and the mode amount to, [N] or [N, 4]."""
        mode = self.mode or self.actions.configured
        choices: Choices = {"period": 0, **vars(mode), **self.choose(observation)}
        every = {name: np.broadcast_to(choice, len(observation)).astype(np.int64) for name, choice in choices.items()}
        return self.actions.encode(**every)

    def choose(self, observation: Array) -> Choices:
        """What the rule decides, of the arguments of `CsiActions.encode`, [N] each. Here nothing is."""
        return {}

    def speed_m_s(self, observation: Array) -> Array:
        """Sensed speed [N], not zero."""
        return np.maximum(self.layout.value(observation, "speed"), _SLOWEST_M_S)


def longest_period(limit_slots: Array) -> Array:
    """Index of the largest period of NR within `limit_slots`; of the shortest if all are longer."""
    return np.maximum(np.searchsorted(REPORT_PERIODS_SLOTS, limit_slots, side="right") - 1, 0)


class FixedChoice(CsiRule):
    """Always the same period and mode.

    Args:
        period_slots: one of `REPORT_PERIODS_SLOTS`.
        mode: how to report and to send data.
    """

    def __init__(self, period_slots: int, mode: Mode) -> None:
        super().__init__(mode)
        check_choice("period_slots", period_slots, REPORT_PERIODS_SLOTS)
        self.period_slots = period_slots

    def choose(self, observation: Array) -> Choices:
        """The period; the mode is that of every rule."""
        return {"period": REPORT_PERIODS_SLOTS.index(self.period_slots)}


class DopplerRule(CsiRule):
    """A UE's report period in proportion to its coherence time, as its sensed speed lets one expect it.

    The largest period of NR that is no longer than constant x `CLARKE` x wavelength / speed; the shortest if all are
    longer.

    Args:
        constant: from 1e-3 to 1e6. Around 1 a report comes before the channel has changed; where the uplink cannot
            carry so many, a larger one spreads the reports that there are over the UEs by their speed.
        mode: the rest.

    Raises:
        ConfigurationError: `constant` is outside its range.
    """

    def __init__(self, constant: float, mode: Mode | None = None) -> None:
        super().__init__(mode)
        check_number("constant", constant, 1e-3, 1e6)
        self.constant = constant

    def choose(self, observation: Array) -> Choices:
        """The period."""
        coherence_s = CLARKE * self.wavelength_m / self.speed_m_s(observation)
        return {"period": longest_period(self.constant * coherence_s / self.slot_s)}


class DopplerProtocol(DopplerRule):
    """A Doppler rule that decides about pilots and codeword, too: by the signal's strength, and by the period.

    The strong sound sparsely, as in `SnrClass`. The codeword is the longest that takes no more than a share of what the
    uplink has for CSI in the UE's period, by the blocks that its last report took, or else the shortest. So fast UEs
    send short reports often, slow ones long reports seldom.

    Args:
        constant: see `DopplerRule`.
        constant_db: see `SnrClass`.
        share: 1e-3 to 100.
        mode: the rest.
    """

    def __init__(self, constant: float, constant_db: float, share: float, mode: Mode | None = None) -> None:
        super().__init__(constant, mode)
        check_number("share", share, 1e-3, 100.0)
        self.share, self._snr_class = share, SnrClass(constant_db)

    def attach(self, network: NetworkView) -> None:
        """Look up what the uplink has for CSI."""
        super().attach(network)
        self._snr_class.attach(network)
        self._blocks_per_slot = csi_view(network).blocks_per_slot

    def choose(self, observation: Array) -> Choices:
        """Period, spacing and codeword."""
        choice = super().choose(observation) | self._snr_class.choose(observation)
        allowed = self.share * np.array(REPORT_PERIODS_SLOTS)[choice["period"]] * self._blocks_per_slot
        blocks, bits = (2 ** self.layout.value(observation, name) for name in ("last_blocks", "last_codeword"))
        taken = np.ceil(np.outer(blocks / bits, self.actions.codeword_lengths))
        return choice | {"codeword": np.maximum((taken <= allowed[:, None]).sum(-1) - 1, 0)}


class EventTrigger(CsiRule):
    """A UE whose last two reports differ too much reports sooner next time, another one later.

    Args:
        threshold: squared cosine of two reports, 0 to 1, below which the next shorter period is taken.
        mode: the rest.
    """

    def __init__(self, threshold: float, mode: Mode | None = None) -> None:
        super().__init__(mode)
        check_number("threshold", threshold, 0.0, 1.0)
        self.threshold = threshold

    def choose(self, observation: Array) -> Choices:
        """The period next to the last one."""
        last = longest_period(np.round(10 ** self.layout.value(observation, "last_period")))
        step = np.where(self.layout.value(observation, "similarity") < self.threshold, -1, 1)
        return {"period": np.clip(last + step, 0, len(REPORT_PERIODS_SLOTS) - 1)}


class SnrClass(CsiRule):
    """Sparser CSI-RS for stronger UEs: with noise, the error of an estimate grows with spacing / SNR.

    Args:
        constant_db: the largest spacing is taken whose 10 log10 is no more than the SNR less this, -60 to 60.
        mode: the rest.
    """

    def __init__(self, constant_db: float, mode: Mode | None = None) -> None:
        super().__init__(mode)
        check_number("constant_db", constant_db, -60.0, 60.0)
        self.constant_db = constant_db

    def choose(self, observation: Array) -> Choices:
        """The spacing."""
        margin_db = self.layout.value(observation, "snr") - self.constant_db
        steps_db = 10 * np.log10(self.actions.spacings)
        return {"csi_rs": np.maximum(np.searchsorted(steps_db, margin_db, side="right") - 1, 0)}


class DopplerClass(CsiRule):
    """An additional DM-RS position for each time that the largest Doppler shift fills a class.

    Args:
        class_hz: width of a class, 1 to 1e5.
        mode: the rest.
    """

    def __init__(self, class_hz: float, mode: Mode | None = None) -> None:
        super().__init__(mode)
        check_number("class_hz", class_hz, 1.0, 1e5)
        self.class_hz = class_hz

    def choose(self, observation: Array) -> Choices:
        """The additional DM-RS positions."""
        doppler_hz = self.speed_m_s(observation) / self.wavelength_m
        return {"additional": np.minimum(doppler_hz // self.class_hz, len(DMRS_SYMBOLS) - 1)}


class KnowledgeRule(CsiRule):
    """Period and CSI-RS spacing in proportion to coherence time and bandwidth, as the twin knows them.

    Where the twin does not know the UE, the period is a Doppler rule's and the CSI-RS are dense.

    Args:
        times: coherence times in a period, 1e-3 to 1e6.
        bandwidths: coherence bandwidths in a spacing, 1e-3 to 1e3.
        mode: the rest.
    """

    def __init__(self, times: float, bandwidths: float, mode: Mode | None = None) -> None:
        super().__init__(mode)
        check_number("times", times, 1e-3, 1e6)
        check_number("bandwidths", bandwidths, 1e-3, 1e3)
        self.times, self.bandwidths = times, bandwidths

    def choose(self, observation: Array) -> Choices:
        """Period and spacing."""
        known = self.layout.value(observation, "known") > 0
        twin_s = 10 ** self.layout.value(observation, "twin_coherence_time")
        coherence_s = np.where(known, twin_s, CLARKE * self.wavelength_m / self.speed_m_s(observation))
        bandwidth_hz = np.where(known, 10 ** self.layout.value(observation, "twin_coherence_bandwidth"), 0.0)
        blocks = self.bandwidths * bandwidth_hz / self.block_spacing_hz
        return {
            "period": longest_period(self.times * coherence_s / self.slot_s),
            "csi_rs": np.maximum(np.searchsorted(self.actions.spacings, blocks, side="right") - 1, 0),
        }
