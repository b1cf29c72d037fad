"""Seeds of a batch: each environment has a generator of its own, from which its episodes' random streams follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from gymnasium.utils import seeding

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.core.plain import whole
from twin_envs.envs.faces.face import draw_key

Seed = int | Sequence[int | None] | None
"""An integer s gives environment i the seed s + i; a list is taken as it is; None leaves generators as they are."""


class BatchSeeds:
    """Generators of B environments.

    Args:
        num_envs: B.

    Attributes:
        generators: of each environment, None before its first seed.
        seeds: with which each generator began, None before.
    """

    def __init__(self, num_envs: int) -> None:
        self.generators: list[np.random.Generator | None] = [None] * num_envs
        self.seeds: list[int | None] = [None] * num_envs

    @property
    def complete(self) -> bool:
        """Whether every environment has a generator."""
        return all(generator is not None for generator in self.generators)

    def sow(self, seed: Seed, indices: Iterable[int]) -> None:
        """Seed environments anew, where a seed is given or there was none.

        Raises:
            ConfigurationError: there is not one seed for each environment of the batch.
        """
        seeds = seed_of_each(seed, len(self.seeds))
        for index in indices:
            if seeds[index] is not None or self.generators[index] is None:
                self.generators[index], self.seeds[index] = seeding.np_random(seeds[index])

    def keys(self, indices: Iterable[int]) -> list[int]:
        """A key for the random stream of the next episode of each of these environments."""
        return [draw_key(self.generators[index]) for index in indices]


def seed_of_each(seed: Seed, num_envs: int) -> list[int | None]:
    """The seed of each of `num_envs` environments.

    Raises:
        ConfigurationError: there is not one seed for each environment of the batch.
    """
    if seed is None:
        return [None] * num_envs
    if not isinstance(seed, Sequence | np.ndarray):
        return [whole(seed) + index for index in range(num_envs)]
    if len(seed) != num_envs:
        raise ConfigurationError(f"seed must be {num_envs} integers, got {len(seed)}")
    return [whole(one) for one in seed]
