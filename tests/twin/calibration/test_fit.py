"""Constants are found from gains of which they are true, by gradients that are those of the formulas."""

import dataclasses

import pytest
import torch

from twin_envs.twin.calibration.constants import Constants, path_model
from twin_envs.twin.calibration.fit import fit, fit_yaw
from twin_envs.world.store.site import load_site

TRUE = Constants(
    reflection_db=torch.tensor(-1.0),
    scattering_db=torch.tensor(6.0),
    yaw_rad=torch.tensor([0.1, -0.05, 0.0, 0.08, -0.1, 0.05, 0.0, -0.08, 0.04]),
)
NONE = Constants(reflection_db=torch.tensor(0.0), scattering_db=torch.tensor(0.0), yaw_rad=torch.zeros(9))


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def atlas(site):
    return site.scattering_twin("twin")


@pytest.fixture(scope="module")
def model(site, atlas):
    return path_model(atlas, site.recipe)


def test_without_a_change_no_power_changes(model):
    torch.testing.assert_close(model.power(NONE), torch.ones(len(model.ap)))


def test_each_constant_changes_what_it_is_about(model):
    more = Constants(**{**vars(NONE), "reflection_db": torch.tensor(-2.0), "scattering_db": torch.tensor(10.0)})
    power_db = 10 * model.power(more).log10()
    torch.testing.assert_close(power_db, 10.0 * model.scattered - 2.0 * model.reflections, rtol=0, atol=1e-4)
    assert not (model.scattered & (model.reflections > 0)).any()
    turned = Constants(**{**vars(NONE), "yaw_rad": torch.tensor([0.3, *[0.0] * 8])})
    changed = (model.power(turned) - 1).abs() > 1e-4
    assert changed[model.ap == 0].float().mean() > 0.9
    assert not changed[model.ap != 0].any()


def test_gradients_are_those_of_small_steps(model):
    some = model.of(torch.arange(0, len(model.ap), 1 + len(model.ap) // 50))
    exact = ("departure", "reflections", "yaw_rad", "downtilt_rad")
    wide = dataclasses.replace(some, **{name: vars(some)[name].double() for name in exact})

    def power(reflection_db, scattering_db, yaw_rad):
        return wide.power(Constants(reflection_db=reflection_db, scattering_db=scattering_db, yaw_rad=yaw_rad))

    asked = (torch.tensor(-1.0), torch.tensor(3.0), torch.linspace(-0.1, 0.1, 9))
    assert torch.autograd.gradcheck(power, [value.double().requires_grad_() for value in asked])


def measured(true_gain, links):
    """Gains of so many links that are heard, to half a decibel."""
    generator = torch.Generator().manual_seed(1)
    ap, cell = torch.arange(links) % 9, torch.randint(true_gain.shape[1], (links,), generator=generator)
    heard = true_gain[ap, cell] > 1e-12
    ap, cell = ap[heard], cell[heard]
    return cell, ap, 10 * true_gain[ap, cell].log10() + 0.5 * torch.randn(len(ap), generator=generator)


def test_constants_are_found_from_gains_of_which_they_are_true(atlas, model):
    """Materials from few links; where an AP looks, which changes its gains by a decibel, from many."""
    true_gain = atlas.changed(model.power(TRUE), TRUE.yaw_rad).gain
    few, many = (fit(atlas, model, *measured(true_gain, links)) for links in (150, 900))
    for found in (few, many):
        assert float(found.reflection_db) == pytest.approx(-1.0, abs=0.3)
        assert float(found.scattering_db) == pytest.approx(6.0, abs=0.5)
    off_rad = [float((found.yaw_rad - TRUE.yaw_rad).abs().mean()) for found in (few, many)]
    size_rad = float(TRUE.yaw_rad.abs().mean())
    assert off_rad[1] < 0.35 * size_rad
    assert off_rad[1] < off_rad[0] < size_rad


def test_where_arrays_look_is_told_by_links_in_sight_alone(atlas, model):
    cell, ap, gain_db = measured(atlas.changed(model.power(TRUE), TRUE.yaw_rad).gain, 900)
    sight = atlas.line_of_sight[ap, cell]
    found = fit_yaw(atlas, model, cell, ap, gain_db, sight)
    assert float((found - TRUE.yaw_rad).abs().mean()) < 0.7 * float(TRUE.yaw_rad.abs().mean())
    assert torch.equal(fit_yaw(atlas, model, cell, ap, gain_db + 20.0 * ~sight, sight), found)
    nothing = torch.zeros_like(sight)
    assert (fit_yaw(atlas, model, cell, ap, gain_db, nothing) == 0).all()
    hidden = fit_yaw(atlas, model, cell, ap, gain_db, ~sight)  # the map has none of them in sight
    assert (hidden == 0).all()


def test_of_nothing_measured_nothing_is_learnt(atlas, model):
    nothing = torch.zeros(0, dtype=torch.int64)
    found = fit(atlas, model, nothing, nothing, torch.zeros(0))
    assert all((value == 0).all() for value in vars(found).values())


def test_links_that_nothing_was_traced_of_tell_nothing(atlas, model):
    ap, cell = (atlas.gain == 0).nonzero(as_tuple=True)
    found = fit(atlas, model, cell[:20], ap[:20], torch.full((20,), -90.0))
    assert all((value == 0).all() for value in vars(found).values())
