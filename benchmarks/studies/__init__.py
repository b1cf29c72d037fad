"""Further figures of single environments, beside the comparison of policies that all have."""

from __future__ import annotations

from typing import Any

from twin_envs.base.registry import load_object
from twin_envs.benchmarks.studies.setting import Setting
from twin_envs.envs.registry import specification


def study(setting: Setting) -> dict[str, Any]:
    """The further figures of an environment, by the function that its specification names; none without one."""
    spec = specification(setting.env)
    if spec.study is None:
        return {}
    figures: dict[str, Any] = load_object("study", spec.study)(setting)
    return figures
