"""What the outer loop learns at one age of CSI, and what that says of others."""

import pytest
import torch

from twin_envs.csi.link import NrLink, learn_by_age

BANDS = 6


def test_the_served_age_takes_the_step_and_older_csi_is_never_trusted_more() -> None:
    link, generator = NrLink(), torch.Generator().manual_seed(0)
    offset_db = torch.zeros(40, BANDS)
    for _ in range(200):
        band = torch.randint(0, BANDS, (40,), generator=generator)
        acknowledged = (torch.rand(40, 5, generator=generator) > 0.04 * (1 + band[:, None])).float().mean(-1)
        own = offset_db.gather(-1, band[:, None])[:, 0]
        after = learn_by_age(link, offset_db, band, acknowledged, torch.tensor(10.0))
        stepped = link.outer_loop(own, acknowledged, torch.tensor(10.0))
        assert torch.equal(after.gather(-1, band[:, None])[:, 0], stepped)
        assert (after.diff() >= 0).all()
        age = torch.arange(BANDS)
        moved = after != offset_db
        assert not (moved & (age > band[:, None]) & (after != stepped[:, None])).any()  # only as far as order demands
        assert not (moved & (age < band[:, None]) & (after != stepped[:, None])).any()
        offset_db = after
    assert (offset_db[:, -1] - offset_db[:, 0]).mean() > 1.0


def test_nothing_is_learnt_where_nothing_was_sent() -> None:
    offset_db = torch.tensor([0.0, 1.0, 1.0, 2.5, 3.0, 7.0]).expand(4, -1)
    for band in range(BANDS):
        after = learn_by_age(
            NrLink(), offset_db, torch.full((4,), band), torch.tensor([0.0, 0.5, 1.0, 0.2]), torch.zeros(4)
        )
        assert torch.equal(after, offset_db)


@pytest.mark.parametrize("bler_target", [0.02, 0.1])
def test_what_is_lost_beyond_the_target_is_the_climb_of_the_offsets(bler_target: float) -> None:
    """CSI ages from 0 to 5 again and again; each age is worth 2 dB less than the cell expects."""
    link = NrLink(bler_target=bler_target)
    expected, excess = torch.full((32, 12), 30.0), {}
    down, up = link.outer_loop(torch.zeros(2), torch.tensor([1.0, 0.0]), torch.ones(2)).tolist()
    rounds, blocks = 60, 10.0
    for together in (False, True):
        generator = torch.Generator().manual_seed(1)
        offset_db, lost = torch.zeros(32, BANDS), []
        for turn in range(rounds * BANDS):
            age = turn % BANDS
            band = torch.full((32,), age)
            sinr = expected * 10 ** (-(2.0 * age + 0.5 * torch.randn(32, 1, generator=generator)) / 10)
            own = offset_db[:, age]
            sent = link.deliver(link.choose_mcs(expected, own), sinr, torch.rand(32, 5, generator=generator))
            lost.append(1 - sent.acknowledged)
            if together:
                offset_db = learn_by_age(link, offset_db, band, sent.acknowledged, torch.tensor(blocks))
            else:
                offset_db = offset_db.clone()
                offset_db[:, age] = link.outer_loop(own, sent.acknowledged, torch.tensor(blocks))
        excess[together] = torch.stack(lost).mean().item() - bler_target
        if not together:
            climb = offset_db.sum(-1).mean().item() / (rounds * BANDS * blocks * (up - down))
            assert excess[together] == pytest.approx(climb, abs=1e-4)
    assert 0.0 < excess[True] < 0.5 * excess[False]
