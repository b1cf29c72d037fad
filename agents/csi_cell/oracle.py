"""Policies that read reality, against which the others are measured. Privileged: never trained or deployed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from twin_envs.agents.core.oracle import Oracle
from twin_envs.agents.core.policies import Array, Policy, ViewPolicy, attach
from twin_envs.agents.csi_cell.appraisal import Outlook
from twin_envs.agents.csi_cell.planner import Planner, together
from twin_envs.csi.precoding import regularised_zero_forcing
from twin_envs.csi.similarity import squared_cosine
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.csi_cell.core import CsiCell
from twin_envs.envs.csi_cell.view import CsiCellView
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.envs.reality.cell import Reality


class OraclePlanner(Planner, Oracle):
    """The same planner with reality in the twin's place: the true channel at the UE's true future positions, and the
    precoder that the cell has by its last reports for the UEs that are scheduled with it."""

    def reveal(self, envs: TaskVectorEnv) -> None:
        """Look into the cells of `envs`."""
        self._reality: Reality = cast(CsiCell, envs.core).reality

    def outlook(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> Outlook:
        """What will come of UE `ue` [N], if nothing but its own report changes."""
        state, reality, index = cell.state, self._reality, torch.arange(len(rows), device=cell.device)
        slots = state.report_slots[rows, ue][:, None] + torch.tensor(self.ages_slots, device=cell.device)
        position, _ = reality.position(rows, slots * cell.slot_s)  # [N, ages, U, 3]
        position = position[index, :, ue]
        h = reality.channel(rows, position, cell.subband_hz)
        among = together(cell, rows, ue)
        h_hat = state.h_hat[rows] * among[:, None, :, None]
        w = regularised_zero_forcing(h_hat, cell.noise + state.expected_error[rows], 1.0)
        _, moving = reality.served(rows, slots[:, 0] * cell.slot_s, cell.subband_hz, w)
        power = torch.einsum("nafc,nfcu->nafu", h, w).abs().square()
        own = power[index, ..., ue]
        decoded = state.h_hat[rows, :, ue]
        heard = reality.channel(rows, position[:, :1], cell.block_hz, synchronised=True)[:, 0]
        return Outlook(
            signal=own[:, None],
            disturbance=(power.sum(-1) - own)[:, None] + cell.noise,
            weight=torch.ones(len(rows), 1, device=cell.device),
            stray=h[:, 0].abs().square().mean((1, 2)) * (1 - 1 / among.sum(-1)),
            own=moving[index, ue][:, None],
            error=self.report_errors(cell, rows, ue, heard),
            noise=cell.noise,
            present=1 - squared_cosine(h[:, 0], decoded).mean(-1),
        )

    def uplink_gain(self, cell: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The true one."""
        position, _ = self._reality.position(rows, cell.state.now_slots[rows] * cell.slot_s)
        return self._reality.gain(rows, position[torch.arange(len(rows), device=cell.device), ue])


class HindsightOracle(ViewPolicy, Oracle):
    """Plays the episode of every environment in advance with several policies, and decides as the best of them did.

    Random numbers depend on the time alone, so what was played in advance comes true. It is for one episode of each
    environment, begun together, as `rollout.play` plays them; after its end the last action is repeated.

    Args:
        policies: one or more.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = policies

    def reveal(self, envs: TaskVectorEnv) -> None:
        """Keep the environments, to play in copies of them."""
        self._envs = envs

    def attach(self, network: NetworkView) -> None:
        """Begin anew: nothing has been played."""
        self._step = 0

    def act(self, observation: Array) -> Array:
        """What the best policy did at this step, in each environment, [N, ...]."""
        if self._step == 0:
            played = [self._play(policy, observation) for policy in self.policies]
            best = np.argmax([returns for returns, _ in played], 0)
            self._actions = [played[policy][1][env] for env, policy in enumerate(best)]
        self._step += 1
        return np.stack([actions[min(self._step, len(actions)) - 1] for actions in self._actions])

    def _play(self, policy: Policy, observation: Array) -> tuple[Array, list[list[Array]]]:
        """Return of each environment's episode under a policy, and the actions that it took."""
        site = self._envs.core.site
        envs = copy.deepcopy(self._envs, {id(site): site})
        attach(policy, envs)
        running, returns = np.ones(envs.num_envs, dtype=bool), np.zeros(envs.num_envs)
        actions: list[list[Array]] = [[] for _ in returns]
        start, state = running.copy(), None
        while running.any():
            chosen, state = policy.predict(observation, state, start, deterministic=True)
            for env in running.nonzero()[0]:
                actions[env].append(chosen[env])
            observation, rewards, _, truncated, _ = envs.step(chosen)
            returns[running] += rewards[running]
            running &= ~truncated
            start[:] = False
        return returns, actions
