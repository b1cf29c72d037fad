"""Trained policies that come with the package, by the name of their environment.

    policy, card = twin_envs.load_trained("FeedbackInterval")
    print(twin_envs.evaluate(policy, "twin_envs/FeedbackInterval-v1", seeds=16))

In commands, and among the contenders of each environment that has one, it is called `learned`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from twin_envs.agents.core.policies import Array, State
from twin_envs.agents.learning.algorithms import new_network
from twin_envs.agents.learning.saving import CARD_FILE, PolicyCard, load_policy
from twin_envs.agents.learning.sb3 import SB3Policy
from twin_envs.agents.learning.shared import Items, SharedPolicy, find_items
from twin_envs.base.errors import ConfigurationError, check_choice
from twin_envs.envs.core.network_view import NetworkView
from twin_envs.envs.registry import specification, specifications

FOLDER = Path(__file__).resolve().parents[1] / "trained"
"""Folder of a folder for each environment, as `twin-envs train --out` writes them."""
NAME = "learned"
"""Of a policy that ships, among the contenders of its environment."""
_DEVIATIONS = "log_std"
"""How far actions in a Box are explored: what alone a network that items share has for each of them."""


def trained_names() -> list[str]:
    """Names of the environments that a trained policy ships for."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CARD_FILE}"))


def load_trained(env: str) -> tuple[SB3Policy, PolicyCard]:
    """The trained policy that ships for an environment, on the CPU, and the card that says how it came about.

    Args:
        env: its id, or its short name.

    Raises:
        ConfigurationError: there is no such environment, or none ships for it; the message names those that have one,
            and the nearest.
    """
    name = specification(env).name
    check_choice("env of a trained policy that ships", name, trained_names())
    return _load(FOLDER / name)


@lru_cache(maxsize=16)
def _load(folder: Path) -> tuple[SB3Policy, PolicyCard]:
    return load_policy(folder)


class Learned:
    """The trained policy that ships for the environments that it is attached to.

    Where one network is shared by all items, such as APs or UEs, it decides for any number of them.
    """

    def attach(self, network: NetworkView) -> None:
        """Decide in these environments.

        Raises:
            ConfigurationError: no policy ships for them, or it was made for other observations or actions; the message
                says what it was trained for, and how to train another.
        """
        env = next((known.name for known in specifications() if known.task == network.decision), network.decision)
        check_choice(f"env of the policy {NAME!r}", env, trained_names())
        policy, card = load_trained(env)
        policy = _for_these_items(policy, card, network)
        try:
            policy.attach(network)
        except ConfigurationError as error:
            trained_at = card.site["name"] if card.site else "another site"
            site = network.config.site
            raise ConfigurationError(
                f"policy {NAME!r} of {env} was trained at site {trained_at!r} and does not fit site {site!r} with "
                f'these options: {error}. `twin-envs train --env {env} --options \'{{"site": "{site}"}}\' --out '
                "FOLDER` trains one that does, and FOLDER is its name"
            ) from None
        self._policy = policy

    def predict(
        self, observation: Array, state: State = None, episode_start: Array | None = None, deterministic: bool = True
    ) -> tuple[Array, State]:
        """What the network does."""
        return self._policy.predict(observation, state, episode_start, deterministic)


def contender(network: NetworkView) -> Learned | None:
    """The trained policy that ships for these environments; None if none does, or it does not fit them."""
    policy = Learned()
    try:
        policy.attach(network)
    except ConfigurationError:
        return None
    return policy


def _for_these_items(policy: SB3Policy, card: PolicyCard, network: NetworkView) -> SB3Policy:
    """The policy for as many items as there are here, where a network is shared by them and sees the same of each."""
    layout, space = network.layout, network.action_space
    there, here = find_items(card.items, policy.action_space), find_items(layout.items, space)
    same_kind = type(space) is type(policy.action_space)
    if not isinstance(policy.network, SharedPolicy) or not there or not here or not same_kind:
        return policy
    if _seen(there, card.observation, card.items) != _seen(here, layout.names, layout.items):
        return policy
    made = new_network(card.configuration, layout.size, layout.items, space)
    weights = policy.network.state_dict()
    if _DEVIATIONS in weights:
        weights[_DEVIATIONS] = weights[_DEVIATIONS].mean().expand(len(here.own))
    made.load_state_dict(weights)
    return SB3Policy(made, layout.names, space)


def _seen(found: Items, names: list[str], items: list[str | None]) -> tuple[list[str], ...]:
    """Names of what is seen of an item, and of what is about none."""
    own = [names[place].removeprefix(f"{items[place]}_") for place in found.own[0]]
    return own, [names[place] for place in found.common]
