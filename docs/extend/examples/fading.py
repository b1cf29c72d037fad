"""A predictor of one's own: the channel stays as it was reported, and an error grows with the way that its UE goes."""

from dataclasses import dataclass

import torch

import twin_envs
from twin_envs.base.state import TensorState, tensor
from twin_envs.csi.prediction.protocol import Predicted


@dataclass(kw_only=True)
class Memory(TensorState):
    """Of each UE: when its report was measured, how fast it goes, and the power of its channel."""

    slots: torch.Tensor = tensor("env", "ue", dtype=torch.int64)
    speed_m_s: torch.Tensor = tensor("env", "ue")
    power: torch.Tensor = tensor("env", "ue")


class Fading:
    """Half of a channel is lost after so many wavelengths, in a straight line until all is lost."""

    asks = None  # it does not ask the twin
    predicts = True  # what it tells changes between reports

    def __init__(self, setting, half_life_wavelengths):
        self.setting = setting
        self.half_life_m = half_life_wavelengths * setting.wavelength_m

    def create(self, num_envs, num_ue):
        """What is kept."""
        return Memory.create(num_envs, self.setting.device, ue=num_ue)

    def learn(self, state, rows, ue, report):
        """Take note of the reports of UE `ue` [N] in environments `rows` [N]."""
        state.slots[rows, ue] = report.measured_slots
        state.speed_m_s[rows, ue] = report.sensed.velocity_m_s.norm(dim=-1)
        state.power[rows, ue] = report.h.abs().square().mean((1, 2))

    def predict(self, state, rows, slots, reported):
        """The channels and their errors at `slots` [N] in environments `rows` [N]."""
        age_s = (slots[:, None] - state.slots[rows]) * self.setting.slot_s
        lost = (0.5 * state.speed_m_s[rows] * age_s / self.half_life_m).clamp(0, 1).float()
        return Predicted(reported.h, torch.maximum(reported.error, lost * state.power[rows]))


def from_setting(setting):
    """What the option `prediction` names."""
    return Fading(setting, half_life_wavelengths=1.0)


if __name__ == "__main__":
    for prediction in ("hold", "fading:from_setting"):
        options = {"prediction": prediction, "num_ue": 4, "episode_slots": 400}
        print(
            prediction, twin_envs.evaluate(lambda seen: [6] * len(seen), "FeedbackInterval", seeds=4, options=options)
        )
