"""Layouts of all families: every number has a name, and docstrings say what it is."""

import re

import numpy as np
import pytest

from twin_envs.envs.association.ap_association import ApAssociationEnv
from twin_envs.envs.association.observation import association_layout
from twin_envs.envs.beams.beam_selection import BeamSelectionEnv
from twin_envs.envs.beams.observation import beam_layout, fidelity_layout
from twin_envs.envs.beams.twin_fidelity import TwinFidelityEnv
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv
from twin_envs.envs.csi_cell.report_scheduling import ReportSchedulingEnv, scheduling_layout


@pytest.mark.parametrize("layout", [beam_layout(4, 2), association_layout(3), fidelity_layout(2), scheduling_layout(2)])
def test_every_number_can_be_looked_up_by_its_name(layout):
    observation = np.linspace(0, 1, layout.size)
    assert [layout.index(name) for name in layout.names] == list(range(layout.size))
    for field in layout.fields:
        values = np.atleast_1d(layout.value(observation, field.name))
        names = layout.names[layout.slice(field.name)]
        assert [layout.value(observation, name) for name in names] == pytest.approx(values.tolist())


@pytest.mark.parametrize(
    "env", [FeedbackIntervalEnv, ApAssociationEnv, BeamSelectionEnv, TwinFidelityEnv, ReportSchedulingEnv]
)
def test_docstrings_say_what_the_fields_mean(env):
    layout = env(device="cpu").observation_layout
    assert layout.meaning in env.__doc__
    names = {field.name if field.of is None else field.name.removeprefix(f"ue_{field.of}_") for field in layout.fields}
    told = set(re.findall(r"(\w+)(?=[,:])", layout.meaning)) & names
    assert len(told) >= 5
