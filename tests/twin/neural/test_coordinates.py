"""The paper's network of coordinates."""

import pytest
import torch

from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS
from twin_envs.twin.neural.coordinates import coordinates_twin
from twin_envs.world.store.site import load_site

GAIN = list(KNOWLEDGE_FIELDS).index("gain_db")


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


def test_an_access_point_that_was_not_measured_is_known_to_be_unknown(site):
    """It says nothing useful of such, and its interval there is as wide as that."""
    measured, judged = (measure(site, "reality", 60, seed) for seed in (0, 1))
    silent = torch.tensor([0, 4, 8])
    learnt = coordinates_twin(site, "twin", site.device).learning(measured.links(~torch.isin(measured.ap, silent)))
    off_db = {}
    for name, kept in (("measured", ~torch.isin(judged.ap, silent)), ("silent", torch.isin(judged.ap, silent))):
        judge = judged.links(kept)
        said = learnt.predict(judge.sensed, judge.ap)
        known = said.covered > 0
        off_db[name] = (said["gain_db"] - judge.values[:, GAIN]).abs()[known], said.uncertainty("gain_db")[known]
    error_db, std_db = off_db["silent"]
    assert error_db.mean() > 1.5 * off_db["measured"][0].mean()
    assert std_db.min() > 1.5 * off_db["measured"][1].median()
    assert (error_db < 1.645 * std_db).float().mean() > 0.75
