"""An environment of one's own: how many bits does the UE that has just reported feed back next time?"""

import twin_envs
from twin_envs.envs.csi_cell.actions import CsiActions
from twin_envs.envs.csi_cell.task import CsiTask


class CodewordLength(CsiTask):
    """The agent chooses the length of the next codeword; the report period is 40 slots."""

    @staticmethod
    def choices(network) -> CsiActions:
        """Action i: the i-th length of the codec; the rest is as configured."""
        return CsiActions(network, periods_slots=(40,), codewords=True)

    def describe_decision(self, row: int, ue: int) -> str:
        """What a picture says of the last decision."""
        return f"reports {int(self.network.state.codeword_bits[row, ue])} bits next time"


twin_envs.register("mine/CodewordLength-v0", task="codeword_length:CodewordLength")

if __name__ == "__main__":
    small = {"num_ue": 4, "episode_slots": 400}
    for action in range(4):
        always = lambda seen, action=action: [action] * len(seen)  # noqa: E731
        print(action, twin_envs.evaluate(always, "mine/CodewordLength-v0", seeds=4, options=small))
