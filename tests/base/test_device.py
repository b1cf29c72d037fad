"""Where an environment computes: any device that torch computes on."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv, FeedbackIntervalVectorEnv

MAKES = (FeedbackIntervalEnv, FeedbackIntervalVectorEnv)


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("device", ["auto", "cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)])
def test_a_processor_has_many_names_and_one_site(make, device):
    core = make(device=device, num_ue=2).core
    assert core.device == torch.device("cpu")
    assert core.site is make(device="cpu", num_ue=2).core.site


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("device", ["gpu", "", "cpu:x", None, 2.5, ["cpu"]])
def test_what_is_no_device_is_refused(make, device):
    with pytest.raises(ConfigurationError, match="device must be 'auto' or a device of torch") as error:
        make(device=device)
    assert repr(device) in str(error.value)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda", 0)])
def test_a_gpu_that_is_not_there_is_refused(device):
    with pytest.raises(ConfigurationError, match="torch finds no GPU"):
        FeedbackIntervalEnv(device=device)


def test_a_device_that_holds_no_numbers_is_refused():
    with pytest.raises(ConfigurationError, match="device must be one that torch can compute on here, got 'meta'"):
        FeedbackIntervalEnv(device="meta")


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda:0", torch.device("cuda:0"), torch.device("cuda")])
def test_a_gpu_has_many_names_and_one_site(device):
    core = FeedbackIntervalEnv(device=device, num_ue=2).core
    assert core.device == torch.device("cuda:0")
    assert core.site is FeedbackIntervalEnv(device="cuda", num_ue=2).core.site
