"""What computes under settings of its own leaves the caller's as they were."""

import os
import threading

import pytest
import torch
from fresh_process import run_fresh

from twin_envs.base.crowding import crowding
from twin_envs.base.settings import THREADS_FROM, computing, lasting, training

KINDS = {"computing": lambda: computing(1), "lasting": lasting, "training": training}


def state():
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
    }


OURS = {"dtype": torch.float32, "device": torch.device("cpu"), "autocast": False, "precision": "highest"}


@pytest.fixture
def odd():
    """A process in which everything is set to something else."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(3)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield state()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


@pytest.mark.parametrize("kind", KINDS)
def test_ours_hold_inside_and_the_callers_outside(odd, kind):
    with KINDS[kind]():
        inside = state()
        made, product = torch.zeros(2), torch.ones(4, 4) @ torch.ones(4, 4)
    assert inside.items() >= {k: v for k, v in OURS.items() if k != "precision"}.items()
    assert {made.dtype, product.dtype} == {torch.float32}
    assert {made.device.type, product.device.type} == {"cpu"}
    assert (inside["gradients"], inside["inference"]) == (kind == "training", kind == "computing")
    assert inside["threads"] == (3 if kind == "training" else 1)
    assert state() == odd


@pytest.mark.parametrize("kind", KINDS)
def test_the_callers_come_back_after_an_exception(odd, kind):
    with pytest.raises(ZeroDivisionError), KINDS[kind]():
        raise ZeroDivisionError
    assert state() == odd


def test_products_are_computed_in_float32(odd):
    """Also where the process has asked for less, through either of torch's ways to do so."""
    with torch.device("cpu"), torch.autocast("cpu", enabled=False):
        linear, x = torch.nn.Linear(2048, 64, dtype=torch.float32), torch.randn(32, 2048, dtype=torch.float32)
    with computing(1):
        ours = linear(x)
    torch.set_float32_matmul_precision("highest")
    with computing(1):
        assert torch.equal(ours, linear(x))


def test_one_inside_another_changes_nothing_but_gradients(odd):
    with computing(THREADS_FROM):
        outer = state()
        with computing(1):
            assert state() == outer
        with lasting():
            assert state() == outer | {"inference": False}
            with computing(1):
                assert state() == outer
        with training():
            assert state() == outer | {"inference": False, "gradients": True}
        assert state() == outer
    assert state() == odd


def test_tensors_that_last_may_be_trained_with():
    with computing(1):
        with lasting():
            kept = torch.ones(3)
        passing = torch.ones(3)
    weight = torch.ones(3, requires_grad=True)
    (weight * kept).sum().backward()
    assert torch.equal(weight.grad, kept)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        (weight * passing).sum().backward()


def test_a_large_batch_has_the_callers_threads(odd, monkeypatch):
    monkeypatch.setattr(type(crowding), "now", False)  # whatever the tests before met
    with computing(THREADS_FROM - 1):
        assert torch.get_num_threads() == 1
    with computing(THREADS_FROM):
        assert torch.get_num_threads() == 3


def seen_in_another_thread():
    seen = {}
    thread = threading.Thread(target=lambda: seen.update(state()))
    thread.start()
    thread.join()
    return seen


def test_other_threads_keep_their_number_of_threads_whenever_they_begin(odd):
    asked, answered = threading.Event(), threading.Event()
    seen = []

    def early():
        seen.append(torch.get_num_threads())
        answered.set()
        asked.wait()
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=early)
    thread.start()
    answered.wait()
    with computing(1):
        asked.set()
        thread.join()
        assert seen == [3, 3]
        assert seen_in_another_thread()["threads"] == 3
    assert seen_in_another_thread()["threads"] == 3


def test_two_threads_compute_in_float32_until_the_last_is_done():
    first_in, second_in = threading.Event(), threading.Event()
    seen = []

    def first():
        with computing(1):
            first_in.set()
            second_in.wait()

    torch.set_default_dtype(torch.float64)
    try:
        thread = threading.Thread(target=first)
        thread.start()
        first_in.wait()
        with computing(1):
            second_in.set()
            thread.join()
            seen.append(torch.get_default_dtype())
        seen.append(torch.get_default_dtype())
    finally:
        torch.set_default_dtype(torch.float32)
    assert seen == [torch.float32, torch.float64]


POOL = """
import os, sys
import torch
from twin_envs.base.settings import computing

torch.set_num_threads(2)
x, y = torch.randn(700, 700), torch.randn(8, 700, 700)
image, convolution = torch.randn(8, 16, 64, 64), torch.nn.Conv2d(16, 16, 3)
before = len(os.listdir("/proc/self/task"))
with computing(int(sys.argv[1])):
    x @ x, y @ y, x.exp(), torch.fft.fft(x), convolution(image), x.sum(), torch.linalg.eigh(x @ x.mT)
    x.to(torch.complex64) @ x.to(torch.complex64)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads can be counted on Linux only")
@pytest.mark.parametrize(("batch", "threads"), [(1, 0), (THREADS_FROM, 1)])
def test_a_small_batch_makes_no_thread_begin(batch, threads):
    """In none of the libraries that torch computes with, whatever number it was told before."""
    assert int(run_fresh(POOL, str(batch))) == threads


FORK = """
import os, torch
from twin_envs.base.settings import computing

torch.set_num_threads(2)
torch.randn(700, 700) @ torch.randn(700, 700)
if not os.fork():
    with computing(100_000):
        torch.randn(700, 700) @ torch.randn(700, 700)
        print(torch.get_num_threads(), flush=True)
    os._exit(0)
os.wait()
with computing(100_000):
    print(torch.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_one_thread_for_good():
    assert run_fresh(FORK).split() == ["1", "2"]
