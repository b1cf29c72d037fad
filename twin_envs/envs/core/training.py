"""How an environment is learnt: the rewards and hyperparameters that were tried."""

from __future__ import annotations

from dataclasses import dataclass, fields

REWARDS = ("relative", "raw")
"""Learn from `twin_envs.wrappers.RelativeReward`, or from the environment's rewards as they are."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How PPO (Schulman et al., "Proximal policy optimization algorithms", 2017) learns an environment in the twin.

    The reward is the whole cell's and the action one UE's, so its effect drowns in the reward's noise: batches are
    large. It shows until that UE's next turn, some ten to thirty steps later, and the observations in between are
    about other UEs, so the critic cannot tell: the advantages look that far ahead. Choices that are bad for most UEs
    may be good for a few; the entropy bonus keeps them in play until the policy can tell these apart.

    Args:
        reward: one of `REWARDS`.
        discount: per decision.
        learning_rate: of Adam at the start; it falls linearly to zero.
        num_envs: environments in the batch.
        rollout_steps: decisions in each environment between two updates.
        batches: in an epoch.
        epochs: of each update.
        gae_lambda: bias against variance of the advantages (Schulman et al., 2016).
        entropy: weight of the entropy bonus.
        clip: of the policy's ratio.
        kl_limit: an update ends early when the policy has moved by 1.5 times this KL divergence.
        hidden: sizes of the hidden layers.
        deviation: standard deviation with which actions in a Box are explored at first, of half their range.
        steps: decisions in all environments together.
        remark: what else is worth knowing, a sentence.
    """

    reward: str = "relative"
    discount: float = 0.95
    learning_rate: float = 3e-3
    num_envs: int = 128
    rollout_steps: int = 64
    batches: int = 4
    epochs: int = 10
    gae_lambda: float = 0.95
    entropy: float = 0.05
    clip: float = 0.2
    kl_limit: float = 0.1
    hidden: tuple[int, ...] = (64, 64)
    deviation: float = 0.5
    steps: int = 240_000
    remark: str = ""

    def text(self) -> str:
        """The section `Training` of an environment's docstring, as Markdown."""
        how = "relative rewards (`twin_envs.wrappers`)" if self.reward == "relative" else "the rewards as they are"
        parts = [f"PPO in the twin, on {how}, with"]
        parts.append("\n".join(["| hyperparameter | |", "|---|---|", *map(self._row, _HYPERPARAMETERS)]))
        return "\n\n".join([*parts, *([self.remark] if self.remark else [])])

    def _row(self, name: str) -> str:
        return f"| `{name}` | {getattr(self, name)} |"


_HYPERPARAMETERS = [field.name for field in fields(Training) if field.name not in ("reward", "remark")]
