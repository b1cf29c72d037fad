"""Training of the network of `path-net`: the loss is what the codec pays, and it falls."""

import pytest
import torch

from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.path_net.circumstances import NONE, circumstances
from twin_envs.csi.codecs.path_net.formats import FORMATS
from twin_envs.csi.codecs.path_net.weights import STORED
from twin_envs.csi.codecs.path_net_twin.codec import PathNetTwin
from twin_envs.csi.training.path_net import LINKS, draw_reports, place_bits, train_network
from twin_envs.world.store.site import load_site

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def site():
    return load_site("munich-cellfree")


@pytest.fixture(scope="module")
def reports(site):
    return draw_reports(site, 2 * LINKS, seed=1, held_out=False)


def test_reports_are_of_each_format_in_turn_and_some_are_told_nothing(reports):
    assert [some.number for some in reports] == [0, 1]
    for some in reports:
        assert some.paths.shape == (LINKS, FORMATS[some.number].paths, 6)
        untold = (some.told[..., 3] == NONE).all(1).float().mean()
        assert 0.15 < untold < 0.4


def test_the_loss_is_what_the_codec_pays_but_for_rounding_and_what_is_kept_for_any_place(site, reports):
    network, some = STORED.packaged, reports[1]
    below_db = some.paths[..., 4].cumsum(1) * FORMATS[some.number].fall_db
    asked = circumstances(some.told, some.paths[..., 1:4], below_db, some.sizes)
    loss = place_bits(network, some, asked, slice(None))
    codec = PathNetTwin(network, angle_delay_grid(site), CPU)
    paid = codec.prior.information(some.told, some.paths[..., 1:4], below_db, FORMATS[some.number].steps(below_db))
    likely = loss < 10
    assert likely.float().mean() > 0.8
    assert float((paid - loss)[likely].abs().mean()) < 0.3


def test_training_is_repeatable_and_makes_reports_shorter(reports):
    losses = []
    first, again = (
        train_network(reports, passes=3, seed=2, progress=lambda _, loss: losses.append(loss)) for _ in range(2)
    )
    assert losses[2] < losses[0] - 0.3
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
        assert value.isfinite().all()
    assert int(first.falls[0].sum()) == first.falls[0].numel() + LINKS * (FORMATS[0].paths - 1)
