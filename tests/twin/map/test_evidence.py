"""What measured links tell of unknown parts of a map, in a square with one house."""

import dataclasses

import pytest
import torch
from surveys import square, survey

from twin_envs.twin.map.completion import as_near_by, without
from twin_envs.twin.map.evidence import informed
from twin_envs.twin.map.profile import profile
from twin_envs.twin.map.skyline import Skyline
from twin_envs.world.recipe import AccessPoint, load_recipe, recipe_text

LOSS_DB = 25.0
EAST, WEST = slice(56, 72), slice(28, 44)
"""A house in the east, and in the west as much that is free."""
ROWS = slice(40, 61)


def town():
    top_m = torch.zeros(101, 101)
    top_m[ROWS, EAST] = 20.0
    top_m[80:95, 10:90] = 20.0  # always known, so that links behind it show what a house takes
    return Skyline(top_m=top_m, built=top_m > 0, origin_m=(0.0, 0.0))


@pytest.fixture(scope="module")
def recipe():
    aps = tuple(
        AccessPoint(name=str(index), position_m=tuple(place), yaw_rad=0.0)
        for index, place in enumerate(square().ap_position_m.tolist())
    )
    packaged = load_recipe(recipe_text("munich"))
    array = dataclasses.replace(packaged.array, pattern="iso")
    return dataclasses.replace(packaged, access_points=aps, array=array)


def shadow_db(position_m, ap):
    """What houses on the straight line take."""
    place_m = torch.nn.functional.pad(position_m, (0, 1), value=1.5)
    return -LOSS_DB * (~profile(town(), square().ap_position_m[ap], place_m, 0.1).in_sight).float()


def outdoors(measured):
    row, column = town().cells(measured.place_m)
    return measured.at(~town().built[row, column])


@pytest.fixture(scope="module")
def partial():
    """Neither the house in the east nor what there is in the west is known."""
    unknown = torch.zeros(101, 101, dtype=torch.bool)
    unknown[ROWS, EAST] = unknown[ROWS, WEST] = True
    return without(town(), unknown)


def odds(belief, columns):
    return float(belief.share[ROWS, columns].mean())


def told(partial, recipe, measured):
    return informed(as_near_by(partial), partial, square(), recipe, measured)


def test_a_house_is_found_where_links_are_weak_and_none_where_they_are_not(partial, recipe):
    before = as_near_by(partial)
    assert odds(before, EAST) == pytest.approx(odds(before, WEST), abs=0.1)
    after = told(partial, recipe, outdoors(survey(150, 0, shadow_db, noise_db=4.0)))
    assert odds(after, WEST) < 0.5 * odds(before, WEST)
    assert odds(after, EAST) > 2 * odds(before, EAST)
    assert odds(after, EAST) > 4 * odds(after, WEST)
    assert torch.equal(after.share[~partial.unknown], before.share[~partial.unknown])


def test_links_that_are_not_heard_tell_of_a_house_as_weak_ones_do(partial, recipe):
    measured = outdoors(survey(150, 0, shadow_db, noise_db=4.0))
    row, _ = partial.skyline.cells(measured.place_m[measured.place])
    behind = (shadow_db(measured.sensed.position_m, measured.ap) < 0) & (row >= 40) & (row < 61)
    deaf = told(partial, recipe, measured.links(~behind))
    assert odds(deaf, EAST) > 2 * odds(deaf, WEST)


def test_where_somebody_has_measured_nothing_is_built(partial, recipe):
    measured = outdoors(survey(150, 0, shadow_db, noise_db=4.0))
    row, column = partial.skyline.cells(measured.place_m)
    inside = partial.unknown[row, column]
    assert inside.any()
    after = told(partial, recipe, measured)
    assert float(after.share[row[inside], column[inside]].max()) < 0.5


def test_links_that_cross_nothing_unknown_change_nothing(recipe):
    unknown = torch.zeros(101, 101, dtype=torch.bool)
    unknown[99:, 98:] = True
    partial = without(town(), unknown)
    measured = outdoors(survey(60, 0, shadow_db))
    measured = measured.at((measured.place_m < 90).all(-1))
    before, after = as_near_by(partial), told(partial, recipe, measured)
    torch.testing.assert_close(after.share, before.share, rtol=0, atol=1e-3)
