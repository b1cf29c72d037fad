"""Threads give way where others want the processors, and come back when these are free."""

from contextlib import nullcontext

import pytest
import torch

from twin_envs.base.crowding import LONGEST_PAUSE_S, PAUSE, Crowding, crowding
from twin_envs.base.settings import THREADS_FROM, computing


class Machine:
    """A clock and a count of preemptions that are set by hand."""

    def __init__(self):
        self.time_s, self.lost = 100.0, 7
        self.crowding = Crowding(lambda: self.time_s, lambda: self.lost)

    def work(self, seconds, lost):
        with self.crowding.watching():
            self.time_s += seconds
            self.lost += lost


@pytest.mark.parametrize(
    ("seconds", "lost", "crowded"),
    [(1.0, 90, True), (1.0, 2, False), (0.01, 2, False), (0.01, 3, True), (10.0, 200, False), (10.0, 300, True)],
)
def test_who_loses_processors_often_is_held_up(seconds, lost, crowded):
    machine = Machine()
    assert not machine.crowding.now
    machine.work(seconds, lost)
    assert machine.crowding.now == crowded


@pytest.mark.parametrize("seconds", [0.1, 3.0, 100.0])
def test_threads_come_back_after_a_pause(seconds):
    machine = Machine()
    machine.work(seconds, 10_000)
    pause = min(PAUSE * seconds, LONGEST_PAUSE_S)
    machine.time_s += 0.99 * pause
    assert machine.crowding.now
    machine.time_s += 0.02 * pause
    assert not machine.crowding.now


def test_a_short_section_does_not_end_the_pause_of_a_long_one():
    machine = Machine()
    machine.work(3.0, 1_000)
    machine.work(0.1, 1_000)
    machine.time_s += 50.0
    assert machine.crowding.now


def test_one_thread_is_not_watched(monkeypatch):
    watched = []
    monkeypatch.setattr(
        type(crowding), "watching", lambda self: watched.append(torch.get_num_threads()) or nullcontext()
    )
    monkeypatch.setattr(type(crowding), "now", False)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with computing(1), computing(THREADS_FROM):
                assert torch.get_num_threads() == 1
            with computing(THREADS_FROM):
                pass
    finally:
        torch.set_num_threads(before)
    assert watched == [2]


def test_large_batches_compute_with_one_thread_where_threads_are_held_up(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for crowded, threads in ((True, 1), (False, 2)):
            monkeypatch.setattr(type(crowding), "now", crowded)
            with computing(THREADS_FROM):
                assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
