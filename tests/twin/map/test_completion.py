"""A partial map, and what is believed of it, against closed forms."""

import pytest
import torch

from twin_envs.twin.map.completion import as_near_by, without
from twin_envs.twin.map.skyline import Skyline

STRIPE_M = 20


def stripes():
    """Houses 20 m thick and as far apart from south to north, 12 m and 30 m high in turn, on 160 m x 100 m."""
    column = torch.arange(160)
    built = (column // STRIPE_M % 2 == 0).expand(100, -1)
    top_m = torch.where(column // STRIPE_M % 4 == 0, 12.0, 30.0).expand(100, -1)
    return Skyline(top_m=top_m * built, built=built, origin_m=(3.0, -7.0))


def hidden(rows=slice(None), columns=slice(None)):
    unknown = torch.zeros(100, 160, dtype=torch.bool)
    unknown[rows, columns] = True
    return unknown


def test_of_what_is_known_there_is_no_doubt():
    town, unknown = stripes(), hidden(slice(30, 60), slice(50, 90))
    partial = without(town, unknown)
    assert not partial.skyline.built[unknown].any()
    belief = as_near_by(partial)
    for surely in (0.01, 0.5, 0.99):
        told = belief.skyline(surely)
        assert torch.equal(told.built[~unknown], town.built[~unknown])
        assert torch.equal(told.top_m[~unknown & town.built], town.top_m[~unknown & town.built])
    assert belief.skyline().origin_m == town.origin_m


def test_doubt_grows_with_distance_as_in_a_chain_of_two_states():
    """In stripes as wide as they are apart, cells 8 m apart have a correlation of 1 - 2 * 8 / 20 across and 1 along."""
    town, unknown = stripes(), hidden(slice(40, 60), slice(40, 60))
    share = as_near_by(without(town, unknown)).share[49, 40:50]  # of a house, seen from the gap in the west
    level = float(town.built[~unknown].float().mean())
    certainty = (level - share) / level
    each_metre = certainty[1:] / certainty[:-1]
    torch.testing.assert_close(each_metre, each_metre[:1].expand(9))
    assert float(each_metre[0]) == pytest.approx(((0.2 + 1) / 2) ** (1 / 8), abs=0.01)


def test_a_house_that_is_cut_is_as_high_as_its_other_half():
    town, unknown = stripes(), hidden(slice(45, 55), slice(84, 96))
    told = as_near_by(without(town, unknown)).skyline(0.5)
    assert torch.equal(told.built, town.built)
    assert torch.equal(told.top_m[unknown], town.top_m[unknown])


def test_where_nothing_is_built_or_known_nothing_is_made_up():
    empty = Skyline(top_m=torch.zeros(50, 40), built=torch.zeros(50, 40, dtype=torch.bool), origin_m=(0.0, 0.0))
    narrow = Skyline(top_m=torch.ones(3, 40), built=torch.ones(3, 40, dtype=torch.bool), origin_m=(0.0, 0.0))
    assert as_near_by(without(narrow, torch.ones(3, 40, dtype=torch.bool).triu())).skyline(0.5).built.all()
    for unknown in (torch.zeros(50, 40, dtype=torch.bool), torch.ones(50, 40, dtype=torch.bool)):
        belief = as_near_by(without(empty, unknown))
        assert belief.share.isfinite().all()
        assert not belief.skyline(0.5).built.any()
