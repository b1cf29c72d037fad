"""Every network as a codec: exact bits, nothing but bits, nested codewords, one call for mixed lengths."""

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.codecs.autoencoder.network import AutoencoderConfiguration
from twin_envs.csi.codecs.autoencoder.packaged import NETWORKS
from twin_envs.csi.codecs.csinet.network import CsiNet
from twin_envs.csi.codecs.protocol import (
    LEVEL_BITS,
    SideInformation,
    from_bits,
    level_to_gain,
    quantise_level,
    to_bits,
)
from twin_envs.csi.transforms import AngleDelayGrid, from_window, to_angle_delay

SMALL = AutoencoderConfiguration(
    grid=AngleDelayGrid(blocks=12, rows=2, columns=2, taps=8, precursor_taps=2), codeword_lengths=(8, 16, 32)
)


def random_channels(configuration, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (count, configuration.grid.blocks, configuration.grid.antennas)
    return 1e-5 * torch.randn(shape, generator=generator, dtype=torch.complex64)


def mixed_lengths(configuration, count):
    return torch.tensor(configuration.codeword_lengths).repeat(count)[:count]


def known(codeword_bits):
    return SideInformation(codeword_bits=codeword_bits)


def report(codec, h, lengths, **where):
    return codec.report(to_angle_delay(h, codec.configuration.grid), known(lengths), **where)


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS)
def network(request):
    return request.param


@pytest.fixture(scope="module")
def codec(network):
    return network(SMALL, seed=1).eval()


def test_bits_are_counted_exactly_and_are_bits(codec):
    h, lengths = random_channels(SMALL, 9), mixed_lengths(SMALL, 9)
    bits = codec.encode(h, known(lengths))
    assert bits.dtype == torch.uint8
    assert bits.shape == (9, 7 + 32)
    assert set(bits.unique().tolist()) == {0, 1}
    assert codec.bits(lengths).tolist() == [7 + 8, 7 + 16, 7 + 32] * 3
    for row, sent in zip(bits, codec.bits(lengths)):
        assert not row[sent:].any()


def test_default_codewords_are_64_to_512_bits():
    codec = CsiNet(AutoencoderConfiguration(), seed=0)
    assert codec.codeword_lengths == (64, 128, 256, 512)
    h, lengths = random_channels(codec.configuration, 5), torch.tensor([512, 64, 256, 128, 512])
    bits = codec.encode(h, known(lengths))
    assert bits.shape == (5, 519)
    decoded = codec.decode(bits, known(lengths))
    assert decoded.shape == h.shape
    assert decoded.dtype == torch.complex64
    assert torch.equal(report(codec, h, lengths), decoded)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_report_is_what_decode_makes_of_encode(codec, count):
    h, lengths = random_channels(SMALL, count), mixed_lengths(SMALL, count)
    assert torch.equal(report(codec, h, lengths), codec.decode(codec.encode(h, known(lengths)), known(lengths)))


def test_a_report_may_be_wanted_at_some_blocks_only(codec):
    h, lengths = random_channels(SMALL, 5), mixed_lengths(SMALL, 5)
    block = torch.tensor([3, 0, 11])
    some = report(codec, h, lengths, block=block)
    torch.testing.assert_close(some, report(codec, h, lengths)[:, block])


def test_every_sent_bit_counts_and_no_other(codec):
    width = LEVEL_BITS + 32
    for length in SMALL.codeword_lengths:
        lengths = torch.full((width,), length)
        bits = codec.encode(random_channels(SMALL, 1).expand(width, -1, -1), known(lengths))
        flipped = bits ^ torch.eye(width, dtype=torch.uint8)
        changed = (codec.decode(flipped, known(lengths)) != codec.decode(bits, known(lengths))).flatten(1).any(1)
        assert changed.tolist() == [n < LEVEL_BITS + length for n in range(width)]


def test_a_shorter_codeword_is_a_prefix_of_a_longer_one(codec):
    h = random_channels(SMALL, 4)
    longest = codec.encode(h, known(torch.full((4,), 32)))
    for length in (8, 16):
        lengths = torch.full((4,), length)
        prefix = longest[:, : LEVEL_BITS + length]
        assert torch.equal(codec.encode(h, known(lengths))[:, : LEVEL_BITS + length], prefix)
        torch.testing.assert_close(codec.decode(prefix, known(lengths)), report(codec, h, lengths))


def test_codewords_do_not_depend_on_the_batch(network):
    codec = network(AutoencoderConfiguration(), seed=0)
    h, lengths = random_channels(codec.configuration, 40), mixed_lengths(codec.configuration, 40)
    together, decoded = codec.encode(h, known(lengths)), report(codec, h, lengths)
    for n in range(0, 40, 7):
        one = slice(n, n + 1)
        assert torch.equal(codec.encode(h[one], known(lengths[one])), together[one])
        torch.testing.assert_close(
            report(codec, h[one], lengths[one]), decoded[one], rtol=0, atol=1e-6 * float(decoded.abs().max())
        )


def test_the_level_is_the_power_in_the_window_to_half_a_decibel(codec):
    scale = 10.0 ** torch.linspace(-1.3, 1.3, 50)[:, None, None]
    h = random_channels(SMALL, 50) * scale
    window = to_angle_delay(h, SMALL.grid)[:, [10, 11, 0, 1, 2, 3, 4, 5]]
    decoded = report(codec, h, mixed_lengths(SMALL, 50))
    ratio_db = 10 * torch.log10(decoded.abs().square().sum((1, 2)) / window.abs().square().sum((1, 2)))
    assert ratio_db.abs().max() < 0.5001
    assert ratio_db.abs().max() > 0.3


def test_only_the_level_hears_of_the_scale_and_nothing_of_the_common_phase(codec):
    h, lengths = random_channels(SMALL, 6), mixed_lengths(SMALL, 6)
    bits = codec.encode(h, known(lengths))
    louder = codec.encode(h * 10 ** (13 / 20), known(lengths))
    assert torch.equal(louder[:, LEVEL_BITS:], bits[:, LEVEL_BITS:])
    assert (from_bits(louder[:, :7], 7) - from_bits(bits[:, :7], 7)).unique().tolist() == [13]
    assert torch.equal(codec.encode(h * complex(np.exp(1.23j)), known(lengths)), bits)


def test_levels_count_decibels_above_minus_160_up_to_127():
    gain_db = torch.tensor([-200.0, -160.0, -120.4, -119.6, -33.0, 0.0])
    level = quantise_level(10 ** (gain_db / 10))
    assert level.tolist() == [0, 0, 40, 40, 127, 127]
    torch.testing.assert_close(level_to_gain(torch.tensor([0, 40, 127])), torch.tensor([1e-16, 1e-12, 10**-3.3]))
    assert quantise_level(torch.zeros(1)).tolist() == [0]


def test_symbols_become_binary_digits_and_come_back():
    symbols = torch.tensor([[0, 1, 8, 15]])
    digits = to_bits(symbols, 4)
    assert digits.tolist() == [[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1]]
    assert torch.equal(from_bits(digits, 4), symbols)


def test_a_dead_channel_is_reported_without_nan(codec):
    lengths = torch.tensor([8, 32])
    h = torch.zeros(2, SMALL.grid.blocks, SMALL.grid.antennas, dtype=torch.complex64)
    assert report(codec, h, lengths).isfinite().all()
    assert torch.equal(report(codec, h, lengths), codec.decode(codec.encode(h, known(lengths)), known(lengths)))


def test_start_is_principal_component_analysis(network):
    """Against NumPy: project on eigenvectors, compand, round to 16 steps, expand, combine, normalise."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((SMALL.pixels, SMALL.pixels)) * np.exp(-np.arange(SMALL.pixels) / 3)
    pictures = rng.standard_normal((200, SMALL.pixels)) @ mixing.T
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    covariance = pictures.T @ pictures / len(pictures)
    codec = network(SMALL, seed=0)
    codec.start_from(torch.tensor(covariance, dtype=torch.float32))

    values, vectors = np.linalg.eigh(covariance)
    for length in SMALL.codeword_lengths:
        count = length // 4
        basis, deviation = vectors[:, ::-1][:, :count], np.sqrt(values[::-1][:count])
        companded = np.tanh(pictures @ basis / (2 * deviation))
        rounded = (np.floor((companded + 1) * 8) + 0.5) / 8 - 1
        expected = (np.arctanh(rounded) * 2 * deviation) @ basis.T
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        x = torch.view_as_complex(torch.tensor(pictures, dtype=torch.float32).view(200, 8, 4, 2))
        with torch.inference_mode():
            decoded = torch.view_as_real(codec(x, torch.full((200,), length))).flatten(1).numpy()
        agree = np.isclose(decoded, expected, atol=1e-4).all(1)
        assert agree.mean() > 0.98  # a latent on the edge of a step may fall either side


def test_training_sees_what_reports_do_and_gradients_reach_every_layer(network, codec):
    h, lengths = random_channels(SMALL, 6), mixed_lengths(SMALL, 6)
    net = network(SMALL, seed=1)
    x, gain = net.describe(to_angle_delay(h, SMALL.grid))
    picture = net(x, lengths)
    picture.real.square().mean().backward()
    assert net.to_latents.weight.grad.abs().sum(1).count_nonzero() == SMALL.latents
    assert all(parameter.grad.any() for parameter in net.parameters())
    norm = (level_to_gain(quantise_level(gain)) * SMALL.grid.blocks * SMALL.grid.antennas).sqrt()[:, None, None]
    expected = from_window(picture.detach() * norm, SMALL.grid)
    torch.testing.assert_close(report(codec, h, lengths), expected)


def test_short_codewords_leave_later_latents_alone():
    net = CsiNet(SMALL, seed=1)
    x, _ = net.describe(to_angle_delay(random_channels(SMALL, 6), SMALL.grid))
    net(x, torch.full((6,), 8)).real.square().mean().backward()
    assert net.to_latents.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 1]


def test_weights_come_from_the_seed_and_no_global_generator_moves(network):
    before = torch.get_rng_state()
    first, again, other = (network(SMALL, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["to_latents.weight"], other["to_latents.weight"])


def test_lengths_that_do_not_exist_are_refused(codec):
    h, lengths = random_channels(SMALL, 2), torch.tensor([8, 12])
    with pytest.raises(ConfigurationError, match=r"^codeword_bits must be one of \(8, 16, 32\), got 12"):
        codec.encode(h, known(lengths))
    with pytest.raises(ConfigurationError, match=r"^codeword_bits must be one of .* got 12"):
        codec.decode(torch.zeros(2, 39, dtype=torch.uint8), known(lengths))
    with pytest.raises(ConfigurationError, match=r"^bits must have 39 columns or more, got 23"):
        codec.decode(torch.zeros(2, 23, dtype=torch.uint8), known(torch.tensor([8, 32])))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bits_per_latent", 0),
        ("codeword_lengths", ()),
        ("codeword_lengths", (64, 63)),
        ("codeword_lengths", (64, 66)),
        ("codeword_lengths", (64, 32)),
        ("codeword_lengths", (64, 10**6)),
    ],
)
def test_sizes_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        AutoencoderConfiguration(**{field: value})


@pytest.mark.gpu
def test_moves_to_a_gpu(network):
    codec = network(AutoencoderConfiguration(), seed=0)
    h, lengths = random_channels(codec.configuration, 8), mixed_lengths(codec.configuration, 8)
    on_cpu = report(codec, h, lengths)
    on_gpu = report(codec.to("cuda"), h.cuda(), lengths.cuda())
    error = (on_gpu.cpu() - on_cpu).abs().square().sum() / on_cpu.abs().square().sum()
    assert error < 1e-2  # rounding may move a latent by one step
