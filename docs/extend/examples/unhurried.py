"""A mobility of one's own: everybody walks and drives at half the speed."""

import twin_envs
from twin_envs.world.motion import Motion


class Unhurried(Motion):
    """The trajectories of `Motion`, begun with half the speed."""

    def start(self, rows, *, speed_m_s, **others):
        """Begin new trajectories in environments `rows` [N]."""
        super().start(rows, speed_m_s=speed_m_s / 2, **others)


def seldom(observation):
    """A policy that lets every UE report once in 320 slots."""
    return [9] * len(observation)


if __name__ == "__main__":
    for mobility in ("routes", "unhurried:Unhurried"):
        options = {"mobility": mobility, "population": "vehicles", "num_ue": 4, "episode_slots": 400}
        print(mobility, twin_envs.evaluate(seldom, "FeedbackInterval", seeds=32, options=options))
