"""Policies that read reality, against which the others are measured. Privileged: never trained or deployed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from twin_envs.envs.faces.vector import TaskVectorEnv


class Oracle(ABC):
    """The base of policies that read reality: besides the network's view they are shown the environments themselves."""

    @abstractmethod
    def reveal(self, envs: TaskVectorEnv) -> None:
        """Called once before a rollout in `envs`, before `attach`."""
