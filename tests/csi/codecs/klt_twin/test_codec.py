"""The transform code with a twin at the decoder: the same bits, and the posterior mean of what they may have been."""

import numpy as np
import pytest
import torch

from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.codecs.klt.codec import Klt
from twin_envs.csi.codecs.klt_twin.codec import KltTwin, from_site
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.told import Told
from twin_envs.csi.training.training import evaluate_codec, sgcs
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.site import load_site

GRID = AngleDelayGrid(blocks=12, rows=1, columns=4, taps=8, precursor_taps=2)
BEAMS, DELAYS = 16, 16
LENGTHS = (8, 16, 48)
NOWHERE = 7


def wave(delay, beam):
    """A path on the codec's grid of halves of a tap from the precursors on, and of four beams for each column."""
    block, column = np.arange(12), np.arange(4)
    return np.exp(-2j * np.pi * (delay / 2 - 2) / 12 * block)[:, None] * np.exp(2j * np.pi * beam / BEAMS * column)


def channels(count, seed=0):
    """Three paths each, anywhere on the grid."""
    rng = np.random.default_rng(seed)
    gain = rng.standard_normal((count, 3, 2)) @ [1, 1j] * [1, 0.5, 0.25]
    paths = [[wave(rng.integers(4, 12), rng.integers(BEAMS)) for _ in range(3)] for _ in range(count)]
    return 1e-5 * torch.tensor(np.einsum("nk,nkfa->nfa", gain, np.array(paths)), dtype=torch.complex64)


@pytest.fixture(scope="module")
def codec():
    return KltTwin(channels(1500), GRID, LENGTHS)


def expects(*paths, reports=1):
    """That a base station expects these (delay, beam, strength)."""
    told = [[delay * BEAMS + beam, strength] for delay, beam, strength in paths]
    told += [[0, NOWHERE]] * (24 - len(paths))
    return torch.tensor([told]).expand(reports, -1, -1)


def known(count, length, told=None):
    return SideInformation(codeword_bits=torch.full((count,), length), told=told)


def test_the_ue_sends_what_it_sends_without_a_twin(codec):
    h, plain = channels(20, seed=1), Klt(channels(1500), GRID, LENGTHS)
    told = expects((4, 3, 0), reports=20)
    for length in LENGTHS:
        bits = plain.encode(h, known(20, length))
        assert torch.equal(codec.encode(h, known(20, length, told)), bits)
        assert torch.equal(codec.decode(bits, known(20, length)), plain.decode(bits, known(20, length)))
    assert codec.downlink_bits == 0


def test_it_decodes_to_the_posterior_mean(codec):
    """Against NumPy, in the space of pixels: Gaussian pictures, seen through a transform and a quantiser's error."""
    h, length = channels(6, seed=2), 16
    paths = [(4, 3, 0), (7, 9, 1), (9, 12, 3)]
    decoded = codec.decode(codec.encode(h, known(6, length)), known(6, length, expects(*paths, reports=6)))

    delays = np.exp(2j * np.pi * np.outer(np.arange(-2, 6), np.arange(12)) / 12) / 12**0.5
    beams = np.exp(-2j * np.pi * np.outer(np.arange(4), np.arange(4)) / 4) / 2
    power = np.array([10 ** (-0.3 * strength) for *_, strength in paths])
    local = 0
    for share, (delay, beam, _) in zip(0.7 * power / power.sum(), paths):
        picture = (delays @ wave(delay, beam) @ beams.T).ravel() / 48**0.5
        for turned in (picture, 1j * picture):
            pixels = turned.view(np.float64)
            local = local + share / 2 * np.outer(pixels, pixels)
    widths = codec.widths[LENGTHS.index(length)].numpy()
    sent, left = widths > 0, codec.left.double().numpy()[widths]
    analysis, synthesis = codec.analysis.double().numpy()[:, sent], codec.synthesis.double().numpy()[sent]
    seen = analysis.T @ local @ analysis + 0.3 * np.eye(sent.sum()) + np.diag(left[sent] / (1 - left[sent]))
    gain = (local @ analysis + 0.3 * synthesis.T) @ np.linalg.inv(seen)

    plain = codec.decode(codec.encode(h, known(6, length)), known(6, length))  # its picture holds the components
    for mine, without in zip(decoded.numpy(), plain.numpy()):
        components = (delays @ without @ beams.T).ravel().view(np.float64) @ analysis
        expected = gain @ (components / (1 - left[sent]))
        found = (delays @ mine @ beams.T).ravel().view(np.float64)
        cosine = expected @ found / np.linalg.norm(expected) / np.linalg.norm(found)
        assert cosine == pytest.approx(1, abs=1e-4)
        assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(without), rel=1e-4)


def test_a_twin_that_knows_the_paths_helps_and_one_that_does_not_harms_less(codec):
    rng, paths = np.random.default_rng(3), [(4, 3, 0), (7, 9, 1), (9, 12, 2)]
    gain = rng.standard_normal((300, 3, 2)) @ [1, 1j] * [1, 0.7, 0.5]
    h = 1e-5 * torch.tensor(np.einsum("nk,kfa->nfa", gain, np.array([wave(*path[:2]) for path in paths])))
    h = h.to(torch.complex64)
    right, wrong = expects(*paths, reports=300), expects((5, 6, 0), (10, 1, 1), (6, 13, 2), reports=300)
    for length in LENGTHS:
        bits = codec.encode(h, known(300, length))
        without, with_it, misled = (
            float(sgcs(h, codec.decode(bits, known(300, length, told))).mean()) for told in (None, right, wrong)
        )
        assert misled < without < with_it
        assert with_it - without > 1.5 * (without - misled) or length == LENGTHS[-1]


def test_the_twin_of_a_site_helps_at_its_own_place_alone():
    site, cpu = load_site("munich"), torch.device("cpu")
    codec = from_site(site, cpu)
    links = ChannelSampler(site, site.reality("reality"), held_out=True).links(48, torch.Generator().manual_seed(0))
    told, elsewhere = (
        where(codec, site, "twin", links, torch.Generator().manual_seed(1)) for where in (Told(), Told(elsewhere=True))
    )
    right, wrong, without = (evaluate_codec(codec, links.h, what) for what in (told, elsewhere, None))
    for bits in (64, 128):
        assert wrong[bits]["sgcs"] < without[bits]["sgcs"] < right[bits]["sgcs"] - 0.03
