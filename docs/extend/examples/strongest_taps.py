"""A codec of one's own: the strongest bins of the angle-delay picture, each with its place, amplitude and phase."""

import math

import torch

import twin_envs
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.protocol import LEVEL_BITS, from_bits, level_to_gain, quantise_level, to_bits
from twin_envs.csi.transforms import from_angle_delay, to_angle_delay

PLACE_BITS, AMPLITUDE_BITS, PHASE_BITS = 12, 4, 4
BIN_BITS = PLACE_BITS + AMPLITUDE_BITS + PHASE_BITS
STEP_DB = 1.5


class StrongestTaps:
    """Codewords of 4, 8 or 16 bins, behind the level that every report begins with."""

    codeword_lengths = (4 * BIN_BITS, 8 * BIN_BITS, 16 * BIN_BITS)

    def __init__(self, grid):
        self.grid = grid

    def encode(self, h_hat, side):
        """Bit strings, uint8 [N, LEVEL_BITS + longest codeword]."""
        picture = to_angle_delay(h_hat, self.grid).flatten(1)
        size, place = picture.abs().topk(self.codeword_lengths[-1] // BIN_BITS, 1)
        below_db = -20 * torch.log10(size / size[:, :1].clamp_min(1e-30) + 1e-9)
        amplitude = (below_db / STEP_DB).round().long().clamp(0, 2**AMPLITUDE_BITS - 1)
        turn = picture.gather(1, place).angle() / (2 * math.pi)
        phase = (turn * 2**PHASE_BITS).round().long() % 2**PHASE_BITS
        symbols = (place << AMPLITUDE_BITS | amplitude) << PHASE_BITS | phase
        bits = to_bits(symbols, BIN_BITS)
        bits *= torch.arange(bits.shape[1], device=bits.device) < side.codeword_bits[:, None]
        level = quantise_level(h_hat.abs().square().mean((1, 2)).clamp_min(1e-30))
        return torch.cat([to_bits(level[:, None], LEVEL_BITS), bits], 1)

    def decode(self, bits, side):
        """Channels, complex64 [N, blocks, antennas]."""
        level = from_bits(bits[:, :LEVEL_BITS], LEVEL_BITS)[:, 0]
        symbols = from_bits(bits[:, LEVEL_BITS : LEVEL_BITS + self.codeword_lengths[-1]], BIN_BITS)
        sent = torch.arange(symbols.shape[1], device=bits.device) < side.codeword_bits[:, None] // BIN_BITS
        phase = symbols % 2**PHASE_BITS * (2 * math.pi / 2**PHASE_BITS)
        amplitude = 10 ** (-STEP_DB * ((symbols >> PHASE_BITS) % 2**AMPLITUDE_BITS) / 20)
        picture = torch.zeros(len(bits), self.grid.blocks * self.grid.antennas, dtype=torch.complex64)
        picture = picture.to(bits.device).scatter_add_(
            1, symbols >> PHASE_BITS + AMPLITUDE_BITS, sent * torch.polar(amplitude, phase)
        )
        h = from_angle_delay(picture.unflatten(1, (self.grid.blocks, self.grid.antennas)), self.grid)
        return h * (level_to_gain(level) / h.abs().square().mean((1, 2)).clamp_min(1e-30)).sqrt()[:, None, None]


def from_site(site, device):
    """What the option `codec` names."""
    return StrongestTaps(angle_delay_grid(site))


if __name__ == "__main__":
    for codec, bits in (("csinet", 256), ("strongest_taps:from_site", 16 * BIN_BITS)):
        options = {"codec": codec, "codeword_bits": bits, "num_ue": 4, "episode_slots": 400}
        print(codec, twin_envs.evaluate(lambda seen: [6] * len(seen), "FeedbackInterval", seeds=4, options=options))
