"""Who an episode's UEs are and where they start."""

import pytest
import torch

from twin_envs.base.errors import SiteError
from twin_envs.base.streams import Streams
from twin_envs.envs.reality.population import Population
from twin_envs.world.motion import Motion, Routes, UserKind, in_vehicle, moves

LENGTH_M, NUM_UE, NUM_ENVS = 100, 6, 400
WALKING, DRIVING, STANDING, PARKED = UserKind


def toy_routes():
    """A walking route and a driving route beside it, both along x."""
    x = torch.arange(LENGTH_M + 1.0)
    points = torch.stack([torch.stack([x, torch.full_like(x, y)], -1) for y in (0.0, 10.0)])
    return Routes(points, torch.full((2,), float(LENGTH_M)), torch.tensor([0, 1]))


def toy_serves():
    """AP 0 serves the first half of both routes, AP 1 the second half, AP 2 only walkers, AP 3 nobody."""
    serves = torch.zeros(4, 2, LENGTH_M + 1, dtype=torch.bool)
    serves[0, :, :50] = serves[1, :, 50:] = True
    serves[2, 0] = True
    return serves


def start(population, horizon_s=0.0, num_envs=NUM_ENVS, first_key=0, routes=None, serves=None):
    routes = toy_routes() if routes is None else routes
    motion, streams = Motion(routes, num_envs, NUM_UE), Streams(num_envs)
    rows = torch.arange(num_envs)
    streams.seed(rows, rows + first_key)
    drawn = Population(routes, toy_serves() if serves is None else serves, population, horizon_s)
    return drawn.start(rows, motion, streams), motion


def share(of):
    return of.float().mean().item()


def test_walkers_are_people_and_seven_in_ten_walk():
    _, motion = start("walkers")
    assert set(motion.state.kind.unique().tolist()) == {WALKING, STANDING}
    assert share(motion.state.kind == WALKING) == pytest.approx(0.7, abs=0.03)


def test_vehicles_are_vehicles_and_seven_in_ten_drive():
    _, motion = start("vehicles")
    assert set(motion.state.kind.unique().tolist()) == {DRIVING, PARKED}
    assert share(motion.state.kind == DRIVING) == pytest.approx(0.7, abs=0.03)


def test_a_mixed_cell_has_as_many_of_both():
    _, motion = start("mixed")
    vehicle = in_vehicle(motion.state.kind)
    assert share(vehicle) == pytest.approx(0.5, abs=0.03)
    same = (vehicle == vehicle[:, :1]).all(1)
    assert share(same) == pytest.approx(2 ** (1 - NUM_UE), abs=0.03)  # each UE is drawn by itself


def test_any_is_each_of_the_others_in_a_third_of_the_episodes():
    _, motion = start("any")
    vehicles = (in_vehicle(motion.state.kind)).sum(1)
    pure = 1 / 3 + 1 / 3 * 2**-NUM_UE  # mixed cells may be pure by chance
    assert share(vehicles == 0) == pytest.approx(pure, abs=0.06)
    assert share(vehicles == NUM_UE) == pytest.approx(pure, abs=0.06)


@pytest.mark.parametrize("population", ["walkers", "vehicles", "mixed", "any"])
def test_everybody_is_on_a_route_of_his_kind(population):
    _, motion = start(population)
    assert (motion.routes.kind[motion.state.route] == in_vehicle(motion.state.kind)).all()


def test_people_and_vehicles_have_their_speeds():
    _, motion = start("mixed")
    for kind, low, high in ((WALKING, 0.6, 2.0), (DRIVING, 4.0, 14.0), (STANDING, 0.0, 0.0), (PARKED, 0.0, 0.0)):
        speed = motion.state.speed_m_s[motion.state.kind == kind]
        assert speed.min() >= low
        assert speed.max() <= high


def test_aps_are_drawn_evenly_from_those_with_room_for_the_population():
    for population, aps in (("walkers", [0, 1, 2]), ("vehicles", [0, 1]), ("mixed", [0, 1]), ("any", [0, 1])):
        counts = torch.bincount(start(population)[0], minlength=4)
        assert counts.nonzero()[:, 0].tolist() == aps
        assert (counts[aps] / NUM_ENVS - 1 / len(aps)).abs().max() < 0.08


def test_an_ap_without_room_is_refused_by_the_population_it_lacks():
    serves = toy_serves()
    serves[:, 1] = False
    start("walkers", serves=serves)
    for population in ("vehicles", "mixed", "any"):
        with pytest.raises(SiteError, match=f"no AP of the site serves places for population '{population}'"):
            start(population, serves=serves)


def test_people_start_where_their_ap_serves():
    ap, motion = start("walkers")
    x = motion.at(torch.arange(NUM_ENVS), torch.zeros(NUM_ENVS))[0][..., 0]
    assert (x[ap == 0] <= 50).all()
    assert (x[ap == 1] >= 49).all()
    assert x[ap == 2].max() > 80  # and anywhere there
    assert x[ap == 2].min() < 20


def test_ues_start_where_they_will_stay_in_the_cell():
    """Walkers leave a half of 50 m now and then in 20 s if the start is drawn blindly; with foresight hardly ever."""
    left = {}
    for horizon_s in (0.0, 20.0):
        ap, motion = start("walkers", horizon_s)
        x = motion.at(torch.arange(NUM_ENVS), torch.full((NUM_ENVS,), 20.0))[0][..., 0]
        left[horizon_s] = share(((x > 52) & (ap == 0)[:, None]) | ((x < 47) & (ap == 1)[:, None]))
    assert left[0.0] > 0.1
    assert left[20.0] < 0.01


def test_a_draw_depends_on_the_key_alone():
    ap, motion = start("any")
    other_ap, other = start("any", num_envs=3, first_key=5)
    assert ap[5:8].tolist() == other_ap.tolist()
    mine = motion.state.rows()
    for name, values in other.state.rows().items():
        assert torch.equal(mine[name][5:8], values), name


def test_on_the_site_ues_that_stay_are_served_by_their_ap(make_cell):
    cell = make_cell(num_envs=200)
    rows, atlas, motion = torch.arange(200), cell.reality.atlas, cell.reality.motion
    position = cell.reality.position(rows, torch.zeros(200))[0]
    grid_point = atlas.geometry.cell(position)
    assert (grid_point >= 0).all()
    gain = atlas.gain[:, grid_point]
    own = gain.gather(0, cell.network.state.ap[None, :, None].expand(1, 200, 3))[0]
    assert (own > cell.noise).all()
    near_best = 10 * torch.log10(own / gain.amax(0)) > -3.02
    assert near_best[~moves(motion.state.kind)].all()
    assert near_best.float().mean() > 0.95  # a driver near a route's end is moved back to where he would have turned
