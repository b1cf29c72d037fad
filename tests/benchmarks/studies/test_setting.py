"""What studies share."""

from functools import partial

from twin_envs.benchmarks.studies.setting import Setting, StudyBudget


def find(setting, factor):
    """A part of a study that is half done once."""
    setting.progress("a policy", 0.5)
    return factor * setting.seed, setting.runs


def test_parts_of_a_study_find_what_they_find_alone_and_tell_how_far_all_are():
    told = []
    setting = Setting(
        env="FeedbackInterval",
        options={},
        seed=3,
        runs={"somebody": None},
        drawn=(),
        budget=StudyBudget(),
        progress=lambda what, share, detail="": told.append((share, detail)),
    )
    found = setting.side_by_side({"twice": partial(find, factor=2), "thrice": partial(find, factor=3)})
    assert found == {"twice": (6, {}), "thrice": (9, {})}
    assert told == [(0.0, "twice"), (0.25, "twice"), (0.5, "thrice"), (0.75, "thrice")]
