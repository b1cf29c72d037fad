"""How twins learn: what they know then, and that the error they are told is that of places kept from them."""

from functools import partial

import pytest
import torch
from surveys import COHERENCE, GAIN, law_db, sensed_at, square, survey

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.interpolated.heard import everywhere, near_by
from twin_envs.twin.interpolated.interpolation import NoInterpolation
from twin_envs.twin.interpolated.inverse_distance import InverseDistance
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.law import fit_law
from twin_envs.twin.interpolated.twin import InterpolatedTwin
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge
from twin_envs.twin.learning import learnt

KINDS = {"path-loss": NoInterpolation, "inverse-distance": InverseDistance, "kriging": Kriging}


def twin(name):
    fit = partial(fit_law, square(), torch.zeros(4))
    return InterpolatedTwin(square(), fit, KINDS[name], everywhere if name == "path-loss" else near_by)


def shadow_db(position_m, ap):
    return 6 * torch.sin(position_m[:, 0] / 15 + ap) * torch.cos(position_m[:, 1] / 20)


@pytest.mark.parametrize("name", KINDS)
def test_a_law_is_known_everywhere_by_whoever_has_learnt_it(name):
    knowing = learnt(twin(name), survey(), square())
    asked = torch.tensor([[20.0, 30.0], [70.0, 64.0], [90.0, 10.0]])
    ap = torch.tensor([0, 2, 3])
    said = knowing.predict(sensed_at(asked), ap)
    torch.testing.assert_close(said.covered, torch.ones(3))
    torch.testing.assert_close(said["gain_db"], law_db(square(), asked, ap), rtol=0, atol=0.05)
    torch.testing.assert_close(said["coherence_time_s"], torch.full((3,), 0.2), rtol=1e-3, atol=0)
    assert said.uncertainty("gain_db").max() < 0.4  # a grid point may be 1.4 m away


@pytest.mark.parametrize("name", KINDS)
def test_before_it_has_learnt_nothing_is_covered(name):
    said = twin(name).predict(sensed_at(torch.rand(5, 2) * 100), torch.zeros(5).long())
    assert (said.covered == 0).all()
    assert said.values.isfinite().all()


@pytest.mark.parametrize("name", KINDS)
def test_off_the_grid_nothing_is_covered(name):
    said = learnt(twin(name), survey(), square()).predict(
        sensed_at(torch.tensor([[-40.0, 50.0], [50.0, 1e6]])), torch.tensor([0, 1])
    )
    assert (said.covered == 0).all()
    assert said.values.isfinite().all()


def test_what_lies_between_is_known_better_than_by_the_law():
    asked = survey(places=200, seed=5, shadow_db=shadow_db)
    error_db = {
        name: float(
            (
                learnt(twin(name), survey(places=150, shadow_db=shadow_db), square()).predict(asked.sensed, asked.ap)[
                    "gain_db"
                ]
                - asked.values[:, GAIN]
            )
            .abs()
            .mean()
        )
        for name in KINDS
    }
    assert error_db["kriging"] < error_db["inverse-distance"] < error_db["path-loss"]
    assert error_db["kriging"] < 0.5 * error_db["path-loss"]


def test_where_an_access_point_was_not_heard_it_is_not_expected():
    measured = survey(places=200)
    west = measured.sensed.position_m[:, 0] < 50
    knowing = learnt(twin("kriging"), measured.links(west | (measured.ap != 1)), square())
    asked = torch.tensor([[20.0, 50.0], [80.0, 50.0]])
    assert knowing.predict(sensed_at(asked), torch.tensor([1, 1])).covered.tolist() == pytest.approx([1.0, 0.0])
    assert knowing.predict(sensed_at(asked), torch.tensor([0, 0])).covered.tolist() == pytest.approx([1.0, 1.0])


def test_an_unsure_position_makes_knowledge_unsure():
    knowing = learnt(twin("kriging"), survey(places=150, shadow_db=shadow_db), square())
    asked, ap = torch.tensor([[40.0, 40.0]]), torch.tensor([0])
    known, blurred = (knowing.predict(sensed_at(asked, std_m), ap) for std_m in (0.0, 8.0))
    assert blurred.uncertainty("gain_db") > known.uncertainty("gain_db") + 1.0


class Rote:
    """Knows by heart what it was told, to the digit, and nothing else: honest only if that is kept from it."""

    def __init__(self, told=None, error=None):
        self.told, self.error = told, error

    def learning(self, measured):
        return Rote(measured, None)

    def knowing(self, error):
        return Rote(self.told, error)

    def predict(self, sensed, ap):
        values = torch.zeros(len(ap), len(KNOWLEDGE_FIELDS))
        values[:, COHERENCE] = 1.0
        same = (sensed.position_m[:, None] == self.told.sensed.position_m).all(-1) & (ap[:, None] == self.told.ap)
        values[same.any(-1)] = self.told.values[same.float().argmax(-1)[same.any(-1)]]
        said = Knowledge(covered=torch.ones(len(ap)), values=values, std=torch.zeros_like(values))
        return said if self.error is None else self.error.correct(said, sensed)


def test_the_error_is_that_of_places_that_were_kept_from_the_twin():
    measured = survey(noise_db=3.0)
    knowing = learnt(Rote(), measured, square())
    assert knowing.told is measured  # it has learnt from all
    away_db = measured.values[:, GAIN].median()
    assert float(knowing.error.bias[:, 0].mean()) == pytest.approx(float(away_db), abs=3.0)


@pytest.mark.parametrize("name", KINDS)
def test_stated_intervals_hold_where_nothing_was_measured(name):
    knowing = learnt(twin(name), survey(places=150, shadow_db=shadow_db, noise_db=5.0), square())
    asked = survey(places=500, seed=5, shadow_db=shadow_db, noise_db=5.0)
    said = knowing.predict(asked.sensed, asked.ap)
    held = (said["gain_db"] - asked.values[:, GAIN]).abs() <= 1.645 * said.uncertainty("gain_db")
    assert 0.85 < float(held.float().mean()) < 0.96


def test_a_twin_that_can_be_told_nothing_stays_as_it_is():
    class Plain:
        def predict(self, sensed, ap):
            raise NotImplementedError

    plain = Plain()
    assert learnt(plain, survey(), square()) is plain


def test_too_few_places_are_refused():
    with pytest.raises(ConfigurationError, match=r"commissioning_places must be 10 or more .* got 9"):
        learnt(twin("kriging"), survey(places=9), square())
    learnt(twin("kriging"), survey(places=10), square())
