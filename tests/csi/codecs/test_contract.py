"""What every registered codec keeps to, at the default site."""

import gc
import weakref

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.protocol import SideInformation, complete
from twin_envs.csi.codecs.registry import codecs
from twin_envs.csi.training.training import evaluate_codec
from twin_envs.csi.transforms import to_angle_delay
from twin_envs.world.store.reading import PACKAGED_SITES
from twin_envs.world.store.site import Site, load_site

CPU = torch.device("cpu")
SPENT_ON_DELAYS = {"etype2": 245, "etype2-copolar": 138}
"""Parameter combination 6 of NR takes bits for twice as many delays, of which these channels have few."""

VARYING = ("etype2", "etype2-copolar")
"""Codecs whose reports may hold less than is reserved for them."""


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.fixture(scope="module")
def channels(site):
    draw = ChannelSampler(site, site.twin("twin"), held_out=True)
    return draw(400, torch.Generator().manual_seed(11))


@pytest.fixture(scope="module", params=codecs.names())
def codec(request, site):
    return complete(codecs.get(request.param)(site, CPU), request.param, angle_delay_grid(site), CPU)


@pytest.fixture
def name(codec, request):
    return request.node.callspec.params["codec"]


def mixed(codec, count):
    """Every codeword length in turn."""
    return torch.tensor(codec.codeword_lengths).repeat(-(-count // len(codec.codeword_lengths)))[:count]


def is_bound(codec):
    return getattr(codec, "bound", False)


def decoded(codec, bits, lengths):
    return codec.decode(bits, SideInformation(codeword_bits=lengths))


def test_a_report_is_bits_and_holds_no_more_than_it_is_charged(codec, channels):
    h, lengths = channels[:40], mixed(codec, 40)
    bits, charged = codec.encode(h, lengths), codec.bits(lengths)
    assert bits.dtype == torch.uint8
    assert set(bits.unique().tolist()) == {0, 1}
    assert charged.dtype == torch.int64
    behind = torch.arange(bits.shape[1]) >= charged[:, None]
    assert bool(bits[behind].any()) == is_bound(codec)
    if not is_bound(codec):
        assert bits.shape[1] == max(codec.codeword_lengths) + 7
        assert torch.equal(decoded(codec, bits | behind.to(torch.uint8), lengths), decoded(codec, bits, lengths))


@pytest.mark.parametrize("name", VARYING)
def test_what_a_report_of_varying_length_holds_is_all_that_counts(name, site, channels):
    codec = codecs.get(name)(site, CPU)
    h, lengths = channels[:40], mixed(codec, 40)
    bits = codec.encode(h, lengths)
    held = codec.sent_bits(bits, lengths)
    assert (held <= codec.bits(lengths)).all()
    assert (held < codec.bits(lengths)).any()
    behind = (torch.arange(bits.shape[1]) >= held[:, None]).to(torch.uint8)
    assert not (bits & behind).any()
    assert torch.equal(decoded(codec, bits | behind, lengths), decoded(codec, bits, lengths))
    last = torch.nn.functional.one_hot(held - 1, bits.shape[1]).to(torch.uint8)
    changed = (decoded(codec, bits ^ last, lengths) != decoded(codec, bits, lengths)).flatten(1).any(1)
    assert changed.all()


def test_reports_are_deterministic_and_what_decode_makes_of_encode(codec, site, channels):
    h, lengths = channels[:40], mixed(codec, 40)
    bits = codec.encode(h, lengths)
    assert torch.equal(codec.encode(h, lengths), bits)
    back = decoded(codec, bits, lengths)
    assert torch.equal(decoded(codec, bits, lengths), back)
    assert back.dtype == torch.complex64
    assert back.shape == h.shape
    picture = to_angle_delay(h, angle_delay_grid(site))
    reported = codec.report(picture, lengths)
    alike = torch.isclose(reported, back, rtol=1e-4, atol=1e-4 * float(back.abs().max())).flatten(1).all(1)
    assert alike.float().mean() > 0.9  # there and back rounds an estimate, which may then fall on a step's other side
    block = torch.tensor([7, 0, 46])
    torch.testing.assert_close(codec.report(picture, lengths, block), reported[:, block])


def test_a_report_does_not_depend_on_its_batch(codec, channels):
    h, lengths = channels[:40], mixed(codec, 40)
    bits = codec.encode(h, lengths)
    back = decoded(codec, bits, lengths)
    for n in range(40):
        one = slice(n, n + 1)
        alone = codec.encode(h[one], lengths[one])
        width = int(codec.bits(lengths[one]))
        assert torch.equal(alone[:, :width], bits[one, :width])
        torch.testing.assert_close(
            decoded(codec, alone, lengths[one]), back[one], rtol=0, atol=1e-5 * float(back[n].abs().max())
        )


def test_more_bits_are_never_worse_on_average(codec, name, channels):
    scores = evaluate_codec(codec, channels)
    best = {"sgcs": 0.0, "nmse_by_block_db": 0.0}
    for bits, score in scores.items():
        if bits == SPENT_ON_DELAYS.get(name):
            continue
        assert score["sgcs"] >= best["sgcs"]
        assert score["nmse_by_block_db"] <= best["nmse_by_block_db"]
        best = score
    assert best["sgcs"] > 0.7


def test_scores_count_the_bits_that_reports_hold(codec, channels):
    for bits, score in evaluate_codec(codec, channels[:64]).items():
        charged = float(codec.bits(torch.tensor([bits])))
        assert score["bits"] > 1000 if is_bound(codec) else 0.6 * charged < score["bits"] <= charged


def test_a_louder_channel_is_a_louder_report(codec, channels):
    h, lengths = channels[:40], mixed(codec, 40)
    before, louder = (decoded(codec, codec.encode(x, lengths), lengths) for x in (h, h * 10 ** (-13 / 20)))
    loss_db = 20 * torch.log10(
        torch.linalg.vector_norm(louder, dim=(1, 2)) / torch.linalg.vector_norm(before, dim=(1, 2))
    )
    torch.testing.assert_close(loss_db, torch.full((40,), -13.0), rtol=0, atol=1.01)  # a level of 1 dB may round over
    ratio_db = 20 * torch.log10(torch.linalg.vector_norm(before, dim=(1, 2)) / torch.linalg.vector_norm(h, dim=(1, 2)))
    assert ratio_db.abs().max() < 1.0


def test_settings_of_the_process_change_nothing(codec, channels):
    h, lengths = channels[:8], mixed(codec, 8)
    before = codec.encode(h, lengths)
    torch.set_default_dtype(torch.float64)
    try:
        again = codec.encode(h, lengths)
        assert decoded(codec, again, lengths).dtype == torch.complex64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(again, before)


def test_a_dead_channel_is_reported_without_nan(codec, channels):
    lengths = mixed(codec, 8)
    back = decoded(codec, codec.encode(torch.zeros_like(channels[:8]), lengths), lengths)
    assert back.isfinite().all()


def test_a_codec_does_not_keep_its_site(codec, name):
    site = Site(PACKAGED_SITES / "munich", CPU)
    atlas = weakref.ref(site.twin("twin"))
    made = complete(codecs.get(name)(site, CPU), name, angle_delay_grid(site), CPU)
    assert made.codeword_lengths == codec.codeword_lengths
    site = None
    gc.collect()
    assert atlas() is None


def test_a_length_that_it_does_not_have_is_refused(codec, channels):
    with pytest.raises(ConfigurationError, match=r"^codeword_bits must be one of .* got 63"):
        codec.encode(channels[:2], torch.tensor([max(codec.codeword_lengths), 63]))


@pytest.mark.gpu
@pytest.mark.parametrize("name", codecs.names())
def test_reports_on_a_gpu_are_those_of_the_cpu(name, channels):
    device = torch.device("cuda")
    site, codec = load_site("munich", "cuda"), codecs.get(name)(load_site("munich"), CPU)
    there = complete(codecs.get(name)(site, device), name, angle_delay_grid(site), device)
    lengths = mixed(codec, 200)
    bits = there.encode(channels[:200].cuda(), lengths.cuda())
    back = decoded(there, bits, lengths.cuda())
    assert bits.is_cuda
    assert back.is_cuda
    here = decoded(codec, codec.encode(channels[:200], lengths), lengths)
    assert (back.cpu() - here).abs().square().sum() / here.abs().square().sum() < 2e-2 or name == "klt"
