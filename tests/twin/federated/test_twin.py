"""The federated twin: how sure it says it is, and what it takes to find that out."""

import dataclasses

import pytest
import torch

from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.federated.server import WEIGHT_BITS
from twin_envs.twin.federated.twin import CLIENTS, PLAN, federated_twin
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS
from twin_envs.twin.learning import learnt
from twin_envs.twin.neural.links import traced_links
from twin_envs.world.store.site import load_site

PLACES = 30
GAIN = list(KNOWLEDGE_FIELDS).index("gain_db")


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def raw(site):
    return federated_twin(site, "twin", site.device).known_by


@pytest.mark.parametrize("seed", range(5))
def test_stated_intervals_hold_whatever_places_were_measured(raw, site, seed):
    """What is told of a UE's errors is what the others make of it; its own share in the layer would flatter it."""
    asked = measure(site, "reality", 300, 1011)
    said = learnt(raw, measure(site, "reality", PLACES, seed), site.geometry).predict(asked.sensed, asked.ap)
    known = said.covered > 0
    off_db = (said["gain_db"] - asked.values[:, GAIN]).abs()[known]
    assert 0.85 <= float((off_db <= 1.645 * said.uncertainty("gain_db")[known]).float().mean()) <= 0.95


def test_what_it_takes_to_know_the_errors_is_counted(raw, site):
    """All UEs learn together, then all but one, each in turn; then where an AP is heard."""
    tally = raw.learning(measure(site, "reality", PLACES, 0)).tally
    weights, heard = traced_links(site, "twin").weights[:, :-1].numel(), len(traced_links(site, "twin").weights)
    asked = PLAN.rounds * CLIENTS
    assert tally.asked == asked * (1 + (CLIENTS - 1) + 1)
    assert tally.uplink_bits == WEIGHT_BITS * asked * (CLIENTS * weights + heard)
    assert tally.dropped == tally.refused == 0


def test_one_ue_whose_measurements_are_far_off_makes_the_twin_no_surer_and_hardly_less_sure(raw, site):
    measured = measure(site, "reality", 60, 0)
    wrong = measured.values.clone()
    wrong[measured.place % CLIENTS == 0, GAIN] -= 40.0
    fair, misled = (raw.learning(one) for one in (measured, dataclasses.replace(measured, values=wrong)))
    fair_db, misled_db = (
        float(one.predict(measured.sensed, measured.ap).uncertainty("gain_db").median()) for one in (fair, misled)
    )
    assert fair_db < misled_db < 2 * fair_db


def test_alone_a_ue_judges_by_what_was_traced(raw, site):
    measured = measure(site, "reality", 100, 0)
    alone = raw.learning(measured.links(measured.place % CLIENTS == 0))
    said = alone.predict(measured.sensed, measured.ap)
    assert torch.isfinite(said.std).all()
    assert alone.tally.asked == PLAN.rounds * (1 + CLIENTS)  # where an AP is heard all know
