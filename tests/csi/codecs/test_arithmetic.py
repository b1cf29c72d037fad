"""The arithmetic code: symbols come back, and take no more bits than they are surprising."""

import pytest
import torch

from twin_envs.csi.codecs.arithmetic import Decoder, Encoder

CPU = torch.device("cpu")
COLUMNS, REPORTS, SYMBOLS = 400, 100, 25


@pytest.fixture(params=range(3))
def sequence(request):
    """Frequencies, symbols and who has them, of symbols as frequent as is said."""
    generator = torch.Generator().manual_seed(request.param)

    def below(most, *size):
        return torch.randint(1, most, size, generator=generator)

    steps = []
    for _ in range(SYMBOLS):
        frequency = below(1 << int(below(30, 1)), REPORTS, int(below(40, 1)) + 1) * (below(4, REPORTS, 1) > 0)
        frequency[:, 0] += 1
        symbol = torch.multinomial(frequency.double(), 1, generator=generator)[:, 0]
        steps.append((frequency, symbol, below(4, REPORTS) > 1))
    return steps


def written(sequence):
    encoder = Encoder(REPORTS, COLUMNS, CPU)
    for step in sequence:
        encoder.code(*step)
    return encoder.finish()


@pytest.mark.parametrize("behind", [0, 1])
def test_symbols_come_back_whatever_follows_the_report(sequence, behind):
    bits, length = written(sequence)
    decoder = Decoder(torch.where(torch.arange(COLUMNS) < length[:, None], bits, behind).to(torch.uint8))
    for frequency, symbol, there in sequence:
        read = decoder.code(frequency, torch.zeros_like(symbol), there)
        assert torch.equal(read, torch.where(there, symbol, 0))


def test_a_report_takes_at_most_two_bits_more_than_it_informs(sequence):
    bits, length = written(sequence)
    informs = torch.zeros(REPORTS, dtype=torch.float64)
    for frequency, symbol, there in sequence:
        share = frequency.gather(1, symbol[:, None])[:, 0] / frequency.sum(1).double()
        informs -= torch.where(there, share.log2(), 0.0)
    assert (length >= informs - 1e-6).all()
    assert (length <= informs + 2).all()
    assert not bits[torch.arange(COLUMNS) >= length[:, None]].any()


def test_what_is_certain_takes_nothing_and_a_bit_takes_a_bit():
    certain, even, there = torch.tensor([[0, 8, 0]]), torch.tensor([[1, 1]]), torch.tensor([True])
    encoder = Encoder(1, 16, CPU)
    encoder.code(certain, torch.tensor([1]), there)
    bits, length = encoder.finish()
    assert length.tolist() == [0]
    encoder = Encoder(1, 16, CPU)
    for symbol in (1, 0, 1, 1):
        encoder.code(even, torch.tensor([symbol]), there)
    bits, length = encoder.finish()
    assert length.tolist() == [4]
    assert bits[0, :4].tolist() == [1, 0, 1, 1]


def test_a_carry_runs_through_a_row_of_ones():
    """Lower ends that add up to just below a power of 2, and then beyond."""
    frequency, there = torch.tensor([[(1 << 20) - 1, 1]]), torch.tensor([True])
    for last in (0, 1):
        encoder, symbols = Encoder(1, 100, CPU), [1, 0, 0, 1, last, 0, 1]
        for symbol in symbols:
            encoder.code(frequency, torch.tensor([symbol]), there)
        decoder = Decoder(encoder.finish()[0])
        assert [int(decoder.code(frequency, torch.tensor([0]), there)) for _ in symbols] == symbols


def test_reports_that_are_too_long_are_counted_in_full():
    frequency, there = torch.ones(2, 1 << 16, dtype=torch.int64), torch.tensor([True, True])
    encoder = Encoder(2, 40, CPU)
    for _ in range(10):
        encoder.code(frequency, torch.tensor([65535, 1]), there)
    length = encoder.finish()[1]
    assert ((length >= 160) & (length <= 162)).all()
