"""Drift is told of when reports leave the intervals, and seldom before."""

import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge
from twin_envs.twin.lifecycle.drift import ALARM, beyond_interval, cusum, reports_to_alarm


def said(gain_db, std_db, covered):
    values = torch.zeros(len(gain_db), len(KNOWLEDGE_FIELDS))
    std = torch.zeros_like(values)
    values[:, 0], std[:, 0] = torch.tensor(gain_db), torch.tensor(std_db)
    return Knowledge(covered=torch.tensor(covered), values=values, std=std)


def drawn(share, count, seed=0):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed)) < share


def test_the_interval_is_the_twins_own():
    known = said([-80.0, -80.0, -80.0], [5.0, 5.0, 5.0], [1.0, 1.0, 0.0])
    assert beyond_interval(known, torch.tensor([-72.0, -71.0, -80.0])).tolist() == [False, True, True]


def test_the_sum_is_pages():
    """S = max(0, S + log of the likelihood ratio), step by step."""
    beyond, total = drawn(0.2, 200), 0.0
    for one, found in zip(beyond.tolist(), cusum(beyond).tolist()):
        total = max(0.0, total + math.log(0.25 / 0.1 if one else 0.75 / 0.9))
        assert found == pytest.approx(total, abs=1e-9)


def test_seven_in_a_row_are_an_alarm():
    beyond = torch.cat([torch.zeros(40, dtype=torch.bool), torch.ones(10, dtype=torch.bool)])
    assert reports_to_alarm(beyond) == 40 + math.ceil(ALARM / math.log(2.5))
    assert reports_to_alarm(beyond[:40]) is None
    assert reports_to_alarm(beyond[:0]) is None


def test_a_drifted_twin_is_found_out_and_an_honest_one_is_not():
    honest = [reports_to_alarm(drawn(0.1, 300, seed)) for seed in range(100)]
    drifted = [reports_to_alarm(drawn(0.3, 300, seed)) for seed in range(100)]
    assert sum(alarm is not None for alarm in honest) <= 10
    assert all(alarm is not None for alarm in drifted)
    assert 20 < sum(drifted) / 100 < 60


def test_an_alarm_that_can_never_be_is_refused():
    with pytest.raises(ConfigurationError, match="alarm must be"):
        reports_to_alarm(drawn(0.1, 5), alarm=0.0)
