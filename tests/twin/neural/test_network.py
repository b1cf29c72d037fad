"""Small networks: always alike, without any global generator."""

import torch

from twin_envs.twin.neural.network import new_network, train


def trained():
    told = torch.rand(128, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    wanted = (told[:, :1] * told[:, 1:]) / 0.33
    network = new_network(2, (24, 24), 1, 0)
    train(network, told, wanted, torch.ones_like(wanted), steps=120, batch=64)
    return network, told, wanted


def test_a_network_learns_what_is_not_linear():
    network, told, wanted = trained()
    assert float((network(told) - wanted).square().mean()) < 0.1 * float(wanted.square().mean())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_training_is_repeated_exactly_and_moves_no_global_generator():
    before = torch.random.get_rng_state()
    one, told, _ = trained()
    other, _, _ = trained()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one(told), other(told))


def test_samples_of_no_weight_teach_nothing():
    told, weight = torch.rand(64, 2, generator=torch.Generator().manual_seed(0)), torch.ones(64, 1)
    weight[32:] = 0.0
    said = []
    for nonsense in (0.0, 1e6):
        wanted, network = torch.ones(64, 1), new_network(2, (16,), 1, 0)
        wanted[32:] = nonsense
        train(network, told, wanted, weight, steps=20, batch=64)
        said.append(network(told))
    assert torch.equal(*said)
