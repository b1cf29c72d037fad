"""A policy of one's own: fast UEs report often. It reads the network's view, which holds nothing of reality."""

import numpy as np

import twin_envs


class SpeedPolicy:
    """The period falls with the sensed speed.

    Args:
        metres: the way that a UE may go between two reports.
    """

    def __init__(self, metres=0.05):
        self.metres = metres

    def attach(self, network):
        """Called once before a rollout."""
        self.network, self.layout = network, network.layout
        self.periods_slots = np.array(network.actions.periods_slots)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """Actions [N] for observations [N, D], as in Stable-Baselines3."""
        speed = np.maximum(self.layout.value(observation, "speed"), 1e-3)
        wanted_slots = self.metres / speed / self.network.slot_s
        return np.abs(np.log(self.periods_slots) - np.log(wanted_slots)[:, None]).argmin(-1), state


if __name__ == "__main__":
    small = {"num_ue": 4, "episode_slots": 400}
    mine = twin_envs.evaluate(SpeedPolicy(), "FeedbackInterval", seeds=4, options=small)
    print(mine)
    print(mine.against(twin_envs.evaluate("csi_twin", "FeedbackInterval", seeds=4, options=small)))
