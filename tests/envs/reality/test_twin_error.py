"""What is measured at commissioning: reality with noise, at what cost, and is knowledge honest by it?"""

import dataclasses

import pytest
import torch

from twin_envs.benchmarks.audit.knowledge import coverage, figures, walk
from twin_envs.csi.nr.overhead import csi_rs_resource_elements
from twin_envs.envs.core.configuration import COMMISSIONING_PLACES
from twin_envs.envs.reality.twin_error import commissioned, measure, true_knowledge
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS
from twin_envs.twin.learning import error_of
from twin_envs.twin.traced import traced_twin
from twin_envs.world.store.site import load_site

CONTINUOUS = [field for field in KNOWLEDGE_FIELDS if field != "los_probability"]


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def twin(site):
    return traced_twin(site, "twin", site.device)


def test_the_truth_about_a_grid_point_is_what_a_perfect_twin_says_there(site, twin):
    """Two ways to the same numbers: sums over all packed paths, and over the paths at a place."""
    served = (twin.atlas.gain > 1e-11).nonzero()[::97]
    ap, cell = served.unbind(-1)
    position = site.geometry.point_m[cell]
    velocity = torch.tensor([0.8, -1.1]).expand(len(ap), 2)
    truth = true_knowledge(twin.atlas, site.recipe, position, velocity, ap)
    sensed, _, _ = walk(site, len(ap), 0)
    exactly = dataclasses.replace(
        sensed,
        position_m=position[:, :2],
        velocity_m_s=velocity,
        position_std_m=torch.zeros(len(ap)),
        velocity_std_m_s=torch.zeros(len(ap)),
    )
    said = twin.predict(exactly, ap).values
    for index, field in enumerate(KNOWLEDGE_FIELDS):
        off = (said[:, index] - truth[:, index]).abs() / said[:, index].abs().clamp_min(1e-9)
        assert off.quantile(0.95) < 0.02, field


def test_a_measurement_costs_a_csi_rs_of_each_access_point_at_each_place(site):
    measured = measure(site, "reality", 5, 0)
    recipe = site.recipe
    each = csi_rs_resource_elements(recipe.array.rows * recipe.array.columns, 1.0, recipe.csi_blocks)
    assert measured.resource_elements == 5 * len(recipe.access_points) * each
    assert len(measured.ap) == len(measured.values) <= 5 * len(recipe.access_points)


def test_measurements_are_the_same_with_the_same_seed_and_differ_with_another(site):
    one, same, other = (measure(site, "reality", 8, seed) for seed in (3, 3, 4))
    torch.testing.assert_close(one.values, same.values, rtol=0, atol=0)
    assert one.values.shape != other.values.shape or not torch.equal(one.values, other.values)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_knowledge_holds_in_reality_once_the_error_is_learnt(site, twin, seed):
    """On routes, where nothing was measured; without it, 1 sigma holds 0.44 to 0.59 of each field."""
    sensed, ap, truth = walk(site, 2000, seed)
    raw, learnt = (
        coverage(t.predict(sensed, ap), truth)
        for t in (twin, commissioned(twin, site, "reality", COMMISSIONING_PLACES))
    )
    # Coherence times of 10 s and more are known exactly, on two links of five.
    honest = [field for field in CONTINUOUS if field != "coherence_time_s"]
    for field in honest:
        assert raw[field]["within_1_std"] < 0.66, field
        assert 0.62 < learnt[field]["within_1_std"] < 0.86, field
        assert learnt[field]["within_2_std"] > 0.84, field  # real errors have heavier tails than normal ones
        assert raw[field]["within_2_std"] < learnt[field]["within_2_std"], field
    mean = sum(learnt[field]["within_1_std"] for field in honest) / len(honest)
    assert 0.65 < mean < 0.8
    assert sum(learnt[field]["within_2_std"] for field in honest) / len(honest) > 0.88


def test_a_twin_that_is_reality_learns_that_it_hardly_errs(site, twin):
    """Measured in the world that it is made of, as when agents are trained in the twin."""
    of_itself, of_reality = (error_of(twin, measure(site, world, 64, 0)) for world in ("twin", "reality"))
    for field in ("gain_db", "departure_spread_rad", "arrival_spread_rad"):
        index = list(KNOWLEDGE_FIELDS).index(field)
        assert of_itself.std[:, index].mean() < 0.6 * of_reality.std[:, index].mean()


def test_a_twin_that_cannot_learn_stays_as_it_is(site):
    class Plain:
        def predict(self, sensed, ap):
            raise NotImplementedError

    plain = Plain()
    assert commissioned(plain, site, "reality", COMMISSIONING_PLACES) is plain


def test_coherence_times_rank_as_in_reality():
    told = figures(quick=True, seed=0)["munich"]
    assert told["coherence_rank_correlation"] > 0.45
    assert told["coherence_rank_correlation"] > told["gaussian_rank_correlation"] + 0.25
    assert 0.3 < told["never_half"] < 0.7
