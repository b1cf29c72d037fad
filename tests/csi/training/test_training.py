"""Training of the codec on a site of few dimensions, and the two measures against closed forms."""

import math

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.autoencoder.network import AutoencoderConfiguration
from twin_envs.csi.codecs.csinet.network import CsiNet
from twin_envs.csi.codecs.csinet_plus.network import CsiNetPlus
from twin_envs.csi.codecs.transformer.network import Transformer
from twin_envs.csi.training.training import (
    TrainingConfiguration,
    evaluate_codec,
    nmse,
    nmse_by_block,
    sgcs,
    train_codec,
)
from twin_envs.csi.transforms import AngleDelayGrid

GRID = AngleDelayGrid(blocks=12, rows=2, columns=4, taps=8, precursor_taps=2)
ARCHITECTURE = AutoencoderConfiguration(grid=GRID, codeword_lengths=(8, 16, 64))
BRIEF = TrainingConfiguration(steps=60, batch_size=32)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small only lose by several threads, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def channels(count, generator):
    """Two paths each, from a narrow range of delays and angles."""
    spread = torch.rand(2, count, 2, generator=generator)
    delay_s = 3e-7 * spread[0] * torch.tensor([0.0, 1.0])
    steps = torch.tensor([0.1, -0.3]) + 0.1 * spread[1]
    gain = torch.randn(count, 2, generator=generator, dtype=torch.complex64) * torch.tensor([1e-5, 5e-6])
    blocks, columns = torch.arange(GRID.blocks), torch.arange(GRID.columns)
    over_blocks = torch.exp(-2j * torch.pi * GRID.block_spacing_hz * delay_s[..., None] * blocks)
    over_columns = torch.exp(2j * torch.pi * steps[..., None] * columns)
    return (gain[..., None] * over_blocks).mT @ over_columns.repeat(1, 1, GRID.rows)


def data(count=512, seed=0):
    return channels(count, torch.Generator().manual_seed(seed))


def train(source, configuration=BRIEF, seed=0, progress=lambda step, loss_db: None, network=CsiNet):
    return train_codec(
        source,
        seed=seed,
        configuration=configuration,
        network=network,
        architecture=ARCHITECTURE,
        device="cpu",
        progress=progress,
    )


def test_training_learns_what_the_start_does_not_know():
    start = evaluate_codec(train(data(), TrainingConfiguration(steps=1, learning_rate=1e-8))[0], data(256, seed=1))
    seen = []
    codec, history = train(
        data(), TrainingConfiguration(steps=200, batch_size=64), progress=lambda *told: seen.append(told)
    )
    trained = evaluate_codec(codec, data(256, seed=1))
    for bits, gain_db in zip(ARCHITECTURE.codeword_lengths, (1.0, 0.1)):
        assert trained[bits]["nmse_db"] < start[bits]["nmse_db"] - gain_db
        assert trained[bits]["sgcs"] > start[bits]["sgcs"]
    errors = [trained[bits]["nmse_db"] for bits in ARCHITECTURE.codeword_lengths]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < -15
    assert [step for step, _ in seen] == list(range(2, 201, 2))
    assert [loss_db for _, loss_db in seen] == history
    assert sum(history[-10:]) < sum(history[:10]) - 10
    assert not any(parameter.requires_grad for parameter in codec.parameters())


@pytest.mark.parametrize("network", [CsiNetPlus, Transformer])
def test_larger_networks_learn_too(network):
    rate = network.learning_rate
    start, codec = (
        train(data(), TrainingConfiguration(steps=steps, learning_rate=rate), network=network)[0] for steps in (1, 60)
    )
    before, after = (evaluate_codec(net, data(256, seed=1))[8]["nmse_db"] for net in (start, codec))
    assert after < before - 0.5


def test_same_seed_same_codec_and_no_global_generator_moves():
    before = torch.get_rng_state()
    first, again, other = (train(data(), seed=seed)[0].state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["refine_first.third.weight"], other["refine_first.third.weight"])


def test_channels_may_come_from_a_sampler():
    codec, _ = train(channels)
    assert evaluate_codec(codec, data(256, seed=1))[64]["nmse_db"] < -12


def test_nmse_is_relative_and_blind_to_a_common_phase_only():
    h = data(3)
    assert nmse(h, h * complex(math.cos(2.0), math.sin(2.0))).max() < 1e-6
    torch.testing.assert_close(nmse(h, 2 * h), torch.ones(3))
    torch.testing.assert_close(nmse(h, 0 * h), torch.ones(3))
    torch.testing.assert_close(nmse(1e-6 * h, 1.1e-6 * h), torch.full((3,), 0.01), rtol=1e-4, atol=0)
    half = h.clone()
    half[:, ::2] *= -1  # a phase per block is no common phase
    overlap = 1 - 2 * h[:, ::2].abs().square().sum((1, 2)) / h.abs().square().sum((1, 2))
    torch.testing.assert_close(nmse(h, half), 2 - 2 * overlap.abs())


def test_nmse_by_block_is_blind_to_a_phase_of_each_block_and_to_nothing_else():
    h = data(3)
    block = torch.arange(1, GRID.blocks + 1)[:, None]
    assert nmse_by_block(h, h * torch.exp(1j * block)).max() < 1e-6
    assert nmse(h, h * torch.exp(1j * block)).min() > 0.5
    assert nmse_by_block(h, h).tolist() == [0.0] * 3
    torch.testing.assert_close(nmse_by_block(1e-6 * h, 1.1e-6 * h), torch.full((3,), 0.01), rtol=1e-4, atol=0)
    e, f = torch.zeros(2, 1, GRID.blocks, GRID.antennas, dtype=torch.complex64)
    e[..., 0], f[..., 1] = 1e-6, 3e-6
    torch.testing.assert_close(nmse_by_block(e, f), torch.tensor([10.0]))


def test_sgcs_is_blind_to_phase_and_scale_of_each_block():
    h = data(3)
    block = torch.arange(1, GRID.blocks + 1)[:, None]
    torch.testing.assert_close(sgcs(h, h * block * torch.exp(1j * block)), torch.ones(3))
    e, f = torch.zeros(2, 1, GRID.blocks, GRID.antennas, dtype=torch.complex64)
    e[..., 0], f[..., 1] = 1e-6, 3e-6
    torch.testing.assert_close(sgcs(e, f), torch.zeros(1))
    torch.testing.assert_close(sgcs(e, e + f), torch.tensor([0.1]))
    mixed = torch.cat([e[:, :6], f[:, :6]], 1)
    torch.testing.assert_close(sgcs(e, mixed), torch.tensor([0.5]))
    torch.testing.assert_close(nmse(e, f), torch.tensor([10.0]))


def test_evaluation_averages_normalised_errors_not_errors():
    class Shrinks:
        """Loses half the amplitude of weak channels and all of strong ones in short reports, nothing in long ones."""

        codeword_lengths = (8, 16)

        def bits(self, codeword_bits):
            return codeword_bits + 7

        def encode(self, h, side):
            return h

        def decode(self, h, side):
            factor = torch.where(h.abs().amax((1, 2)) > 1e-3, 0.0, 0.5)
            return h * torch.where(side.codeword_bits == 8, factor, 0.99)[:, None, None]

    h = torch.full((300, GRID.blocks, GRID.antennas), 1e-6 + 0j, dtype=torch.complex64)
    h[::3] = 1.0
    result = evaluate_codec(Shrinks(), h)
    assert result[8]["nmse_db"] == pytest.approx(10 * math.log10(1 / 3 + 2 / 3 * 0.25), abs=1e-4)
    assert result[16] == pytest.approx(
        {"nmse_db": -40.0, "nmse_by_block_db": -40.0, "sgcs": 1.0, "bits": 23.0}, abs=1e-2
    )
    assert result[8]["sgcs"] == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("batch_size", 1.5), ("learning_rate", 0), ("lowest_snr_db", 40.0), ("delay_shift_taps", -1)],
)
def test_options_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigurationError, match=" must be "):
        TrainingConfiguration(**{field: value})
