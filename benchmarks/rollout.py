"""One episode of each seed under a policy, and what happened in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium.vector import AutoresetMode

from agents.policies import Array, Policy
from twin_envs.envs.observation import CSI_LAYOUT
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.errors import ConfigurationError

SEEN = ("speed", "known", "twin_los_probability", "similarity")
"""Fields of the observation that are kept of every step."""
_TERMS = ("delivered", "pilot_cost", "feedback_cost", "elapsed_slots", "csi_age_slots", "ue")


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """N episodes of U UEs under one policy.

    Attributes:
        seeds: int64 [N].
        returns: float64 [N], net spectral efficiency of the cell [bit/s/Hz].
        ap: the serving AP, int64 [N].
        steps: arrays [S, ...] over all steps of all episodes. `episode`: index into `seeds`; `time_slots`: when the
            step began; `decided_ue`: the UE that it decided about; `action`; the fields `SEEN` of the observation that
            the action was chosen for, in their units; what `info` said at the end of the step; `position_m`
            [S, U, 2]: sensed then; `share` [S, U]: of each UE in the delivered bits.
    """

    seeds: Array
    returns: Array
    ap: Array
    steps: dict[str, Array]


def evaluate(
    policy: Policy,
    envs: TaskVectorEnv,
    seeds: Sequence[int],
    progress: Callable[[float], None] = lambda share: None,
) -> Episodes:
    """Run one episode in each environment of a batch, environment i with seed `seeds[i]`.

    Args:
        policy: who decides.
        envs: made with `autoreset_mode="NextStep"`; they are left in mid-episode.
        seeds: as many as there are environments. The same ones give every policy the same episodes.
        progress: called after each step with the share that is done.

    Raises:
        ConfigurationError: another number of seeds, or another autoreset mode.
    """
    if envs.autoreset_mode is not AutoresetMode.NEXT_STEP:
        raise ConfigurationError(f"autoreset_mode must be 'NextStep', got {envs.autoreset_mode.value!r}")
    known, length = envs.core.known, envs.core.config.episode_slots
    policy.attach(envs)
    observation, _ = envs.reset(seed=[int(seed) for seed in seeds])
    ap = known.ap.cpu().numpy().copy()
    running, state = np.ones(envs.num_envs, dtype=bool), None
    start = running.copy()
    returns = np.zeros(envs.num_envs)
    steps = defaultdict(list)
    while running.any():
        action, state = policy.predict(observation, state, start, deterministic=True)
        step = {"episode": np.arange(envs.num_envs), "action": action, **_before(envs, observation)}
        observation, rewards, _, truncated, info = envs.step(action)
        returns[running] += rewards[running]
        step |= {name: info[name] for name in _TERMS} | _after(envs)
        for name, values in step.items():
            steps[name].append(values[running])
        start[:] = False
        running &= ~truncated
        progress(float(np.where(running, known.now_slots.cpu().numpy() / length, 1.0).mean()))
    return Episodes(
        seeds=np.asarray(seeds, dtype=np.int64),
        returns=returns,
        ap=ap,
        steps={name: np.concatenate(parts) for name, parts in steps.items()},
    )


def _before(envs: TaskVectorEnv, observation: Array) -> dict[str, Array]:
    known = envs.core.known
    return {
        "time_slots": known.now_slots.cpu().numpy().copy(),
        "decided_ue": known.reporter.cpu().numpy().copy(),
        **{name: CSI_LAYOUT.value(observation, name) for name in SEEN},
    }


def _after(envs: TaskVectorEnv) -> dict[str, Array]:
    bits = envs.core.known.bits_per_re.cpu().numpy()
    share = bits / np.maximum(bits.sum(-1, keepdims=True), 1e-9)
    return {"position_m": envs.core.known.sensing.position.cpu().numpy().copy(), "share": share}
