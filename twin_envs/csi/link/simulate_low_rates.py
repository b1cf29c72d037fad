"""Makes `low_rates.json`, block error curves at low code rates: `python -m twin_envs.csi.link.simulate_low_rates`.

Sionna has no curves of QPSK with code rates below 1/5, nor can its encoder make such code words. NR repeats bits there:
its circular buffer (TS 38.212, 5.4.2.1) holds base graph 2 at the rate of about 1/5 and is read again from its
beginning. So a code word of n bits for k bits is simulated as the code of rate 1/5 whose first n - 5 k bits arrive
twice; the receiver adds what it hears of a bit. (The buffer holds up to four bits more for each filler bit of the code
block: not simulated.)

The decoder is that of sionna's own curves, belief propagation with 20 iterations; one that has found the code word
stops. Code and channel are symmetric, so the word of zeros stands for all. From the SNR of a resource element at which
the rate is the capacity, the simulation goes up in steps of 0.5 dB until no block is lost, and down until all are. A
point ends after some 40 lost blocks or 200 blocks, more of short ones. Every point has a generator of its own, with a
fixed seed.

A curve takes minutes; it is written as soon as it is there, and the command goes on where it was stopped.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import torch

from twin_envs.base.generators import generators_kept

FILE = Path(__file__).with_name("low_rates.json")
RATES_1024 = (120, 193, 157)
"""Code rates, times 1024: of TS 38.214, table 5.1.3.1-1, MCS 0, 2 and 1; table 5.1.3.1-2 has the first two."""
BITS = (24, 100, 500, 2000)
"""Sizes of code blocks, four of the five of sionna's curves."""
STEP_DB = 0.5
_LOSSES = 40
"""A point is done when so many blocks were lost, or at `_blocks`."""
_ITERATIONS, _AT_ONCE = 20, 5


def _blocks(bits: int) -> int:
    """Most code blocks of a point."""
    return max(200, 20_000 // bits)


def low_rate_decoder(rate_1024: int, bits: int) -> Callable[[float, int, torch.Generator], int]:
    """A function of the SNR [dB], a number of code blocks and a generator: how many of the blocks are lost."""
    with generators_kept():
        from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

        encoder = LDPC5GEncoder(bits, 5 * bits, device="cpu")
        decoder = LDPC5GDecoder(encoder, num_iter=_AT_ONCE, return_state=True, device="cpu")
    heard = torch.ones(5 * bits)  # how often each bit arrives
    heard[: 2 * round(bits * 1024 / rate_1024 / 2) - 5 * bits] += 1.0

    @torch.inference_mode()
    def lost(snr_db: float, blocks: int, generator: torch.Generator) -> int:
        snr = 10.0 ** (snr_db / 10.0) * heard
        noise = torch.randn(blocks, len(heard), generator=generator)
        # Log-likelihood ratios of zeros, sionna's sign: a bit of QPSK is BPSK at the SNR of the symbol.
        ratios, state = -(2.0 * snr) + (4.0 * snr).sqrt() * noise, None
        for _ in range(_ITERATIONS // _AT_ONCE):
            decided, state = decoder(ratios, msg_v2c=state)
            wrong = (decided != 0).any(-1)
            ratios, state = ratios[wrong], state[wrong]
            if not len(ratios):
                break
        return len(ratios)

    return lost


def simulate(rate_1024: int, bits: int) -> list[tuple[float, float]]:
    """The block error curve: pairs of SNR [dB] and BLER, rising in SNR, from a BLER of 1 to one of 0."""
    lost = low_rate_decoder(rate_1024, bits)
    start = round(10.0 * math.log10(2.0 ** (2.0 * rate_1024 / 1024) - 1.0) / STEP_DB)

    def point(step: int) -> tuple[float, float]:
        generator = torch.Generator().manual_seed((rate_1024 * 10_000 + bits) * 1000 + 500 + step)
        losses, sent, batch = 0, 0, max(20, 5000 // bits)
        while losses < _LOSSES and sent < _blocks(bits):
            losses, sent = losses + lost(step * STEP_DB, batch, generator), sent + batch
        return step * STEP_DB, losses / sent

    curve = [point(start)]
    while curve[-1][1] > 0.0:
        curve.append(point(start + len(curve)))
    above = len(curve)
    while curve[0][1] < 1.0:
        curve.insert(0, point(start - 1 - (len(curve) - above)))
    return curve


def main(file: Path = FILE) -> None:
    """Simulate what the file lacks."""
    curves = json.loads(file.read_text()) if file.exists() else {}
    for bits in BITS:
        for rate_1024 in RATES_1024:
            name = f"{rate_1024}/1024 {bits}"
            if name not in curves:
                curves[name] = simulate(rate_1024, bits)
                draft = file.with_name(file.name + ".part")
                rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in curves.items())
                draft.write_text("{\n" + rows + "\n}\n")
                os.replace(draft, file)
                print(name, curves[name], flush=True)


if __name__ == "__main__":
    main()
