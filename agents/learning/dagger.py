"""DAgger: the learner decides, and a teacher says what it would have done."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import update_learning_rate
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional

from twin_envs.agents.core.policies import Array, Policy, Weighs, attach
from twin_envs.agents.learning.standard import Standard
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.wrappers.learner_space import to_learner


class Dagger(OnPolicyAlgorithm):
    """Dataset aggregation (Ross, Gordon and Bagnell, "A reduction of imitation learning and structured prediction to
    no-regret online learning", 2011), weighted by what is at stake.

    In each round the batch of environments is led partly by the teacher and partly by the learner. The teacher says of
    every decision what it would have done, and the learner is fitted to what the teacher has said in all rounds: the
    likelihood of the teacher's actions is maximised. So the learner knows what to do where its own decisions lead. Its
    value function is fitted to the returns, for an algorithm that goes on from it.

    Args:
        policy: class of the network, an `ActorCriticPolicy`.
        env: where it learns.
        mixture: share of the teacher's decisions that is carried out in a round, of that in the round before; in the
            first it is all.
        updates: batches that the learner is fitted to after each round.
        batch_size: decisions in a batch.
        arguments: those of `OnPolicyAlgorithm`.
    """

    def __init__(
        self, policy: Any, env: VecEnv, *, mixture: float, updates: int, batch_size: int, **arguments: Any
    ) -> None:
        unused: dict[str, Any] = {
            "ent_coef": 0.0,
            "vf_coef": 0.0,
            "max_grad_norm": 0.0,
            "use_sde": False,
            "sde_sample_freq": -1,
        }
        super().__init__(policy, env, **unused, **arguments)
        self._mixture, self._updates, self._batch_size = mixture, updates, batch_size
        self._told: list[tuple[Array, ...]] = []
        """Observations, the teacher's actions, returns and stakes of each round."""
        self._standard: Standard | None = None

    def begin(self, teacher: Policy, envs: TaskVectorEnv) -> None:
        """Learn from `teacher` in `envs`, the batch that the algorithm's `VecEnv` holds."""
        attach(teacher, envs)
        self._teacher, self._action_space = teacher, envs.single_action_space
        self._generator = np.random.default_rng(self.seed)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Let `n_rollout_steps` pass in each environment; the buffer gets the teacher's actions, whoever decided."""
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        share = self._mixture ** (self.num_timesteps // (n_rollout_steps * env.num_envs))
        observation, start, state = cast(Array, self._last_obs), cast(Array, self._last_episode_starts), None
        self._stakes = np.ones((n_rollout_steps, env.num_envs), np.float32)
        for step in range(n_rollout_steps):
            wanted, state = self._teacher.predict(observation, state, start)
            if isinstance(self._teacher, Weighs):
                self._stakes[step] = self._teacher.stakes()
            wanted = to_learner(wanted, self._action_space)
            own, _ = self.policy.predict(observation, deterministic=True)
            led = self._generator.random(env.num_envs) < share
            met, rewards, start_next, infos = env.step(np.where(led.reshape(-1, *[1] * (own.ndim - 1)), wanted, own))
            self.num_timesteps += env.num_envs
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, start_next)
            for index in np.flatnonzero(start_next):  # an episode has only been cut: what follows is worth something
                rewards[index] += self.gamma * float(self._values(infos[index]["terminal_observation"][None]))
            values = self._values(observation)
            rollout_buffer.add(observation, wanted, rewards, start, values, torch.zeros_like(values))
            observation, start = cast(Array, met), start_next
        self._last_obs, self._last_episode_starts = observation, start
        rollout_buffer.compute_returns_and_advantage(last_values=self._values(observation), dones=start)
        self.logger.record("rollout/teacher_share", share)
        callback.on_rollout_end()
        return True

    def train(self) -> None:
        """Fit the learner to what the teacher has said so far, and its values to the returns."""
        policy, buffer = self.policy, self.rollout_buffer
        policy.set_training_mode(True)
        done = self.num_timesteps - buffer.buffer_size * buffer.n_envs  # when the round began: the last one counts, too
        update_learning_rate(policy.optimizer, self.lr_schedule(1.0 - done / self._total_timesteps))
        told = (buffer.observations, buffer.actions, buffer.returns, self._stakes)
        self._told.append(tuple(part.reshape(-1, *part.shape[2:]).copy() for part in told))
        observations, wanted, returns, stakes = (
            torch.from_numpy(np.concatenate(part)) for part in zip(*self._told, strict=True)
        )
        self._standard = self._standard or Standard(policy, observations)
        observations, weights = self._standard(observations), stakes / stakes.mean().clamp_min(1e-9)
        if isinstance(self.action_space, spaces.Discrete):
            wanted = wanted[:, 0].long()
        with self._standard.shown():
            for _ in range(self._updates):
                some = torch.from_numpy(self._generator.integers(len(returns), size=self._batch_size))
                values, log_likelihood, _ = policy.evaluate_actions(observations[some], wanted[some])
                value_loss = functional.mse_loss(values[:, 0], returns[some])
                loss = value_loss - (weights[some] * log_likelihood).mean()
                policy.optimizer.zero_grad()
                loss.backward()
                policy.optimizer.step()
        self.logger.record("train/log_likelihood", log_likelihood.mean().item())
        self.logger.record("train/value_loss", value_loss.item())

    @torch.no_grad()
    def _values(self, observation: Array) -> torch.Tensor:
        """What the value function says of observations [N, D], [N]."""
        return self.policy.predict_values(torch.from_numpy(observation))[:, 0]
