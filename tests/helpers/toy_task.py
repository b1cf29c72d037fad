"""A decision problem whose optimum is known, with any action space, for everything that must work on every `Task`."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from gymnasium import spaces

from twin_envs.base.state import tensor
from twin_envs.envs.core.configuration import EnvironmentConfig
from twin_envs.envs.core.core import Core
from twin_envs.envs.core.layout import Field, ObservationLayout
from twin_envs.envs.core.network_view import NetworkState, NetworkView
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.task import Task
from twin_envs.envs.faces.vector import TaskVectorEnv

SPACES = {
    "Discrete": spaces.Discrete(4),
    "MultiDiscrete": spaces.MultiDiscrete([4, 2]),
    "Box": spaces.Box(0.0, 2.0, (3,), np.float32),
}
ITEMS = 5


@dataclass(frozen=True, kw_only=True)
class ToyConfig(EnvironmentConfig):
    """Options: `actions` names one of `SPACES`, or is `Item`: see `Picking`."""

    site: str = "munich"
    num_ue: int = 2
    episode_slots: int = 80
    link: str = "shannon"
    actions: str = "Discrete"

    def __post_init__(self):
        pass  # episodes are shorter than those of a real environment may be


@dataclass(kw_only=True)
class ToyState(NetworkState):
    """What the network knows: a number that is wanted, and the key that it comes from."""

    key: torch.Tensor = tensor("env", dtype=torch.int64)
    wanted: torch.Tensor = tensor("env")


class ToyCore(Core):
    """Draws a number every 10 slots."""

    draws_per_slot = 1

    def __init__(self, config, num_envs, device):
        super().__init__(config, num_envs, device)
        self.network = NetworkView(state=ToyState.create(num_envs, device, ue=config.num_ue), **self.view_fields())

    def reset(self, rows, keys):
        self.network.state.clear(rows)
        self.network.state.key[rows] = keys
        self.draw(rows)

    def draw(self, rows):
        state = self.network.state
        now = state.now_slots[rows]
        state.turn[rows] = now // 10 % self.config.num_ue
        state.wanted[rows] = ((state.key[rows] % 1009 + now * 377) % 1009).float() / 1008


class Toy(Task):
    """Every 10 slots the agent is shown a number and earns the more, the nearer its action is to it."""

    options = ToyConfig
    about = (Field(name="wanted", unit="1", low=0, high=1), Field(name="turn", unit="10", low=0, high=1))
    terms = {"elapsed_slots": torch.int64}  # noqa: RUF012

    def __init__(self, config, num_envs, device):
        space = SPACES[config.actions]
        super().__init__(ToyCore(config, num_envs, device), ObservationLayout(self.about), space)
        self.high = torch.tensor(
            {"Discrete": [3.0], "MultiDiscrete": [3.0, 1.0], "Box": [2.0] * 3}[config.actions], device=device
        )

    def observe(self, rows, ue):
        return self.layout.pack({"wanted": self.network.state.wanted[rows], "turn": ue.float()})

    def step(self, rows, actions):
        core, state, ue = self.core, self.network.state, self.turn(rows)
        earned = self.earned(rows, actions)[:, None].float()
        by_ue = torch.zeros(len(rows), core.config.num_ue).scatter_(1, ue[:, None], earned)
        by_ue = by_ue * 10 / core.config.episode_slots
        state.now_slots[rows] += 10
        core.draw(rows)
        truncated = state.now_slots[rows] >= core.config.episode_slots
        elapsed = torch.full_like(rows, 10)
        return Step(delivered_by_ue=by_ue, charges=(), elapsed_slots=elapsed, truncated=truncated, ue=ue)

    def earned(self, rows, actions):
        share = actions.reshape(len(rows), -1) / self.high
        return 1.0 - (share - self.network.state.wanted[rows, None]).abs().mean(-1)

    def snapshot(self, row):
        raise NotImplementedError


class Picking(Toy):
    """Every 10 slots the agent is shown what each of some items is worth, and earns what the one that it picks is."""

    def __init__(self, config, num_envs, device):
        layout = ObservationLayout(
            tuple(Field(name=f"ue_{item}_worth", unit="1", low=0, high=1, item="ue", of=item) for item in range(ITEMS))
        )
        Task.__init__(self, ToyCore(config, num_envs, device), layout, spaces.Discrete(ITEMS))

    def observe(self, rows, ue):
        return self.worth(rows)

    def earned(self, rows, actions):
        return self.worth(rows).gather(1, actions[:, None])[:, 0]

    def worth(self, rows):
        """Worth of the items [N, ITEMS]."""
        return (self.network.state.wanted[rows, None] * (7 + 6 * torch.arange(ITEMS))) % 1.0


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
