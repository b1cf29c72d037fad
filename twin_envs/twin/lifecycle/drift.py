"""Whether reality has drifted away from what a channel twin says, told from reports alone."""

from __future__ import annotations

import math

import torch

from twin_envs.base.errors import check_number
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge

_STD_90 = 1.645
_GAIN = list(KNOWLEDGE_FIELDS).index("gain_db")
EXPECTED, DRIFTED = 0.1, 0.25
"""The share of gains beyond the 90 % interval of a twin that is up to date, and of one that shall be found out."""
ALARM = 6.0
"""The sum at which drift is told of: it is that much likelier, as a logarithm, than none since the sum was last 0."""


def beyond_interval(said: Knowledge, gain_db: torch.Tensor) -> torch.Tensor:
    """Which of the gains that were reported [N] lie beyond the twin's 90 % interval, bool [N].

    A link that the twin does not cover is beyond it: the twin has said that there is none.
    """
    off = (gain_db - said.values[:, _GAIN]).abs() > _STD_90 * said.std[:, _GAIN]
    return off | (said.covered <= 0)


def cusum(beyond: torch.Tensor) -> torch.Tensor:
    """The cumulative sum after each of N reports in turn, float64 [N] (Page, *Continuous inspection schemes*, 1954).

    What is summed is the logarithm of how much likelier each report is under `DRIFTED` than under `EXPECTED`; the sum
    does not fall below 0.

    Args:
        beyond: whether each report lies beyond the interval, bool [N]; see `beyond_interval`.
    """
    out, held = math.log(DRIFTED / EXPECTED), math.log((1 - DRIFTED) / (1 - EXPECTED))
    total = (held + (out - held) * beyond.double()).cumsum(0)
    lowest = torch.cummin(total, 0).values if len(total) else total
    return total - lowest.clamp_max(0.0)


def reports_to_alarm(beyond: torch.Tensor, alarm: float = ALARM) -> int | None:
    """After how many reports drift is told of; None if it is not.

    Args:
        beyond: whether each report lies beyond the interval, bool [N].
        alarm: the sum at which it is.

    Raises:
        ConfigurationError: `alarm` is not a number above 0.
    """
    check_number("alarm", alarm, 1e-6, 1e6)
    raised = (cusum(beyond) >= alarm).nonzero()[:, 0]
    return int(raised[0]) + 1 if len(raised) else None
