"""Type I: bits by TS 38.212, codewords by TS 38.214, the best of them found."""

import itertools

import numpy as np
import pytest
import torch

from twin_envs.csi.codecs.protocol import SideInformation
from twin_envs.csi.codecs.type1.codebook import Type1
from twin_envs.csi.transforms import AngleDelayGrid

CPU = torch.device("cpu")


def known(codeword_bits):
    return SideInformation(codeword_bits=codeword_bits)


def made(rows, columns, blocks=24):
    return Type1(AngleDelayGrid(rows=rows, columns=columns, blocks=blocks, taps=16), CPU)


def channels(count, codec, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = count, codec.grid.blocks, codec.grid.antennas
    return 1e-5 * torch.randn(shape, generator=generator, dtype=torch.complex64)


@pytest.mark.parametrize(
    ("rows", "columns", "blocks", "lengths"),
    [
        # log2(N1 O1) + log2(N2 O2) + 2, then 2 bits for each subband; in mode 2 halves of both and 4 bits.
        (2, 16, 48, (6 + 0 + 2, 6 + 0 + 12 * 2, 5 + 0 + 12 * 4)),
        (4, 8, 24, (5 + 3 + 2, 5 + 3 + 6 * 2, 4 + 2 + 6 * 4)),
        (2, 2, 24, (3 + 0 + 2, 3 + 0 + 6 * 2, 2 + 0 + 6 * 4)),
        (6, 4, 24, (4 + 4 + 2, 4 + 4 + 6 * 2, 3 + 3 + 6 * 4)),  # N1 = 4, N2 = 3: 12 beams take 4 bits, 6 take 3
    ],
)
def test_bits(rows, columns, blocks, lengths):
    codec = made(rows, columns, blocks)
    assert codec.codeword_lengths == lengths
    assert codec.bits(torch.tensor(lengths)).tolist() == [7 + bits for bits in lengths]


def precoder(first, m, n, n1, n2):
    """W of table 5.2.2.2.1-5, without its norm, its ports by group, first and second dimension."""
    o2 = 4 if n2 > 1 else 1
    u = np.exp(2j * np.pi * m * np.arange(n2) / (o2 * n2))
    v = np.kron(np.exp(2j * np.pi * first * np.arange(n1) / (4 * n1)), u)
    return np.concatenate([v, np.exp(1j * np.pi * n / 2) * v])


def indices(mode, n1, n2, i11, i12, i2):
    """l, m and n of the same table."""
    if mode == 1:
        return i11, i12, i2
    if n2 == 1:
        return 2 * i11 + i2 // 4, 0, i2 % 4
    return 2 * i11 + i2 // 4 % 2, 2 * i12 + i2 // 8, i2 % 4


@pytest.mark.parametrize(("rows", "columns", "n1", "n2"), [(2, 8, 8, 1), (4, 8, 8, 2), (8, 4, 4, 4)])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_bit_strings_name_the_precoders_of_the_standard_and_the_best_of_them(rows, columns, n1, n2, which):
    codec = made(rows, columns)
    h, length = channels(6, codec), codec.codeword_lengths[which]
    lengths = torch.full((6,), length)
    bits = codec.encode(h, known(lengths))
    back = codec.decode(bits, known(lengths)).numpy()
    mode, subbands, o2 = (1, 1, 2)[which], (1, 6, 6)[which], 4 if n2 > 1 else 1
    first, second = (n1 * 4, n2 * o2) if mode == 1 else (n1 * 2, max(n2 * o2 // 2, 1))
    widths = [7, (first - 1).bit_length(), (second - 1).bit_length()] + [2 if mode == 1 else 4] * subbands
    antenna = codec.panel.antenna.numpy()
    for n in range(6):
        text, fields = "".join(map(str, bits[n].tolist())), []
        for width in widths:
            fields.append(int(text[:width] or "0", 2))
            text = text[width:]
        assert not text.strip("0")
        target = h[n].numpy().reshape(6, 4, -1).mean(1).conj()[:, antenna]

        def power(i11, i12, i2s, target=target):
            w = [precoder(*indices(mode, n1, n2, i11, i12, i2), n1, n2) for i2 in i2s]
            w = np.array(w * (6 // len(w)))
            return w, np.abs((w.conj() * target).sum(1)) ** 2

        w, reached = power(fields[1], fields[2], fields[3:])
        cosine = np.abs((back[n].reshape(6, 4, -1)[:, 0][:, antenna] * w).sum(1))
        np.testing.assert_allclose(cosine, np.linalg.norm(w, axis=1) * np.linalg.norm(back[n], axis=1)[::4], rtol=1e-4)
        best = 0.0
        for i11, i12 in itertools.product(range(first), range(second)):
            each = np.array([power(i11, i12, [i2])[1] for i2 in range(4 if mode == 1 else 16)])
            best = max(best, each.sum(1).max() if which == 0 else each.max(0).sum())
        assert reached.sum() == pytest.approx(best, rel=1e-4)
