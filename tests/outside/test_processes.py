"""Environments in other processes, however these begin, where the parent has used threads: a hang fails."""

import pytest
from fresh_process import run_fresh

START = """
import multiprocessing, sys
import gymnasium, numpy, torch
import twin_envs
from twin_envs import specifications
ENVIRONMENTS = [known.name for known in specifications()]

SMALL = {"num_ue": 2, "episode_slots": 200, "device": "cpu"}
FIRST = "twin_envs/FeedbackInterval-v1"


def use_threads():
    torch.set_num_threads(2)
    torch.randn(700, 700) @ torch.randn(700, 700)
    torch.randn(1_000_000).exp()


def batch():
    envs = gymnasium.make_vec(FIRST, num_envs=256, **SMALL)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    return envs
"""

ASYNC = """
if __name__ == "__main__":
    use_threads()
    for name in ENVIRONMENTS if sys.argv[1] == "fork" else ENVIRONMENTS[:1]:
        options = dict(vectorization_mode="async", vector_kwargs={"context": sys.argv[1]}, **SMALL)
        envs = gymnasium.make_vec(f"twin_envs/{name}-v1", num_envs=2, **options)
        envs.action_space.seed(0)
        first, _ = envs.reset(seed=0)
        assert envs.observation_space.contains(first)
        for _ in range(3):
            observations, rewards, *_ = envs.step(envs.action_space.sample())
        print(name, rewards)
        envs.close()
"""

CHILD = """
def play(env):
    env.action_space.seed(0)
    env.reset(seed=0)
    return env.step(env.action_space.sample())[:2]


def child(made, pipe):
    pipe.send([play(env) for env in made])


if __name__ == "__main__":
    use_threads()
    made = [gymnasium.make(f"twin_envs/{name}-v1", **SMALL) for name in ENVIRONMENTS]
    made.append(batch())
    here = [play(env) for env in made]
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(made, send))
    process.start()
    for (seen, earned), (seen_there, earned_there) in zip(here, receive.recv()):
        assert numpy.abs(seen - seen_there).max() < 1e-4
        assert numpy.abs(earned - earned_there).max() < 1e-4
    process.join()
    print(process.exitcode)
"""

STABLE_BASELINES3 = """
if __name__ == "__main__":
    import numpy as np
    from stable_baselines3.common.vec_env import SubprocVecEnv

    batch()
    use_threads()
    envs = SubprocVecEnv([lambda: gymnasium.make(FIRST, **SMALL)] * 2, start_method=sys.argv[1])
    envs.seed(0)
    envs.reset()
    for _ in range(3):
        _, rewards, _, _ = envs.step(np.array([1, 2]))
    print(rewards)
    envs.close()
"""
METHODS = ["fork", "forkserver", "spawn"]


@pytest.fixture
def file(tmp_path):
    """Writes a program down, for `spawn` and `forkserver` run the file again."""

    def write(program):
        path = tmp_path / "program.py"
        path.write_text(START + program, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("method", METHODS)
def test_gymnasiums_processes_step_environments(file, method):
    said = run_fresh(file(ASYNC), method)
    assert len(said.splitlines()) == (9 if method == "fork" else 1)


def test_what_was_made_in_a_parent_goes_on_in_its_forked_child(file):
    assert run_fresh(file(CHILD)) == "0\n"


@pytest.mark.parametrize("method", ["fork", "forkserver"])  # where there is no forkserver, spawn is much the same
def test_stable_baselines3s_processes_step_environments(file, method):
    pytest.importorskip("stable_baselines3")
    assert run_fresh(file(STABLE_BASELINES3), method)
