"""Further figures of single environments, beside the comparison of policies that all have."""

from __future__ import annotations

from typing import Any

from twin_envs.base.registry import load_object
from twin_envs.benchmarks.studies.setting import Setting

_STUDIES = {
    "FeedbackInterval": "twin_envs.benchmarks.studies.csi_cell:feedback_interval",
    "ReportScheduling": "twin_envs.benchmarks.studies.scheduling:headroom_by_opportunities",
    "ApAssociation": "twin_envs.benchmarks.studies.association:association",
    "ApSelection": "twin_envs.benchmarks.studies.association:association",
    "BeamSelection": "twin_envs.benchmarks.studies.beams:worth_of_the_twin",
    "TwinFidelity": "twin_envs.benchmarks.studies.beams:worth_of_each_twin",
}
"""Where the study of each environment that has one is: a function of a `Setting`."""


def study(setting: Setting) -> dict[str, Any]:
    """The further figures of an environment; none for one without a study."""
    if setting.env not in _STUDIES:
        return {}
    figures: dict[str, Any] = load_object("study", _STUDIES[setting.env])(setting)
    return figures
