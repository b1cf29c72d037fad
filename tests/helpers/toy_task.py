"""A decision problem whose optimum is known, with any action space, for everything that must work on every `Task`."""

from dataclasses import dataclass, fields
from types import SimpleNamespace

import numpy as np
import torch
from gymnasium import spaces

from twin_envs.envs.core.layout import Field, ObservationLayout
from twin_envs.envs.core.task import Step, Task
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.world.store.site import load_site

SPACES = {
    "Discrete": spaces.Discrete(4),
    "MultiDiscrete": spaces.MultiDiscrete([4, 2]),
    "Box": spaces.Box(0.0, 2.0, (3,), np.float32),
}
ITEMS = 5


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Options: `actions` names one of `SPACES`, or is `Item`: see `Picking`."""

    world: str = "reality"
    twin: str = "twin"
    num_ue: int = 2
    episode_slots: int = 80
    actions: str = "Discrete"


class Toy(Task):
    """Every 10 slots the agent is shown a number and earns the more, the nearer its action is to it."""

    options = ToyConfig

    def __init__(self, config, num_envs, device):
        self.action_space = SPACES[config.actions]
        self.layout = ObservationLayout(
            (Field(name="wanted", unit="1", low=0, high=1), Field(name="turn", unit="10", low=0, high=1))
        )
        self.core = ToyCore(config, num_envs, device)
        self.high = torch.tensor(
            {"Discrete": [3.0], "MultiDiscrete": [3.0, 1.0], "Box": [2.0] * 3}[config.actions], device=device
        )

    def turn(self, rows):
        return self.core.known.now_slots[rows] // 10 % self.core.config.num_ue

    def observe(self, rows, ue):
        return self.layout.pack({"wanted": self.core.known.wanted[rows], "turn": ue.float()})

    def step(self, rows, actions):
        core, ue = self.core, self.turn(rows)
        earned = self.earned(rows, actions)[:, None].float()
        by_ue = torch.zeros(len(rows), core.config.num_ue).scatter_(1, ue[:, None], earned)
        by_ue = by_ue * 10 / core.config.episode_slots
        core.known.now_slots[rows] += 10
        core.draw(rows)
        truncated = core.known.now_slots[rows] >= core.config.episode_slots
        return Step(by_ue=by_ue, truncated=truncated, info={"elapsed_slots": torch.full_like(rows, 10), "ue": ue})

    def earned(self, rows, actions):
        share = actions.reshape(len(rows), -1) / self.high
        return 1.0 - (share - self.core.known.wanted[rows, None]).abs().mean(-1)

    def view(self, row):
        raise NotImplementedError


class Picking(Toy):
    """Every 10 slots the agent is shown what each of some items is worth, and earns what the one that it picks is."""

    def __init__(self, config, num_envs, device):
        self.action_space = spaces.Discrete(ITEMS)
        self.layout = ObservationLayout(
            tuple(Field(name=f"ue_{item}_worth", unit="1", low=0, high=1) for item in range(ITEMS))
        )
        self.core = ToyCore(config, num_envs, device)

    def observe(self, rows, ue):
        return self.worth(rows)

    def earned(self, rows, actions):
        return self.worth(rows).gather(1, actions[:, None])[:, 0]

    def worth(self, rows):
        """Worth of the items [N, ITEMS]."""
        return (self.core.known.wanted[rows, None] * (7 + 6 * torch.arange(ITEMS))) % 1.0


class ToyCore:
    slot_s = 0.5e-3

    def __init__(self, config, num_envs, device):
        self.config, self.num_envs, self.device, self.site = config, num_envs, device, load_site("munich", device)
        self.key = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self.known = SimpleNamespace(now_slots=torch.zeros_like(self.key), wanted=torch.zeros(num_envs, device=device))

    def reset(self, rows, keys):
        self.key[rows], self.known.now_slots[rows] = keys, 0
        self.draw(rows)

    def draw(self, rows):
        now = self.known.now_slots[rows]
        self.known.wanted[rows] = ((self.key[rows] % 1009 + now * 377) % 1009).float() / 1008


class ToyVectorEnv(TaskVectorEnv):
    """A batch of toys."""

    task_type = Toy


class PickingVectorEnv(TaskVectorEnv):
    """A batch of toys with items."""

    task_type = Picking


def make_toys(env, num_envs, **options):
    """Stands in for `twin_envs.agents.core.environments.make_envs`; the environment's name is not looked at."""
    names = [f.name for f in fields(ToyConfig)]
    kept = {name: value for name, value in options.items() if name in (*names, "autoreset_mode")}
    assert set(kept) == set(options)
    kind = PickingVectorEnv if options.get("actions") == "Item" else ToyVectorEnv
    return kind(num_envs, device="cpu", **kept)
