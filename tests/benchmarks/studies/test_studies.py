"""Which environments have studies."""

from twin_envs.benchmarks.studies import study
from twin_envs.benchmarks.studies.setting import Setting, StudyBudget


def test_environment_without_a_study_has_no_further_figures():
    setting = Setting(
        env="PilotDensity",
        options={},
        seed=2,
        runs={},
        drawn=(),
        budget=StudyBudget(),
        progress=lambda what, share, detail="": None,
    )
    assert study(setting) == {}
