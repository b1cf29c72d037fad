"""UEs that learn together: what comes of it, and what comes of those who do not play fair."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.federated.aggregation import limited, trimmed_mean
from twin_envs.twin.federated.client import LayerClient, NetworkClient
from twin_envs.twin.federated.server import WEIGHT_BITS, Plan, federate
from twin_envs.twin.neural.network import new_network

TRUE = torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
START = torch.zeros(4)


def samples(count, seed, noise=0.01, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    told = torch.randn(count, 4, generator=generator)
    return told, told @ (TRUE + offset) + noise * torch.randn(count, 1, generator=generator)


def clients(count=5, **of):
    return [LayerClient(*samples(40, seed, **of), 0.3) for seed in range(count)]


def off(made):
    return float((made.weights - TRUE.flatten()).abs().max())


class Sends:
    """A client that sends what it likes."""

    def __init__(self, answer, samples=40):
        self.answer, self.samples = answer, samples

    def update(self, weights, round_number):
        return self.answer(weights)


def test_together_they_learn_what_one_would_have_learnt_of_all():
    made = federate(clients(), START, Plan(rounds=40))
    assert off(made) < 0.01
    assert made.tally.asked == 200
    assert made.tally.dropped == made.tally.refused == 0


def test_one_client_alone_solves_for_its_own_samples():
    told, wanted = samples(40, 0, noise=1.0)
    made = federate([LayerClient(told, wanted, 0.3)], START, Plan(rounds=200))
    expected = torch.linalg.lstsq(told, wanted).solution.flatten()
    torch.testing.assert_close(made.weights, expected, rtol=1e-3, atol=1e-3)


def test_bits_are_those_of_whom_was_asked():
    made = federate(clients(), START, Plan(rounds=10, participation=0.5))
    assert made.tally.asked == 30
    assert made.tally.uplink_bits == made.tally.downlink_bits == 30 * 4 * WEIGHT_BITS
    personal = federate(clients(), START, Plan(rounds=1, personal=1))
    assert personal.tally.uplink_bits == 5 * 3 * WEIGHT_BITS
    assert personal.weights[-1] == 0
    assert (personal.weights[:-1] != 0).all()


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (lambda weights: None, "dropped"),
        (lambda weights: weights * torch.nan, "refused"),
        (lambda weights: weights + torch.inf, "refused"),
        (lambda weights: weights[:2], "refused"),
    ],
)
def test_who_drops_out_or_sends_nonsense_is_survived_and_counted(answer, counted):
    made = federate([*clients(), Sends(answer)], START, Plan(rounds=40))
    assert off(made) < 0.01
    tally = vars(made.tally)
    assert tally[counted] == 40
    assert sum(tally[name] for name in ("dropped", "refused", "bounded")) == 40


def test_if_nobody_sends_anything_the_weights_stay():
    made = federate([Sends(lambda weights: None)], START + 2, Plan(rounds=3))
    assert torch.equal(made.weights, START + 2)
    assert made.tally.uplink_bits == 0


def test_a_poisoner_is_held_back_and_left_out():
    def poison(weights):
        return weights - 1e6

    trusting = federate([*clients(), Sends(poison)], START, Plan(rounds=40, trim=0.0))
    assert trusting.tally.bounded == 40
    assert trusting.weights.isfinite().all()
    trimmed = federate([*clients(), Sends(poison)], START, Plan(rounds=5, trim=0.15))
    bounded = federate([*clients(), Sends(poison)], START, Plan(rounds=5, trim=0.0))
    assert off(trimmed) < 0.5 * off(bounded)
    assert off(trusting) < 0.05


class Poisons(Sends):
    """Sends -20 times what it has learnt, and says that it has as many samples as it likes."""

    def __init__(self, said):
        self.honest = LayerClient(*samples(40, 4), 0.3)
        super().__init__(lambda weights: weights - 20 * (self.honest.update(weights, 0) - weights), said)


def test_who_claims_far_more_samples_than_others_is_held_back():
    honest = clients(4)
    made = federate([*honest, Poisons(1e9)], START, Plan(rounds=40))
    assert made.tally.bounded == 40
    assert off(made) < 0.01
    assert off(federate([*honest, Poisons(120)], START, Plan(rounds=3))) == pytest.approx(
        off(federate([*honest, Poisons(1e9)], START, Plan(rounds=3)))
    )
    misled = [*honest, LayerClient(*samples(40, 4, offset=1.0), 0.3)]
    misled[-1].samples = 1e9
    trusting = federate(misled, START, Plan(rounds=40, trim=0.0))
    assert trusting.tally.bounded == 40
    assert 0.2 < off(trusting) < 0.6  # it counts three of seven, not all


@pytest.mark.parametrize("said", [-500, 0, math.nan, math.inf, 10**400, "many", None, True])
def test_who_claims_samples_that_nobody_can_have_is_refused_and_the_others_learn_as_without_it(said):
    plan = Plan(rounds=40)
    made, without = federate([*clients(4), Poisons(said)], START, plan), federate(clients(4), START, plan)
    assert torch.equal(made.weights, without.weights)
    assert off(made) < 0.01
    assert (made.tally.refused, made.tally.bounded) == (40, 0)


def test_nobody_counts_more_than_three_times_the_middle():
    counts, many = limited(torch.tensor([10.0, 20.0, 30.0, 90.0, 91.0]))
    assert counts.tolist() == [10, 20, 30, 90, 90]
    assert many.tolist() == [False, False, False, False, True]


def test_the_trimmed_mean_is_numpys():
    updates = torch.randn(7, 3, generator=torch.Generator().manual_seed(3))
    expected = np.sort(updates.numpy(), 0)[2:-2].mean(0)
    np.testing.assert_allclose(trimmed_mean(updates, torch.ones(7), 0.2).numpy(), expected, rtol=1e-5)
    weight = torch.arange(1.0, 8.0)
    expected = np.average(updates.numpy(), 0, weight.numpy())
    np.testing.assert_allclose(trimmed_mean(updates, weight, 0.0).numpy(), expected, rtol=1e-4)


def test_who_measures_badly_contributes_least_and_counts_less():
    told, wanted = samples(200, 99)
    bad = LayerClient(*samples(40, 7, offset=3.0), 0.3)

    def loss(weights):
        return float((told @ weights[:, None] - wanted).square().mean())

    plan = Plan(rounds=5, trim=0.0)
    trusting, judged = (federate([*clients(4), bad], START, plan, judge) for judge in (None, loss))
    assert int(judged.contribution.argmin()) == 4
    assert off(judged) < 0.5 * off(trusting)
    assert (trusting.contribution == 0).all()


def test_networks_learn_together_and_keep_what_is_their_own():
    def new():
        return new_network(4, (16,), 1, 0)

    start = torch.nn.utils.parameters_to_vector(new().parameters()).detach()
    ues = [NetworkClient(new, *samples(60, seed, offset=seed), steps=20, batch=30, personal=17) for seed in (0, 1)]
    made = federate(ues, start, Plan(rounds=15, personal=17))
    assert torch.equal(made.weights[-17:], start[-17:])
    own = [ue.take(made.weights) for ue in ues]
    assert torch.equal(own[0][:-17], own[1][:-17])
    assert not torch.equal(own[0][-17:], own[1][-17:])
    for seed, ue in enumerate(ues):
        told, wanted = samples(60, seed, offset=seed)
        assert float((ue.network(told) - wanted).square().mean()) < 0.5 * float(wanted.square().mean())


def test_to_learn_leaves_the_servers_weights_as_they_are():
    def new():
        return new_network(4, (16,), 1, 0)

    start = torch.nn.utils.parameters_to_vector(new().parameters()).detach()
    before, ue = start.clone(), NetworkClient(new, *samples(60, 0), steps=5, batch=30)
    sent = ue.update(start, 0)
    assert torch.equal(start, before)
    assert not torch.equal(sent, start)
    assert torch.equal(ue.update(start, 0), sent)


def test_bad_plans_are_refused():
    for field, value in (("rounds", 0), ("participation", 0.0), ("trim", 0.5), ("personal", -1)):
        with pytest.raises(ConfigurationError, match=field):
            Plan(**{"rounds": 1} | {field: value})
    with pytest.raises(ConfigurationError, match="personal must be from 0 to 4, got 5"):
        federate(clients(1), START, Plan(rounds=1, personal=5))
    with pytest.raises(ConfigurationError, match="personal must be from 0 to 19, got 20"):
        NetworkClient(partial(new_network, 4, (3,), 1, 0), *samples(9, 0), steps=1, batch=9, personal=20)
    with pytest.raises(ConfigurationError, match="clients must be 1 or more"):
        federate([], START, Plan(rounds=1))
    with pytest.raises(ConfigurationError, match="weights to begin with"):
        federate(clients(1), START * torch.nan, Plan(rounds=1))
