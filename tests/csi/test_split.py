"""Held-out links are whole streets and all that one AP serves."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.split import held_out_links
from twin_envs.world.store.site import load_site


def test_held_out_streets_have_nobody_who_is_trained_on():
    site = load_site("munich")
    atlas = site.twin("twin")
    trained, held_out = (ChannelSampler(site, atlas, held_out=kept).link for kept in (False, True))
    x = atlas.geometry.point_m[:, 0]
    (aps,) = (set(held_out[:, 0].tolist()) - set(trained[:, 0].tolist()),)
    assert len(aps) == 1
    band = x[held_out[~torch.isin(held_out[:, 0], torch.tensor(list(aps))), 1]]
    among = x[trained[:, 1]]
    assert 15 < band.max() - band.min() < 23  # metres, an eighth of the site
    assert not ((among >= band.min()) & (among <= band.max())).any()
    assert 0.15 < len(held_out) / (len(held_out) + len(trained)) < 0.35


def test_a_split_is_the_same_in_every_world():
    site = load_site("munich")
    kept = held_out_links(site.twin("twin"))
    assert kept.shape == (9, len(site.geometry.point_m))
    assert torch.equal(kept, held_out_links(site.twin("twin-los")))
    assert 0.05 < kept.float().mean() < 0.35


def test_links_of_one_ap():
    site = load_site("munich")
    atlas = site.twin("twin")
    link = ChannelSampler(site, atlas, held_out=False).link
    assert torch.equal(ChannelSampler(site, atlas, held_out=False, ap=2).link, link[link[:, 0] == 2])
    (kept,) = set(range(9)) - set(link[:, 0].tolist())
    assert len(ChannelSampler(site, atlas, held_out=True, ap=kept).link) > 100
    with pytest.raises(ConfigurationError, match=f"ap must be one that serves a link to learn from; not AP {kept}"):
        ChannelSampler(site, atlas, held_out=False, ap=kept)


def test_users_are_where_weights_say():
    site = load_site("munich")
    atlas = site.twin("twin")
    point = ChannelSampler(site, atlas, held_out=False, ap=0).link[[5, 90], 1]
    weight = torch.zeros(len(site.geometry.point_m)).index_copy_(0, point, torch.tensor([1.0, 3.0]))
    sampler = ChannelSampler(site, atlas, held_out=False, ap=0, weight=weight)
    links = sampler.links(800, torch.Generator().manual_seed(0))
    cell = site.geometry.cell(links.position_m)
    assert set(cell.tolist()) == set(point.tolist())
    assert float((cell == point[1]).float().mean()) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (torch.ones(7), r"weight must be a finite number from 0 on for each of 5231 grid points, got \[7\]"),
        (torch.full((5231,), -1.0), r"weight must be .* got \[5231\] of which 5231 are not"),
        (torch.full((5231,), float("nan")), r"weight must be .* got \[5231\] of which 5231 are not"),
        (torch.zeros(5231), "weight must be above 0 at a grid point of one of the 844 links; it is at none"),
    ],
)
def test_weights_that_are_none_are_refused(weight, said):
    site = load_site("munich")
    with pytest.raises(ConfigurationError, match=said):
        ChannelSampler(site, site.twin("twin"), held_out=False, ap=0, weight=weight)
