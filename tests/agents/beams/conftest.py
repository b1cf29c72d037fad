"""Small cells with beams, and what every test about their policies needs."""

import pytest
import torch

from twin_envs.agents.core.environments import make_envs


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def envs():
    """Two cells of one UE each."""
    return make_envs("BeamSelection", 2, num_ue=1, cycle_slots=320, episode_slots=9600, device="cpu")


@pytest.fixture
def attached(envs):
    """Attaches a policy to `envs`."""

    def attach(policy):
        policy.attach(envs.network)
        return policy

    return attach
