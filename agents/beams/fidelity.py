"""Policies that choose which twin to ask before a deadline."""

from __future__ import annotations

from abc import abstractmethod

import torch

from twin_envs.agents.beams.twin import goodput_table
from twin_envs.agents.core.policies import Array, ViewPolicy
from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.base.settings import computing, lasting
from twin_envs.base.units import db_to_linear, linear_to_db
from twin_envs.envs.beams.actions import ANSWER_BEAMS, REFINED_BEAMS, TwinActions
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.twin.protocol import ChannelTwin, SensedState

_WAYS_M = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Ways after which answers are surveyed."""
_GOLDEN_ANGLE_RAD = 2.39996
"""Directions of the ways: multiples of it are spread evenly."""


class FidelityPolicy(ViewPolicy):
    """Chooses a twin by what the network knows."""

    def attach(self, network: NetworkView) -> None:
        """Choose among the twins of these environments. Raises `ConfigurationError` if there are none."""
        if not isinstance(network, BeamView) or not isinstance(network.actions, TwinActions):
            raise ConfigurationError(f"the environments must have twins to choose from, got {type(network).__name__}")
        self.network, self.actions = network, network.actions

    @abstractmethod
    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Index of the twin to ask about UE `ue` [N] in environments `rows` [N], int64 [N]."""

    def act(self, observation: Array) -> Array:
        """The twin to ask in each environment, [N]."""
        network = self.network
        with computing(network.num_envs):
            rows = torch.arange(network.num_envs, device=network.device)
            return self.choose(rows, network.state.turn).cpu().numpy()


class DeadlineRule(FidelityPolicy):
    """The dearest twin that answers within a share of the time that there is; the quickest if none does.

    Args:
        share: of the deadline, 0.01 to 1.
    """

    def __init__(self, share: float = 1.0) -> None:
        check_number("share", share, 0.01, 1.0)
        self.share = share

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The dearest twin within the share."""
        deadline = self.network.state.burst_slots[rows]
        in_time = self.actions.latency_slots < self.share * deadline[:, None]
        return (in_time.sum(-1) - 1).clamp_min(0)


class AdaptiveTwin(FidelityPolicy):
    """Weighs what a more faithful answer is worth against what the UE loses while it waits.

    What an answer is worth is learnt from the twins alone, in a survey before the first decision: the most faithful one
    stands for reality, and at places drawn from it each twin's best beams are compared with the best there is, at once
    and when the UE has gone some way since; likewise a beam that was best
    once. Places in sight of the AP and others are kept apart. A decision takes the twin with the least expected loss in
    the burst, the sweep of its answer included.

    Args:
        impatience: how many times what is lost while waiting counts, 0.1 to 100: the twins know nothing of what blocks
            the beam that is kept.
        places: how many links are surveyed, 100 to 100,000.
    """

    def __init__(self, impatience: float = 1.0, places: int = 4000) -> None:
        check_number("impatience", impatience, 0.1, 100.0)
        check_number("places", places, 100, 100_000, integer=True)
        self.impatience, self.places = impatience, places

    def attach(self, network: NetworkView) -> None:
        """Survey the twins."""
        super().attach(network)
        with lasting():
            self._survey()

    def _survey(self) -> None:
        """Losses [bits per resource element] by line of sight and way: of each twin's answer, and of a kept beam."""
        network, maps, device = self.network, self.actions.maps, self.network.device
        geometry, goodput = network.geometry, goodput_table(network.link, device)
        served = self._served(maps[-1].twin).nonzero()
        ap, cell = served[torch.linspace(0, len(served) - 1, min(self.places, len(served)), device=device).long()].mT
        place = geometry.point_m[cell, :2]
        los = network.twin.look(place, ap)[1]
        answers = [beam_map.look(place, ap)[0].topk(ANSWER_BEAMS, -1).indices for beam_map in maps]
        best = maps[-1].look(place, ap)[0].argmax(-1)
        answers.append(best[:, None])
        self._way_m = torch.tensor(_WAYS_M, device=device)
        angle = torch.arange(len(ap), device=device) * _GOLDEN_ANGLE_RAD
        ahead = torch.stack([angle.cos(), angle.sin()], -1)
        self._loss = torch.zeros(len(answers), 2, len(_WAYS_M), device=device)
        for step, way_m in enumerate(_WAYS_M):
            there = maps[-1].look(place + way_m * ahead, ap)[0] / network.noise
            best = goodput(linear_to_db(there.amax(-1)))
            for index, beams in enumerate(answers):
                loss = best - goodput(linear_to_db(there.gather(-1, beams).amax(-1)))
                for sight in (0, 1):
                    among = (there.amax(-1) > 1.0) & (los == bool(sight))
                    self._loss[index, sight, step] = (loss * among).sum() / among.sum().clamp_min(1)

    def _served(self, twin: ChannelTwin) -> torch.Tensor:
        """Where which AP is received with a beam's gain, by what a twin knows of each grid point; bool [A, C]."""
        network, geometry = self.network, self.network.geometry
        aps, cells = len(geometry.ap_position_m), len(geometry.point_m)
        still, exact = torch.zeros(cells, 2, device=network.device), torch.zeros(cells, device=network.device)
        there = SensedState(
            position_m=geometry.point_m[:, :2], velocity_m_s=still, position_std_m=exact, velocity_std_m_s=exact
        )
        served = torch.zeros(aps, cells, dtype=torch.bool, device=network.device)
        for ap in range(aps):
            known = twin.predict(there, torch.full((cells,), ap, device=network.device))
            served[ap] = (known.covered > 0) & (db_to_linear(known["gain_db"]) * network.codebook.beams > network.noise)
        return served

    def _expected(self, index: int, los: torch.Tensor, way_m: torch.Tensor) -> torch.Tensor:
        """Expected loss of answer `index` (the last: of a kept beam) for UEs in sight with probability `los` [N]."""
        upper = torch.bucketize(way_m, self._way_m).clamp(1, len(_WAYS_M) - 1)
        low, high = self._way_m[upper - 1], self._way_m[upper]
        share = ((way_m - low) / (high - low)).clamp(0.0, 1.0)
        loss = self._loss[index]
        between = loss[:, upper - 1] * (1 - share) + loss[:, upper] * share
        return between[1] * los + between[0] * (1 - los)

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The twin with the least expected loss."""
        network, state = self.network, self.network.state
        sensed = network.sensed(rows, ue)
        los = network.twin.ask(sensed, state.ap[rows]).los_probability
        speed = sensed.velocity_m_s.norm(dim=-1)
        start, deadline = state.now_slots[rows], state.burst_slots[rows]
        swept = torch.full_like(start, ANSWER_BEAMS + 1)
        sweep_share = network.schedule.sweep_elements(swept) / network.schedule.data_elements(start, start + deadline)
        cost = sweep_share * state.bits_per_re[rows, ue]
        age_s = (start - state.chosen_slots[rows, ue]) * network.slot_s
        deadline_s, losses = deadline * network.slot_s, []
        refined = network.schedule.serves(start, torch.full_like(start, REFINED_BEAMS))
        for index, latency in enumerate(self.actions.latency_slots):
            waiting_slots = network.schedule.serves(torch.maximum(start + latency, refined), swept) - start
            waiting_s = torch.minimum(waiting_slots, deadline) * network.slot_s
            waiting = self._expected(-1, los, speed * (age_s + waiting_s / 2))
            later = self._expected(-1, los, speed * (age_s + (waiting_s + deadline_s) / 2))
            answered = self._expected(index, los, speed * (waiting_s + deadline_s) / 2)
            share = waiting_s / deadline_s
            spent = torch.where(share < 1, cost, 0.0)
            losses.append(self.impatience * share * waiting + (1 - share) * torch.minimum(later, answered) + spent)
        return torch.stack(losses, -1).argmin(-1)
