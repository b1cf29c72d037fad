import itertools
import json

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from twin_envs.agents.core.environments import make_envs
from twin_envs.benchmarks import speed
from twin_envs.benchmarks.speed import Budget
from twin_envs.envs.faces.vector import TaskVectorEnv

OPTIONS = {"num_ue": 2, "episode_slots": 200, "device": "cpu"}
TINY = Budget(rounds=3, steps=2, live_steps=2, live_batch_steps=1, memory_steps=1)


@pytest.fixture
def quiet():
    return Console(quiet=True)


def ticking(monkeypatch, seconds):
    """Let the clock say that what is measured takes these times, one after the other."""
    ends = itertools.accumulate(seconds)
    times = iter([time for end, taken in zip(ends, seconds, strict=True) for time in (end - taken, end)])
    monkeypatch.setattr(speed, "perf_counter", lambda: next(times))


def counted(monkeypatch, owner, name):
    calls = []
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args, **named: calls.append(args) or real(*args, **named))
    return calls


def test_throughput_is_the_median_over_rounds_without_the_first_call(monkeypatch):
    envs = make_envs("FeedbackInterval", 3, **OPTIONS)
    # The first step and the first call of the codec; then steps and calls in turn, a slow round among them.
    ticking(monkeypatch, [100.0, 100.0, 2.0, 1.0, 50.0, 60.0, 4.0, 0.5])
    steps = counted(monkeypatch, TaskVectorEnv, "step")
    calls = counted(monkeypatch, type(envs.network.codec), "report")
    assert speed.throughput(envs, rounds=3, steps=5, seed=0) == {
        "env_steps_per_s": 5 * 3 / 4.0,
        "codec_samples_per_s": 5 * 3 / 1.0,
        "codec_share": 0.25,
    }
    assert len(steps) == 1 + 3 * 5
    alone = [args for args in calls if args[1].shape == (3, 48, 32)]
    assert len(alone) >= 1 + 3 * 5
    assert all((args[2].codeword_bits == envs.network.config.codeword_bits).all() for args in alone)


def test_live_steps_trace_every_ue_before_each_step(monkeypatch):
    traced = []

    class NoTracer:
        def __init__(self, recipe, world, clutter, batch):
            assert world == recipe.worlds["reality"]
            assert batch == OPTIONS["num_ue"]

        def trace(self, ap, position_m):
            traced.append((ap, position_m))

    monkeypatch.setattr(speed, "Tracer", NoTracer)
    monkeypatch.setattr(speed, "survey", lambda recipe: type("Survey", (), {"clutter": None}))
    ticking(monkeypatch, [100.0, 8.0])
    steps = counted(monkeypatch, TaskVectorEnv, "step")
    assert speed.live_steps_per_s(1, 4, 0, OPTIONS) == 4 / 8.0
    assert len(steps) == len(traced) == 1 + 4
    assert all(position_m.shape == (2, 3) and (position_m[:, 2] == 1.5).all() for _, position_m in traced)
    assert not np.array_equal(traced[0][1], traced[-1][1])


def test_live_steps_of_a_batch_trace_the_ues_of_an_ap_together(monkeypatch):
    traced, made = [], []

    class NoTracer:
        def __init__(self, recipe, world, clutter, batch):
            made.append(batch)

        def trace(self, ap, position_m):
            traced.append((ap, len(position_m)))

    monkeypatch.setattr(speed, "Tracer", NoTracer)
    monkeypatch.setattr(speed, "survey", lambda recipe: type("Survey", (), {"clutter": None}))
    speed.live_steps_per_s(5, 1, 0, OPTIONS)
    assert made == [5 * OPTIONS["num_ue"]]
    first = traced[: len(traced) // 2]  # of two steps
    assert len({ap for ap, _ in first}) == len(first)
    assert sum(count for _, count in first) == 5 * OPTIONS["num_ue"]


def test_peak_memory_is_in_megabytes():
    resident, on_gpu = speed.peak_memory_mb(1, 1, 0, OPTIONS)
    assert 100.0 < resident < 10_000.0
    assert on_gpu == 0.0


def test_figures_follow_from_what_is_measured(monkeypatch, quiet):
    monkeypatch.setattr(speed, "peak_memory_mb", lambda num_envs, steps, seed, options: (100.0 + num_envs, 0.0))
    rate = lambda envs: {"env_steps_per_s": 150.0 * envs.num_envs}  # noqa: E731
    monkeypatch.setattr(speed, "throughput", lambda envs, rounds, steps, seed: rate(envs))
    monkeypatch.setattr(speed, "ray_tracer_problem", lambda: None)
    monkeypatch.setattr(speed, "live_steps_per_s", lambda num_envs, steps, seed, options: 1.5 * num_envs**2 / steps)
    monkeypatch.setattr(speed, "scaling", lambda rounds, seed, options: {"step_ms_by_ues": {"2": float(rounds)}})
    monkeypatch.setattr(speed, "tensors", lambda batch, rounds, steps, seed, options: {"step_per_s": 10.0 * batch})
    monkeypatch.setattr(speed.torch, "get_num_threads", lambda: 2)
    shared = lambda envs, processes, *_: {"env_steps_per_s": 150.0 * envs.num_envs * processes}  # noqa: E731
    monkeypatch.setattr(speed, "in_processes", shared)
    assert speed.measure(TINY, 2, 0, OPTIONS, quiet) == {
        "env_steps_per_s": 300.0,
        "one_thread": {"env_steps_per_s": 300.0},
        "processes": {"count": 2, "env_steps_per_s": 600.0},
        "tensors": {"step_per_s": 20.0},
        "live_ray_tracing_steps_per_s": 0.75,  # two steps of one environment
        "speedup_over_live": 400.0,
        "one_environment": {"env_steps_per_s": 150.0, "speedup_over_live": 200.0},
        "batch_live": {"live_ray_tracing_steps_per_s": 6.0, "speedup_over_live": 50.0},  # one step of two
        "scaling": {"step_ms_by_ues": {"2": 3.0}},
        "peak_memory_mb": {"1": 101.0, "256": 356.0, "1024": 1124.0},
    }


def test_command_writes_figures_and_leaves_out_what_it_cannot_measure(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "QUICK", TINY)
    monkeypatch.setattr(speed, "peak_memory_mb", lambda num_envs, steps, seed, options: (100.0, 0.0))
    monkeypatch.setattr(speed, "ray_tracer_problem", lambda: "there is no LLVM")
    monkeypatch.setattr(speed.torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(speed, "SCALED_ENVIRONMENTS", (1, 3))
    monkeypatch.setattr(speed, "SCALED_UES", (1, 2))
    app = speed.typer.Typer()
    app.command()(speed.main)
    path = tmp_path / "speed.json"
    arguments = ["--quick", "--batch", "4", "--seed", "3", "--options", json.dumps(OPTIONS), "--json", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "there is no LLVM" in result.output
    read = json.loads(path.read_text())
    assert read["benchmark"] == "speed"
    assert read["provenance"]["seed"] == 3
    assert read["provenance"]["arguments"]["batch"] == 4
    figures = read["figures"]
    speeds = {"env_steps_per_s", "codec_samples_per_s", "codec_share"}
    assert set(figures) == {*speeds, "one_thread", "tensors", "scaling", "peak_memory_mb"}
    assert set(figures["scaling"]["step_ms_by_environments"]) == {"1", "3"}
    assert set(figures["scaling"]["step_ms_by_ues"]) == {"1", "2"}
    assert min(figures["scaling"]["step_ms_by_ues"].values()) > 0
    assert set(figures["one_thread"]) == speeds
    assert figures["env_steps_per_s"] > 0
    assert figures["codec_share"] == pytest.approx(figures["env_steps_per_s"] / figures["codec_samples_per_s"])


def test_an_agent_that_chooses_and_learns_takes_its_time_off_the_tensors_rate(monkeypatch):
    # The first of each, then three rounds of two steps of three environments, alone, with an agent, and with learning.
    ticking(monkeypatch, [1.0, 2.0, 4.0, 1.0, 9.0, 4.0, 3.0, 2.0, 4.0])
    learnt = counted(monkeypatch, speed.ppo, "learn")
    state = torch.get_rng_state()
    assert speed.tensors(3, 3, 2, 0, OPTIONS) == {
        "step_per_s": 6.0,
        "step_and_inference_per_s": 3.0,
        "step_and_training_per_s": 1.5,
    }
    assert [len(gains) for *_, gains, _ in learnt] == [2 * 3] * 4
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.rt
def test_live_steps_with_the_ray_tracer():
    assert speed.live_steps_per_s(1, 1, 0, OPTIONS) > 0


def test_times_of_steps_are_medians_over_rounds_in_which_all_sizes_take_turns(monkeypatch):
    monkeypatch.setattr(speed, "SCALED_ENVIRONMENTS", (1, 2))
    monkeypatch.setattr(speed, "SCALED_UES", (1,))
    monkeypatch.setattr(speed, "SCALED_BATCH", 2)
    ticking(monkeypatch, [1.0, 2.0, 4.0, 3.0, 6.0, 9.0, 100.0, 4.0, 5.0])
    assert speed.scaling(3, 0, OPTIONS) == {
        "step_ms_by_environments": {"1": 3_000.0, "2": 4_000.0},
        "step_ms_by_ues": {"1": 5_000.0},
    }
