"""Logs that TensorBoard reads."""

import pytest
from stable_baselines3.common.logger import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from twin_envs.agents.learning import event_log
from twin_envs.agents.learning.event_log import EventLog


def log(folder, step, **numbers):
    logger = Logger(None, [EventLog(folder)])
    for name, number in numbers.items():
        logger.record(name, number, exclude=("tensorboard",) if name == "hidden" else None)
    logger.record("text", "is no number")
    logger.dump(step)


def test_tensorboard_reads_the_numbers(tmp_path):
    log(tmp_path / "log", 64, loss=0.5, episodes=3, hidden=1.0)
    read = EventAccumulator(str(tmp_path / "log")).Reload()
    assert read.Tags()["scalars"] == ["episodes", "loss"]
    (loss,) = read.Scalars("loss")
    assert (loss.step, loss.value) == (64, 0.5)


def test_what_is_logged_later_is_read_later_even_if_the_clock_has_gone_back(tmp_path, monkeypatch):
    for step, now_s in enumerate((2e9, 1e9, 1e9)):
        monkeypatch.setattr(event_log.time, "time", lambda now_s=now_s: now_s)
        log(tmp_path, step, loss=float(step))
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [event.value for event in read.Scalars("loss")] == [0.0, 1.0, 2.0]


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "log").touch()
    with pytest.raises(OSError, match=r"log/events\.out\.tfevents"):
        EventLog(tmp_path / "log")
