"""The transform code on channels that it can describe, and what it is made from."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.klt.codec import Klt, from_site
from twin_envs.csi.training.training import evaluate_codec
from twin_envs.csi.transforms import AngleDelayGrid, from_window
from twin_envs.world.store.site import load_site

GRID = AngleDelayGrid(blocks=12, rows=2, columns=4, taps=8, precursor_taps=2)


def channels(count, seed=0):
    """Channels in a space of four complex dimensions, one of them far stronger."""
    basis = torch.randn(4, 64, generator=torch.Generator().manual_seed(5), dtype=torch.complex64)
    strength = torch.tensor([1.0, 0.3, 0.2, 0.1])
    part = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.complex64) * strength
    return 1e-5 * from_window((part @ basis).unflatten(1, (8, 8)), GRID)


def test_few_dimensions_take_few_bits():
    codec = Klt(channels(2000), GRID, (8, 16, 40))
    assert codec.widths.sum(1).tolist() == [8, 16, 40]
    assert (codec.widths.diff(dim=0) >= 0).all()
    scores = evaluate_codec(codec, channels(500, seed=1))
    assert scores[40]["nmse_db"] < scores[16]["nmse_db"] - 5 < scores[8]["nmse_db"] - 5
    assert scores[40]["nmse_db"] < -15


def test_too_few_channels_are_refused():
    with pytest.raises(ConfigurationError, match=r"^channels must be more than 40, got 40"):
        Klt(channels(40), GRID, (8, 40))


def test_it_is_made_from_the_training_links_of_the_twin_alone(monkeypatch):
    site = load_site("munich")
    asked = []
    real = type(site).twin
    monkeypatch.setattr(type(site), "reality", lambda *args: pytest.fail("it read reality"))
    monkeypatch.setattr(type(site), "twin", lambda self, world: asked.append(world) or real(self, world))
    drawn = []
    monkeypatch.setattr("twin_envs.csi.codecs.klt.codec.SAMPLES", 600)
    monkeypatch.setattr(
        "twin_envs.csi.codecs.klt.codec.ChannelSampler",
        lambda *args, **named: (
            drawn.append(named)
            or (lambda count, generator: torch.randn(count, 48, 32, generator=generator, dtype=torch.complex64))
        ),
    )
    from_site.__wrapped__(site, torch.device("cpu"))
    assert asked == ["twin"]
    assert [named["held_out"] for named in drawn] == [False]
    assert drawn[0]["split"].__name__ == "street_blocks"
