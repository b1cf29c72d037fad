"""Decisions about beams with a channel twin of one's own."""

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.beams.beam_selection import BeamSelectionEnv
from twin_envs.envs.beams.twin_fidelity import TwinFidelityEnv
from twin_envs.twin.registry import channel_twins


class Blind:
    """A channel twin that knows nothing of beams."""

    def __init__(self, site, world, device):
        pass

    def predict(self, sensed, ap):
        raise AssertionError("nobody asks")


class OneBeam(Blind):
    """A channel twin that expects everybody in beam 5."""

    def beam_power(self, position_m, ap, beams, yaw_error_rad=None):
        power = torch.zeros(len(ap), beams.beams)
        power[:, 5] = 1e-8
        return power, torch.ones(len(ap), dtype=torch.bool)


@pytest.fixture
def own_twin():
    """Gives a channel twin the name `own`, for a test."""
    yield lambda kind: channel_twins.register("own", kind)
    channel_twins.unregister("own")


@pytest.mark.parametrize("env", [BeamSelectionEnv, TwinFidelityEnv])
def test_a_twin_without_beams_is_refused_when_the_environment_is_made(own_twin, env):
    own_twin(Blind)
    with pytest.raises(ConfigurationError, match="Blind has no beam_power: a decision about beams needs"):
        env(channel_twin="own", calibration_sweeps=0, device="cpu")


def test_the_agent_sees_the_beams_of_an_own_twin(own_twin):
    own_twin(OneBeam)
    env = BeamSelectionEnv(channel_twin="own", num_ue=2, episode_slots=3000, cycle_slots=960, device="cpu")
    observation, _ = env.reset(seed=0)
    twin_snr_db = env.observation_layout.value(observation, "twin_snr")
    assert twin_snr_db.argmax() == 5
    assert (np.delete(twin_snr_db, 5) == twin_snr_db.min()).all()
    assert env.observation_layout.value(observation, "twin_los_probability") == 1
