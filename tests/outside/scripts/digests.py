"""Plays every registered environment through every face under settings of the process, and then without them.

    python digests.py [SETTING ...]

Prints, as JSON, a digest of all numbers of each under the settings, and then without. It fails if a setting is not
what it was.
"""

import contextlib
import hashlib
import json
import sys

import gymnasium
import numpy as np
import pettingzoo
import torch

from twin_envs import specifications

ENVIRONMENTS = [known.name for known in specifications()]
SIMULTANEOUS = [known.name for known in specifications() if known.simultaneous]


SMALL = {"num_ue": 3, "episode_slots": 100, "device": "cpu"}
QUICK_CYCLE = {"cycle_slots": 96, "burst_slots": 2}
STEPS = 3


@contextlib.contextmanager
def process_wide(get, change, value):
    before = get()
    change(value)
    try:
        yield
        assert get() == value, "the setting was changed"
    finally:
        change(before)


@contextlib.contextmanager
def others():
    deterministic = torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    threads = torch.get_num_threads, torch.set_num_threads, 3
    with torch.no_grad(), np.errstate(all="raise"), process_wide(*deterministic), process_wide(*threads):
        yield


SETTINGS = {
    "dtype": lambda: process_wide(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "device": lambda: process_wide(torch.get_default_device, torch.set_default_device, torch.device("meta")),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "precision": lambda: process_wide(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
    "others": others,
}


class Digest:
    def __init__(self):
        self.hash = hashlib.sha256()

    def add(self, value):
        if isinstance(value, dict):
            for key in sorted(value):
                self.add(key)
                self.add(value[key])
        elif isinstance(value, tuple | list):
            for item in value:
                self.add(item)
        else:
            array = np.asarray(value)
            if array.dtype != object:
                self.hash.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
            elif array.ndim:
                self.add(array.tolist())


def single(env_id, digest, **options):
    env = gymnasium.make(env_id, render_mode="rgb_array", **options)
    env.action_space.seed(0)
    digest.add(env.reset(seed=3))
    for _ in range(STEPS):
        happened = env.step(env.action_space.sample())
        digest.add(happened)
        if happened[3]:  # the episode is over
            break
    digest.add(env.render())


def vector(env_id, digest, **options):
    envs = gymnasium.make_vec(env_id, num_envs=2, autoreset_mode="SameStep", **options)
    envs.action_space.seed(0)
    digest.add(envs.reset(seed=3))
    for _ in range(STEPS):
        digest.add(envs.step(envs.action_space.sample()))


def aec(env_id, digest, **options):
    env = pettingzoo.make("aec", env_id, reward="own", **options)
    env.reset(seed=3)
    for agent in env.possible_agents:
        env.action_space(agent).seed(0)
    for agent in env.agent_iter(STEPS):
        seen = env.last()
        digest.add(seen)
        env.step(None if seen[3] else env.action_space(agent).sample())
    digest.add(env.rewards)


def parallel(env_id, digest, **options):
    env = pettingzoo.make("parallel", env_id, reward="own", **options)
    digest.add(env.reset(seed=3))
    for agent in env.possible_agents:
        env.action_space(agent).seed(0)
    for _ in range(STEPS):
        if not env.agents:  # the episode is over
            break
        digest.add(env.step({agent: env.action_space(agent).sample() for agent in env.agents}))


def play_all(*faces):
    played = {}
    for name in ENVIRONMENTS:
        options = SMALL | (QUICK_CYCLE if name in ("BeamSelection", "TwinFidelity") else {})
        for face in faces or (single, vector, aec, *((parallel,) if name in SIMULTANEOUS else ())):
            digest = Digest()
            try:
                face(f"twin_envs/{name}-v1", digest, **options)
            except Exception as error:
                played[f"{name} {face.__name__}"] = repr(error)
            else:
                played[f"{name} {face.__name__}"] = digest.hash.hexdigest()
    return played


if __name__ == "__main__":
    with contextlib.ExitStack() as settings:
        for name in sys.argv[1:]:
            settings.enter_context(SETTINGS[name]())
        under = play_all()
    after = play_all(vector)
    print(json.dumps({"under": under, "after": after}))
