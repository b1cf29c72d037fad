"""Every environment on every shipped site: it is made, or the message says why not and which site will do."""

import gymnasium
import pytest
from ids import ENVIRONMENTS

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.association.configuration import SelectionConfig
from twin_envs.envs.core.site_check import check_array, check_served_at_once
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.world.recipe import load_recipe, recipe_text

SITES = ("indoor-factory", "munich", "munich-28ghz", "munich-cellfree", "munich-near-field", "munich-uav")
NUM_UE = 6
"""More than `munich-cellfree` has antennas at an AP, and few enough for the nine APs of `munich` in any association."""
FEWER = {("ApAssociation", "indoor-factory"): 4}
"""So many UEs have five each of its six APs, which serve four UEs each."""
CSI = ("FeedbackInterval", "PilotDensity", "CsiProtocol", "CsiProtocolFlat", "ReportScheduling")
ASSOCIATION = ("ApAssociation", "ApSelection")
BEAMS = ("BeamSelection", "TwinFidelity")
REFUSED = {
    **{(name, "munich-28ghz"): ("site", "4 x 16 = 64 antennas", "'munich'") for name in CSI},
    **{(name, "munich-cellfree"): ("num_ue", "2 x 2 = 4 antennas", "'munich'") for name in CSI},
    **{(name, "munich-28ghz"): ("site", "4 x 16 = 64 antennas", "'munich-cellfree'") for name in ASSOCIATION},
    **{(name, "munich-cellfree"): ("site", "2 x 2 = 4 antennas", "'munich-28ghz'") for name in BEAMS},
    **{(name, "munich"): ("site", "30 kHz", "'munich-28ghz'") for name in BEAMS},
    **{(name, "munich-near-field"): ("site", "30 kHz", "'munich-28ghz'") for name in BEAMS},
    **{(name, "munich-uav"): ("site", "1 x 8 = 8 antennas", "'munich-28ghz'") for name in BEAMS},
    **{(name, "indoor-factory"): ("site", "2 x 4 = 8 antennas", "'munich-28ghz'") for name in BEAMS},
    ("ApAssociation", "munich-near-field"): ("cluster_size", "at most 3, the APs", "a site with more APs"),
}
"""By environment and site: the field that is wrong, what is wrong with the site, and a site that will do."""


def make(name, site):
    return gymnasium.make(f"twin_envs/{name}-v1", site=site, num_ue=FEWER.get((name, site), NUM_UE), device="cpu")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_site_is_taken_or_refused_with_one_that_will_do(name, site):
    if (name, site) not in REFUSED:
        assert make(name, site).unwrapped.core.config.site == site
        return
    field, reason, suitable = REFUSED[name, site]
    with pytest.raises(ConfigurationError, match=f"^{field} must ") as error:
        make(name, site)
    assert f"{site!r}" in str(error.value)
    assert reason in str(error.value)
    assert suitable in str(error.value)
    assert (name, suitable.strip("'")) not in REFUSED


def recipe(rows, columns):
    return load_recipe(recipe_text("munich").replace("rows = 2\ncolumns = 16", f"rows = {rows}\ncolumns = {columns}"))


def test_the_sizes_that_suit_are_listed():
    config = SelectionConfig(site="small")
    for antennas in ((1, 2, 4), range(4, 6)):
        check_array(config, recipe(2, 2), antennas, "each a port")
    with pytest.raises(ConfigurationError, match="of 1, 2 or 4 antennas, each a port, got 'small' with 1 x 3 = 3"):
        check_array(config, recipe(1, 3), (1, 2, 4), "each a port")
    with pytest.raises(ConfigurationError, match="arrays of 4 to 5 antennas, a beam for each, got 'small' with 1 x 6"):
        check_array(config, recipe(1, 6), range(4, 6), "a beam for each")


def test_as_many_ues_as_an_ap_has_antennas_are_served_at_once():
    check_served_at_once(CellConfig(site="small", num_ue=6), recipe(2, 3))
    with pytest.raises(ConfigurationError, match="num_ue must be at most 6, got 7: APs of site 'small' have arrays"):
        check_served_at_once(CellConfig(site="small", num_ue=7), recipe(2, 3))
