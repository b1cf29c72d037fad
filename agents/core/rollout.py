"""One episode of each seed under a policy, and what happened in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from twin_envs.agents.core.policies import Array, Policy, attach
from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.faces.vector import TaskVectorEnv


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """N episodes under one policy.

    Attributes:
        seeds: int64 [N].
        returns: float64 [N], net spectral efficiency [bit/s/Hz].
        steps: arrays [S, ...] over all steps of all episodes. `episode`: index into `seeds`; `time_slots`: when the
            step began; `decided_ue`: the UE that it decided about; `action`; fields of the observation that the action
            was chosen for, in their units, as asked for; and what `info` said at the end of the step.
    """

    seeds: Array
    returns: Array
    steps: dict[str, Array]


def play(
    policy: Policy,
    envs: TaskVectorEnv,
    seeds: Sequence[int],
    progress: Callable[[float], None] = lambda share: None,
    keep: Sequence[str] = (),
) -> Episodes:
    """Run one episode in each environment of a batch, environment i with seed `seeds[i]`.

    Args:
        policy: who decides.
        envs: made with `autoreset_mode="NextStep"`; they are left in mid-episode.
        seeds: as many as there are environments. The same ones give every policy the same episodes.
        progress: called after each step with the share that is done.
        keep: fields of the observation to keep of each step; one that the layout does not have is left out.

    Raises:
        ConfigurationError: another number of seeds, or another autoreset mode.
    """
    if envs.autoreset_mode is not AutoresetMode.NEXT_STEP:
        raise ConfigurationError(f"autoreset_mode must be 'NextStep', got {envs.autoreset_mode.value!r}")
    layout, state, length = envs.observation_layout, envs.network.state, envs.network.config.episode_slots
    rows = torch.arange(envs.num_envs, device=envs.network.device)
    kept = [field.name for field in layout.fields if field.name in keep]
    attach(policy, envs)
    observation, _ = envs.reset(seed=[int(seed) for seed in seeds])
    running, memory = np.ones(envs.num_envs, dtype=bool), None
    start = running.copy()
    returns = np.zeros(envs.num_envs)
    steps = defaultdict(list)
    while running.any():
        action, memory = policy.predict(observation, memory, start, deterministic=True)
        step = {
            "episode": np.arange(envs.num_envs),
            "time_slots": state.now_slots.cpu().numpy().copy(),
            "decided_ue": envs.task.turn(rows).cpu().numpy().copy(),
            "action": np.asarray(action),
            **{name: layout.value(observation, name) for name in kept},
        }
        observation, rewards, _, truncated, info = envs.step(action)
        returns[running] += rewards[running]
        step |= {name: values for name, values in info.items() if f"_{name}" in info}
        for name, values in step.items():
            steps[name].append(values[running])
        start[:] = False
        running &= ~truncated
        progress(float(np.where(running, state.now_slots.cpu().numpy() / length, 1.0).mean()))
    return Episodes(
        seeds=np.asarray(seeds, dtype=np.int64),
        returns=returns,
        steps={name: np.concatenate(parts) for name, parts in steps.items()},
    )
