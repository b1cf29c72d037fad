"""A core of one's own: a battery-powered UE decides how long it sleeps before it listens for data again."""

from dataclasses import dataclass
from enum import IntEnum

import gymnasium
import torch

import twin_envs
from twin_envs.base.errors import check_number
from twin_envs.envs.core.configuration import EnvironmentConfig

SLEEPS_SLOTS = (20, 80, 320)
LAYOUT = twin_envs.ObservationLayout(
    (
        twin_envs.Field(name="speed", unit="m/s", low=0, high=20),
        twin_envs.Field(name="waiting", unit="1", low=0, high=10),
        twin_envs.Field(name="bits_per_re", unit="bit", low=0, high=8),
    )
)


@dataclass(frozen=True, kw_only=True)
class SleepConfig(EnvironmentConfig):
    """Options of Sleep.

    Args:
        arrivals_per_slot: packets that arrive for a UE in a slot, on average, 0.0001 to 1.
        listening_slots: slots that listening takes, 1 to 20.
    """

    site: str = "munich"
    num_ue: int = 2
    episode_slots: int = 2000
    link: str = "shannon"
    arrivals_per_slot: float = 0.01
    listening_slots: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("arrivals_per_slot", self.arrivals_per_slot, 1e-4, 1.0)
        check_number("listening_slots", self.listening_slots, 1, 20, integer=True)


@dataclass(kw_only=True)
class SleepState(twin_envs.NetworkState):
    """What the network knows besides: packets that wait for each UE, float32 [B, U]."""

    waiting: torch.Tensor = twin_envs.tensor("env", "ue")  # noqa: RUF009


class Draw(IntEnum):
    MOVE = 0
    ARRIVE = 1
    SEND = 2


class SleepCore(twin_envs.Core):
    """UEs wake up in turn, listen, and are sent what waits for them at the rate that their channel has."""

    draws_per_slot = len(Draw)

    def __init__(self, config, num_envs, device):
        super().__init__(config, num_envs, device)
        state = SleepState.create(num_envs, device, ue=config.num_ue)
        self.network = twin_envs.NetworkView(state=state, **self.view_fields())
        gain = self.gain_on_routes(self.site.reality(config.world))
        self.populate((gain > self.noise).any(0)[None])

    def reset(self, rows, keys):
        """Every UE is awake at time 0; UE 0 decides first."""
        self.begin(rows, keys)
        self.first_fix(rows)

    def step(self, rows, sleep_slots):
        """The UE in turn sleeps for `sleep_slots` [N]; then it listens and is sent what waits."""
        state, config = self.network.state, self.config
        now, ue = state.now_slots[rows], state.turn[rows]
        until = (now + sleep_slots + config.listening_slots).clamp_max(config.episode_slots)
        position, velocity = self.motion.at(rows, until * self.slot_s)
        self.seek(rows, until, Draw.MOVE)
        self.move(rows, until - now, position, velocity)
        self.seek(rows, until, Draw.ARRIVE)
        mean = (until - now)[:, None] * config.arrivals_per_slot
        state.waiting[rows] += (self.streams.uniform(rows, config.num_ue) * 2 * mean).round()
        atlas = self.site.reality(config.world)
        cell = atlas.geometry.cell(position[torch.arange(len(rows), device=self.device), ue])
        snr = torch.where(cell >= 0, atlas.gain.amax(0)[cell.clamp_min(0)], 0.0) / self.noise
        self.seek(rows, until, Draw.SEND)
        one = torch.ones(len(rows), device=self.device)
        sent, _ = self.send(snr[:, None], snr[:, None], 0 * snr, self.streams.uniform(rows, 5), one)
        served = state.waiting[rows, ue].clamp_max(10.0)
        state.waiting[rows, ue] -= served
        state.bits_per_re[rows, ue] = sent.bits_per_re
        state.now_slots[rows], state.decided[rows], state.turn[rows] = until, ue, (ue + 1) % config.num_ue
        by_ue = torch.zeros(len(rows), config.num_ue, device=self.device)
        share = served / config.episode_slots
        return twin_envs.Step(
            delivered_by_ue=by_ue.scatter_(1, ue[:, None], (sent.bits_per_re * share)[:, None]),
            charges=(),
            elapsed_slots=until - now,
            truncated=until >= config.episode_slots,
            ue=ue,
        )


class Sleep(twin_envs.Task):
    """The agent chooses how long the UE in turn sleeps."""

    options = SleepConfig

    def __init__(self, config, num_envs, device):
        super().__init__(SleepCore(config, num_envs, device), LAYOUT, gymnasium.spaces.Discrete(len(SLEEPS_SLOTS)))
        self.sleeps_slots = torch.tensor(SLEEPS_SLOTS, device=device)

    def observe(self, rows, ue):
        network, mine = self.network, (rows, ue)
        speed = network.sensing.velocity[mine].norm(dim=-1)
        state = network.state
        return self.layout.pack(
            {"speed": speed, "waiting": state.waiting[mine], "bits_per_re": state.bits_per_re[mine]}
        )

    def step(self, rows, actions):
        return self.core.step(rows, self.sleeps_slots[actions])

    def snapshot(self, row):
        """What a picture shows: where the UEs are believed to be, what waits for them, and what they were sent."""
        network, state = self.network, self.network.state
        decided, time_s = int(state.decided[row]), float(state.now_slots[row]) * network.slot_s
        rate = state.bits_per_re[row].cpu().numpy().copy()
        return twin_envs.Snapshot(
            time_s=time_s,
            ue_m=network.sensing.position[row].cpu().numpy().copy(),
            ue_std_m=network.sensing.position_std_m[row].cpu().numpy().copy(),
            deciding=int(state.turn[row]),
            decided=None if decided < 0 else decided,
            decision="" if decided < 0 else f"UE {decided}: slept, and was sent what waited",
            serving=tuple(range(len(network.recipe.access_points))),
            ue_rate=rate,
            rate=float(rate.sum()),
            overhead=0.0,
            notes={"waiting": state.waiting[row].cpu().numpy().copy()},
        )


twin_envs.register("mine/Sleep-v0", task="sleeping:Sleep")

if __name__ == "__main__":
    for action, slots in enumerate(SLEEPS_SLOTS):
        always = lambda seen, action=action: [action] * len(seen)  # noqa: E731
        print(slots, twin_envs.evaluate(always, "mine/Sleep-v0", seeds=4))
