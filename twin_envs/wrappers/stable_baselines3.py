"""The native batch for Stable-Baselines3, whose algorithms take no `VectorEnv`.

```python
import gymnasium
import twin_envs
from stable_baselines3 import PPO
from twin_envs.wrappers import RelativeRewardVector
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

envs = gymnasium.make_vec("twin_envs/FeedbackInterval-v1", num_envs=64, world="twin", autoreset_mode="SameStep")
model = PPO("MlpPolicy", SB3VecEnv(RelativeRewardVector(envs)), gamma=0.95, device="cpu")
model.learn(100_000)
```
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from twin_envs.base.errors import ConfigurationError, DependencyMissing
from twin_envs.wrappers.learner_space import Array, from_learner, learner_space

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise DependencyMissing(
        "the batch for Stable-Baselines3 needs Stable-Baselines3; in the checkout of twin-envs: pip install '.[agents]'"
    ) from error

_NOT_OBJECTS = "the environments of a batch are no objects of their own: they have no {what}"


class SB3VecEnv(VecEnv):
    """A batch of environments as the `VecEnv` that Stable-Baselines3 learns in; see `learner_space` for its actions.

    What Gymnasium's `RecordEpisodeStatistics` for batches tells reaches Stable-Baselines3's logs; put it inside of
    `RelativeRewardVector` for returns in bit/s/Hz.

    Args:
        envs: a native batch, or a wrapper of one, made with `autoreset_mode="SameStep"`, for that is when a `VecEnv`
            resets.

    Raises:
        ConfigurationError: `envs` resets at another time.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self.envs: Any = envs
        mode = envs.metadata["autoreset_mode"]
        if mode is not AutoresetMode.SAME_STEP:
            raise ConfigurationError(f"autoreset_mode must be 'SameStep', got {mode.value!r}")
        super().__init__(envs.num_envs, envs.single_observation_space, learner_space(envs.single_action_space))

    def reset(self) -> Array:
        """Begin new episodes, with the seeds of the last call of `seed`."""
        observation, infos = self.envs.reset(seed=self._seeds)
        self.reset_infos = [_of_one(infos, index) for index in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Array) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = from_learner(actions, self.envs.single_action_space)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """One decision in every environment."""
        observation, rewards, terminated, truncated, info = self.envs.step(self._actions)
        final, last = info.pop("final_info", {}), info.pop("final_obs", None)
        infos = [_of_one(info, index) for index in range(self.num_envs)]
        over = terminated | truncated
        for index in np.flatnonzero(over):
            infos[index] |= _of_one(final, index)
            infos[index]["terminal_observation"] = last[index]
            infos[index]["TimeLimit.truncated"] = bool(truncated[index] and not terminated[index])
        return observation, rewards.astype(np.float32), over, infos

    def close(self) -> None:
        """Close the batch."""
        self.envs.close()

    def get_images(self) -> Sequence[Array | None]:
        """The present picture of each environment."""
        return self.envs.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The batch's attribute, once for each environment."""
        holder = self.envs if hasattr(self.envs, attr_name) else self.envs.unwrapped
        return [getattr(holder, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raises `AttributeError`."""
        raise AttributeError(_NOT_OBJECTS.format(what=f"attribute {attr_name!r} to set"))

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Raises `AttributeError`."""
        raise AttributeError(_NOT_OBJECTS.format(what=f"method {method_name!r}"))

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Never: a batch has no wrappers round single environments."""
        return [False for _ in self._get_indices(indices)]


def _of_one(infos: dict[str, Any], index: int | np.integer[Any]) -> dict[str, Any]:
    """What the infos of a batch say of environment `index`; a value that has no mask beside it is there for all."""
    found = {}
    for key, values in infos.items():
        mask = infos.get(f"_{key}")
        if not key.startswith("_") and (mask is None or mask[index]):
            found[key] = _of_one(values, index) if isinstance(values, dict) else values[index]
    return found
