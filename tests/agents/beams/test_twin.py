"""Sweeps by what the twin says of every beam."""

import itertools

import torch

from twin_envs.agents.beams.twin import TwinBeam, TwinInSsb, TwinSweep


def test_a_twins_sweep_is_wider_the_more_of_the_places_it_must_hold(envs, attached):
    envs.reset(seed=1)
    rows, network = torch.arange(2), envs.network
    widths = []
    for share in (0.0, 0.5, 0.9, 1.0):
        centre, width = attached(TwinSweep(share)).choose(rows, rows * 0)
        beliefs = network.twin.ask(network.sensed(rows, rows * 0), network.state.ap)
        assert torch.equal(centre, beliefs.mean_power.argmax(-1))
        widths.append(width)
    assert (widths[0] == 0).all()
    assert all((wide >= narrow).all() for narrow, wide in itertools.pairwise(widths))


def test_the_twin_alone_sweeps_round_its_best_beam_whatever_was_measured(envs, attached):
    envs.reset(seed=1)
    rows, network = torch.arange(2), envs.network
    policy = attached(TwinBeam(1))
    centre, width = policy.choose(rows, rows * 0)
    beliefs = network.twin.ask(network.sensed(rows, rows * 0), network.state.ap)
    assert torch.equal(centre, beliefs.mean_power.argmax(-1))
    assert (width == 1).all()
    network.state.snr.fill_(1e-3)
    assert torch.equal(policy.choose(rows, rows * 0)[0], centre)
    network.sensing.position[:] = 1e4
    assert torch.equal(policy.choose(rows, rows * 0)[0], network.nearest(rows, rows * 0))


def test_within_an_ssb_the_twin_chooses_among_its_four_beams(envs, attached):
    envs.reset(seed=1)
    rows, network = torch.arange(2), envs.network
    beliefs = network.twin.ask(network.sensed(rows, rows * 0), network.state.ap)
    for ssb in (3, 9):
        network.state.beam[:] = 64 + ssb
        centre, width = attached(TwinInSsb(1)).choose(rows, rows * 0)
        four = beliefs.mean_power[:, 4 * ssb : 4 * ssb + 4]
        assert torch.equal(centre, 4 * ssb + four.argmax(-1))
        assert (width == 1).all()
