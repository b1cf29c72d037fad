"""The table of what a link delivers."""

import pytest
import torch

from twin_envs.agents.core.goodput import GoodputTable
from twin_envs.base.units import db_to_linear
from twin_envs.csi.link import NrLink, ShannonLink


@pytest.mark.parametrize("link", [ShannonLink(), NrLink()], ids=["shannon", "nr"])
def test_goodput_is_looked_up_as_the_link_delivers_it(link):
    table = GoodputTable(link, torch.device("cpu"), low_db=-20.0, high_db=30.0)
    sinr_db = torch.tensor([[-15.0, 0.25], [10.5, 30.0]])
    expected = link.goodput(db_to_linear(sinr_db)[..., None]).amax(-1)
    torch.testing.assert_close(table(sinr_db), expected, atol=1e-5, rtol=1e-5)


def test_between_its_entries_and_beyond_its_ends_the_nearest_counts():
    table = GoodputTable(ShannonLink(), torch.device("cpu"), low_db=0.0, high_db=10.0)
    found = table(torch.tensor([-50.0, 0.1, 5.2, 60.0]))
    assert found.tolist() == table(torch.tensor([0.0, 0.0, 5.25, 10.0])).tolist()
