"""An environment whose optimum is known, its contenders, and policies of somebody else: good ones and bad ones.

Importing this module registers the environment, so that other processes find it by `ENV`.
"""

import os
from pathlib import Path

import numpy as np

import twin_envs
from twin_envs.agents.core.contenders import Contenders
from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import FixedPolicy

ID = "toys/Guess-v0"
ENV = f"suite_toys:{ID}"
"""As a protocol names it."""


def add():
    """Register the environment; again, if it was unregistered."""
    twin_envs.register(ID, task="toy_task:Toy", contenders="suite_toys:rivals")


class Rule:
    """Takes the action that is wanted, with an error."""

    def __init__(self, off=0.0):
        self.off = off

    def attach(self, network):
        self.actions = network.action_space.n

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        wanted = np.clip(observation[:, 0] + self.off, 0, 1)
        return np.round(wanted * (self.actions - 1)).astype(np.int64), None


class Cheat(Rule, Oracle):
    """Is shown the environments."""

    def reveal(self, envs):
        self.envs = envs


def rivals(network):
    return Contenders(
        fixed={f"fixed-{action}": FixedPolicy(action) for action in range(4)},
        tuned={"rule": {-0.4: Rule(-0.4), 0.3: Rule(0.3)}, "twin-rule": {"near": Rule(0.1), "far": Rule(0.6)}},
        ready={"oracle": Cheat()},
        reference="rule",
    )


class Mine(Rule):
    """Better than the rules."""

    def __init__(self):
        super().__init__(0.05)


class Raises(Rule):
    def predict(self, *arguments, **keywords):
        raise ZeroDivisionError("division of my own")


class Exits(Rule):
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        raise SystemExit("enough")


class FailsToAttach(Rule):
    def attach(self, network):
        raise RuntimeError("no such capability")


class CannotBeMade(Rule):
    def __init__(self):
        raise OSError("no weights")


class Nan(Rule):
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full(len(observation), np.nan), None


class WrongShape(Rule):
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros((len(observation), 2), np.int64), None


class Outside(Rule):
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full(len(observation), 4), None


class NoState(Rule):
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros(len(observation), np.int64)


class FailsLater(Rule):
    """Decides a while, then raises."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        self.steps += 1
        if self.steps > 3:
            raise ValueError("tired")
        return super().predict(observation)


add()


class DiesOnce(Rule):
    """Its process is gone, as if killed, when it is first made; `LOST_ONCE` names the mark that it leaves."""

    def __init__(self):
        super().__init__(0.05)
        mark = Path(os.environ["LOST_ONCE"])
        if not mark.exists():
            mark.touch()
            os._exit(1)
