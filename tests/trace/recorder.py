"""What happens in whole episodes, in numbers that must not change.

For every environment, world and face, episodes with fixed seeds and fixed actions are recorded: observations, rewards,
ends and infos; and for every contender, the actions that it takes. The trace holds a hash of every field and the
returns. Hashes are the same bit for bit on machines of one kind, which `machine` in the trace names by its processor
and the versions of torch and NumPy. On any other machine only the returns are compared, which are nearly the same.
`PYTHONPATH=tests/helpers python tests/trace/recorder.py` renews the trace: do so only where observations, rewards or
infos are meant to change, together with the version of the environments' ids.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from competitors import competitors
from ids import ENVIRONMENTS, SIMULTANEOUS

from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.rollout import play
from twin_envs.envs.faces.multi_agent import aec_env, parallel_env
from twin_envs.envs.registry import specification

FILE = Path(__file__).with_name("trace.json")
WORLDS = ("reality", "twin")
NUM_ENVS, SEED = 2, 11
SHORTER = {
    **dict.fromkeys(("FeedbackInterval", "PilotDensity", "CsiProtocol", "CsiProtocolFlat", "ReportScheduling"), 150),
    **dict.fromkeys(("ApAssociation", "ApSelection"), 400),
    **dict.fromkeys(("BeamSelection", "TwinFidelity"), 2000),
}
"""Slots of an episode, where those of the environment's small options would take long."""
RECORDED = {
    "by_ue", "delivered", "pilot_cost", "feedback_cost", "signalling_cost", "sweep_cost", "elapsed_slots",
    "csi_age_slots", "added_aps", "beam", "swept", "deadline_slots", "in_time", "ue",
}  # fmt: skip
"""Infos that are recorded where an environment has them."""


def machine() -> str:
    """Where hashes are the same bit for bit: the processor and the versions of what computes."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in lines.splitlines() if line.startswith("model name")]
    return f"{(names or [platform.processor()])[0]}, torch {torch.__version__}, numpy {np.__version__}"


class Recording:
    """Hashes of fields, each of all arrays that were added to it, and the sum of the rewards."""

    def __init__(self) -> None:
        self._hashes: dict[str, Any] = defaultdict(hashlib.sha256)
        self._return = 0.0

    def add(self, field: str, value: Any) -> None:
        """One more array of a field."""
        array = np.ascontiguousarray(value)
        kind = "f8" if array.dtype.kind == "f" else "i8"  # whatever the width, if the number is the same
        self._hashes[field].update(array.astype(kind).tobytes())
        if field == "reward":
            self._return += float(array.sum())

    def add_infos(self, infos: dict[str, Any]) -> None:
        """The infos that are recorded, of those who had a window of their own: one in which time passed."""
        passed = np.asarray(infos.get("elapsed_slots", 0)) > 0
        for key in sorted(RECORDED & set(infos)) if passed.any() else ():
            self.add(key, np.asarray(infos[key])[passed])

    def result(self) -> dict[str, Any]:
        """The recording as plain data."""
        hashes = {field: value.hexdigest()[:16] for field, value in sorted(self._hashes.items())}
        return {"hashes": hashes, "return": self._return}


def record(env: str) -> dict[str, Any]:
    """All recordings of the environment `env` by face and world, or by contender."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return dict(_recordings(env))
    finally:
        torch.set_num_threads(threads)


def _recordings(env: str) -> Iterator[tuple[str, dict[str, Any]]]:
    small = {**specification(env).small, "device": "cpu"}
    small["episode_slots"] = SHORTER.get(env, small["episode_slots"])
    for world in WORLDS:
        options = small | {"world": world}
        yield f"single, {world}", _single(env, options)
        yield f"vector, {world}", _vector(env, options)
        yield f"aec, {world}", _aec(env, options)
        if env in SIMULTANEOUS:
            yield f"parallel, {world}", _parallel(env, options)
    for name, policy in competitors(env).items():
        run = play(deepcopy(policy), make_envs(env, NUM_ENVS, **small), [SEED, SEED + 1])
        recording = Recording()
        recording.add("action", run.steps["action"])
        recording.add("reward", run.returns)
        yield f"contender {name}", recording.result()


def _single(env: str, options: dict[str, Any]) -> dict[str, Any]:
    one = gymnasium.make(f"twin_envs/{env}-v1", **options).unwrapped
    one.action_space.seed(SEED)
    recording = Recording()
    observation, _ = one.reset(seed=SEED)
    recording.add("observation", observation)
    over = False
    while not over:
        observation, reward, terminated, over, infos = one.step(one.action_space.sample())
        recording.add("observation", observation)
        recording.add("reward", reward)
        recording.add("end", [terminated, over])
        recording.add_infos(infos)
    one.close()
    return recording.result()


def _vector(env: str, options: dict[str, Any]) -> dict[str, Any]:
    many = make_envs(env, NUM_ENVS, **options)
    many.action_space.seed(SEED)
    recording = Recording()
    observations, _ = many.reset(seed=SEED)
    recording.add("observation", observations)
    over = np.zeros(NUM_ENVS, dtype=bool)
    while not over.all():
        observations, rewards, terminated, truncated, infos = many.step(many.action_space.sample())
        recording.add("observation", observations)
        recording.add("reward", rewards)
        recording.add("end", [terminated, truncated])
        recording.add_infos(infos)
        over |= truncated
    many.close()
    return recording.result()


def _aec(env: str, options: dict[str, Any]) -> dict[str, Any]:
    each = aec_env(env, reward="own", **options)
    recording = Recording()
    each.reset(seed=SEED)
    for index, agent in enumerate(each.possible_agents):
        each.action_space(agent).seed(SEED + index)
    for agent in each.agent_iter():
        observation, reward, _, truncated, infos = each.last()
        recording.add("observation", observation)
        recording.add("reward", reward)
        recording.add_infos(infos)
        each.step(None if truncated else each.action_space(agent).sample())
    return recording.result()


def _parallel(env: str, options: dict[str, Any]) -> dict[str, Any]:
    all_at_once = parallel_env(env, reward="own", **options)
    recording = Recording()
    observations, _ = all_at_once.reset(seed=SEED)
    for index, agent in enumerate(all_at_once.possible_agents):
        all_at_once.action_space(agent).seed(SEED + index)
    while all_at_once.agents:
        recording.add("observation", [observations[agent] for agent in all_at_once.possible_agents])
        actions = {agent: all_at_once.action_space(agent).sample() for agent in all_at_once.agents}
        observations, rewards, *_, infos = all_at_once.step(actions)
        recording.add("reward", list(rewards.values()))
        for agent in all_at_once.possible_agents:
            recording.add_infos(infos[agent])
    return recording.result()


def main() -> None:
    """Write the trace anew."""
    recordings = {env: record(env) for env in ENVIRONMENTS}
    text = json.dumps({"machine": machine(), "recordings": recordings}, indent=1) + "\n"
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
