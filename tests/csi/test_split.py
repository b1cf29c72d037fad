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
