"""CSI-RS samples: where they are, what they carry, how noisy they are."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.streams import Streams
from twin_envs.csi.nr.pilots import PILOT_SPACINGS, pilot_spacing, sound, sounded


def streams_of(*keys):
    streams = Streams(len(keys))
    streams.seed(torch.arange(len(keys)), torch.tensor(keys))
    return streams


def test_combs_are_even_and_start_at_block_zero():
    mask = sounded(torch.tensor(PILOT_SPACINGS), 48)
    for row, spacing in enumerate((1, 2, 4, 8, 16)):
        assert mask[row].nonzero().flatten().tolist() == list(range(0, 48, spacing))


def test_without_noise_the_samples_are_the_channel():
    h = torch.randn(5, 48, 32, generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    spacing = torch.tensor(PILOT_SPACINGS)
    y = sound(h, torch.zeros(5), spacing, streams_of(1, 2, 3, 4, 5), torch.arange(5))
    for row, step in enumerate(PILOT_SPACINGS):
        assert torch.equal(y[row, ::step], h[row, ::step])
    assert [int(row.abs().sum(-1).count_nonzero()) for row in y] == [48, 24, 12, 6, 3]


def test_noise_has_the_variance_asked_for_and_is_circular():
    variance = torch.tensor([1e-12, 4e-9, 0.25])
    y = sound(torch.zeros(3, 48, 32, dtype=torch.complex64), variance, torch.ones(3, dtype=torch.int64),
              streams_of(5, 6, 7), torch.arange(3))  # fmt: skip
    relative = y / variance.sqrt()[:, None, None]
    # 1536 samples each: the mean power has a standard deviation of 1 / sqrt(1536) = 0.026
    torch.testing.assert_close(relative.abs().square().mean((1, 2)), torch.ones(3), atol=0.11, rtol=0)
    assert relative.square().mean((1, 2)).abs().max() < 0.11
    assert relative.mean((1, 2)).abs().max() < 0.11


def test_a_ue_draws_the_same_noise_whatever_is_beside_it():
    h = torch.zeros(3, 48, 32, dtype=torch.complex64)
    together = sound(h, torch.ones(3), torch.tensor([4, 2, 1]), streams_of(5, 6, 7), torch.arange(3))
    alone = sound(h[:1], torch.ones(1), torch.tensor([2]), streams_of(0, 6), torch.tensor([1]))
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0, ::4], together[2, ::4])


def test_successive_soundings_have_new_noise():
    h, one, rows, streams = torch.zeros(1, 48, 32, dtype=torch.complex64), torch.ones(1), torch.arange(1), streams_of(5)
    first, second = (sound(h, one, torch.ones(1, dtype=torch.int64), streams, rows) for _ in range(2))
    assert (first * second.conj()).mean().abs() < 0.11


@pytest.mark.parametrize(("density", "spacing"), [(1, 1), (0.5, 2), (0.25, 4), (0.125, 8), (0.0625, 16)])
def test_density_is_the_inverse_of_spacing(density, spacing):
    assert pilot_spacing(density) == spacing


@pytest.mark.parametrize("density", [0, 3, 0.3, float("nan")])
def test_other_densities_are_refused(density):
    with pytest.raises(ConfigurationError, match=r"^density must be one of 1\.0, 0\.5, 0\.25"):
        pilot_spacing(density)
