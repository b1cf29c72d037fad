"""Enhanced Type II: bits by hand from TS 38.212 and 38.214, and bit strings read by a decoder in NumPy."""

import itertools
import math

import numpy as np
import pytest
import torch

from twin_envs.csi.codecs.etype2.codebook import EType2
from twin_envs.csi.codecs.etype2.parameters import strongest_bits
from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.training.training import nmse_by_block
from twin_envs.csi.transforms import AngleDelayGrid

CPU = torch.device("cpu")


def known(codeword_bits):
    return SideInformation(codeword_bits=codeword_bits)


def made(rows=2, columns=16, blocks=48, groups=2):
    return EType2(AngleDelayGrid(rows=rows, columns=columns, blocks=blocks, taps=16), CPU, groups)


def paths(count, codec, number=3, seed=0):
    """Channels of a few paths with delays of up to 0.6 us."""
    generator, grid = torch.Generator().manual_seed(seed), codec.grid
    delay, psi = (
        0.6e-6 * torch.rand(count, number, generator=generator),
        torch.rand(2, count, number, generator=generator),
    )
    gain = torch.randn(count, number, generator=generator, dtype=torch.complex64) * 1e-5
    block, row, column = (torch.arange(size) for size in (grid.blocks, grid.rows, grid.columns))
    over_blocks = torch.exp(-2j * torch.pi * grid.block_spacing_hz * delay[..., None] * block)
    over_antennas = torch.exp(
        2j * torch.pi * (psi[0, ..., None, None] * row[:, None] + psi[1, ..., None, None] * column)
    )
    return (gain[..., None] * over_blocks).mT @ over_antennas.flatten(2)


# Number of coefficients, i1,1, i1,2, i1,6, bitmap, i1,8, i2,3, i2,4 and i2,5 at K0, by paramCombination-r16.
BY_HAND = {
    (2, 16, 48, 2): {  # N1 = 16, N2 = 1, N3 = 12: M = 3 or 6
        1: (2, 2, 7, 6, 12, 2, 4, 3 * 2, 4 * 2),
        2: (3, 2, 7, 6, 12, 3, 4, 3 * 5, 4 * 5),
        3: (3, 2, 11, 6, 24, 3, 4, 3 * 5, 4 * 5),
        4: (4, 2, 11, 6, 24, 4, 4, 3 * 11, 4 * 11),
        5: (5, 2, 11, 6, 24, 5, 4, 3 * 17, 4 * 17),
        6: (5, 2, 11, 9, 48, 5, 4, 3 * 23, 4 * 23),
        7: (5, 2, 13, 6, 36, 5, 4, 3 * 17, 4 * 17),
        8: (5, 2, 13, 6, 36, 5, 4, 3 * 26, 4 * 26),
    },
    (8, 4, 72, 2): {  # N1 = N2 = 4, N3 = 18: M = 5 or 9
        1: (3, 4, 7, 12, 20, 3, 4, 3 * 4, 4 * 4),
        2: (4, 4, 7, 12, 20, 4, 4, 3 * 9, 4 * 9),
        3: (4, 4, 11, 12, 40, 4, 4, 3 * 9, 4 * 9),
        4: (5, 4, 11, 12, 40, 5, 4, 3 * 19, 4 * 19),
        5: (5, 4, 11, 12, 40, 5, 4, 3 * 29, 4 * 29),
        6: (6, 4, 11, 15, 72, 6, 4, 3 * 35, 4 * 35),
        7: (5, 4, 13, 12, 60, 5, 4, 3 * 29, 4 * 29),
        8: (6, 4, 13, 12, 60, 6, 4, 3 * 44, 4 * 44),
    },
    (2, 2, 24, 2): {1: (1, 2, 0, 3, 8, 1, 4, 3 * 1, 4 * 1), 2: (2, 2, 0, 3, 8, 2, 4, 3 * 3, 4 * 3)},  # N1 = 2, N2 = 1
    (2, 16, 48, 1): {  # one group of 32 ports: no i2,3
        1: (1, 4, 9, 6, 6, 1, 0, 3 * 1, 4 * 1),
        4: (3, 4, 16, 6, 12, 3, 0, 3 * 5, 4 * 5),
        8: (4, 4, 20, 6, 18, 4, 0, 3 * 13, 4 * 13),
    },
}


@pytest.mark.parametrize("array", BY_HAND)
def test_bits_are_those_counted_by_hand(array):
    found = {form.combination: bits for bits, form in made(*array).formats.items()}
    expected = {number: sum(fields) for number, fields in BY_HAND[array].items()}
    assert {number: found[number] for number in expected} == expected
    if array[3] == 2:
        assert found.keys() == expected.keys()


def test_fewer_coefficients_take_fewer_bits():
    form = next(form for form in made().formats.values() if form.combination == 4)
    one = 4 + 2 + 11 + 6 + 24 + 0 + 4
    assert form.sent(torch.tensor([1, 2, 3, 12])).tolist() == [one, one + 1 + 7, one + 2 + 14, one + 4 + 77]
    assert strongest_bits(torch.tensor([1, 2, 3, 4, 5, 27])).tolist() == [0, 1, 2, 2, 3, 5]


def test_combinations_for_as_many_ports_as_the_standard_allows():
    ports = {(2, 2): [1, 2], (2, 8): [1, 2, 3, 4, 5, 6], (4, 8): list(range(1, 9))}
    for (rows, columns), expected in ports.items():
        assert sorted(form.combination for form in made(rows, columns).formats.values()) == expected


def subset(index, size, k):
    """The subset of this index, by counting them: the last in lexicographic order has index 0."""
    return list(itertools.combinations(range(size), k))[math.comb(size, k) - 1 - index]


def read(codec, form, text):
    """W of TS 38.214, table 5.2.2.2.5-5, not scaled, [subbands, ports], and what is left of a bit string."""
    panel, groups = codec.panel, codec.panel.groups
    n1, n2, o2, n3 = panel.n1, panel.n2, 4 if panel.n2 > 1 else 1, panel.subbands
    beams, delays, most = form.beams, form.delays, form.most

    def take(width):
        nonlocal text
        value, text = int(text[:width] or "0", 2), text[width:]
        return value

    def width(count):
        return math.ceil(math.log2(count))

    take(7)
    nonzero = take(width(most)) + 1
    q1, q2 = divmod(take(width(4 * o2)), o2)
    beam = subset(take(width(math.comb(n1 * n2, beams))), n1 * n2, beams)
    delay = (0, *(d + 1 for d in subset(take(width(math.comb(n3 - 1, delays - 1))), n3 - 1, delays - 1)))
    bitmap = np.array([[take(1) for _ in range(groups * beams)] for _ in range(delays)])
    assert bitmap.sum() == nonzero <= most
    strongest = np.flatnonzero(bitmap[0])[take(width(nonzero))]
    reference = take(4) if groups > 1 else 15
    p1 = np.full(groups, 2.0 ** ((reference - 15) / 4))
    p1[strongest // beams] = 1.0
    c = np.zeros((groups * beams, delays), complex)
    for f, i in itertools.product(range(delays), range(groups * beams)):
        if (f, i) == (0, strongest):
            c[i, f] = 1
        elif bitmap[f, i]:
            amplitude = p1[i // beams] * 2.0 ** ((take(3) - 7) / 2)
            c[i, f] = amplitude * np.exp(2j * np.pi * take(4) / 16)
    w = np.zeros((n3, groups, n1 * n2), complex)
    for i, f, t in itertools.product(range(groups * beams), range(delays), range(n3)):
        second, first = divmod(beam[i % beams], n1)
        u = np.exp(2j * np.pi * (o2 * second + q2) * np.arange(n2) / (o2 * n2))
        v = np.kron(np.exp(2j * np.pi * (4 * first + q1) * np.arange(n1) / (4 * n1)), u)
        w[t, i // beams] += v * c[i, f] * np.exp(2j * np.pi * t * delay[f] / n3)
    return w.reshape(n3, -1), text


@pytest.mark.parametrize(("rows", "columns", "groups"), [(2, 16, 2), (4, 8, 2), (2, 16, 1)])
def test_a_decoder_in_numpy_reads_the_same_channels(rows, columns, groups):
    codec = made(rows, columns, 24, groups)
    h = paths(3, codec)
    for length, form in codec.formats.items():
        lengths = torch.full((3,), length)
        bits = codec.encode(h, known(lengths))
        back = codec.decode(bits, known(lengths)).numpy()
        held = codec.sent_bits(bits, known(lengths))
        for n in range(3):
            w, rest = read(codec, form, "".join(map(str, bits[n].tolist())))
            assert bits.shape[1] - len(rest) == held[n]
            found = back[n][::4][:, codec.panel.antenna].conj()
            np.testing.assert_allclose(found / np.linalg.norm(found), w / np.linalg.norm(w), atol=1e-5)


def test_what_the_codebook_has_is_reported_to_the_rounding_of_amplitude_and_phase():
    """Three orthogonal beams with whole delays: the error is that of amplitudes in steps of 3 dB and of 16 phases."""
    codec = made()
    generator = torch.Generator().manual_seed(0)
    beam = codec.panel.beams()[[3, 19, 35], 0]
    ramp = torch.exp(2j * torch.pi * torch.tensor([0, 2, 5])[:, None] * torch.arange(12) / 12)
    size = 0.5 + 0.5 * torch.rand(200, 2, 3, generator=generator)
    c = torch.polar(size, 2 * torch.pi * torch.rand(200, 2, 3, generator=generator))
    w = torch.einsum("ngi,it,ip->ntgp", c, ramp, beam)
    h = codec.panel.channels(w, torch.full((200,), 1e-9))
    lengths = torch.full((200,), max(codec.codeword_lengths))
    back = codec.decode(codec.encode(h, known(lengths)), known(lengths))
    error = nmse_by_block(h, back)
    assert error.mean() < 0.03
    assert error.max() < 0.1


def test_the_ramp_of_phases_alone_is_lost():
    """A channel that comes later by a whole tap of the subbands gives the same report."""
    codec = made()
    h, lengths = paths(20, codec), torch.full((20,), 132)
    later = torch.exp(-2j * torch.pi * codec.panel.subband / 12)[:, None]
    assert torch.equal(codec.encode(h * later, known(lengths))[:, :130], codec.encode(h, known(lengths))[:, :130])
