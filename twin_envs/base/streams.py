"""Random numbers for a batch of environments, one stream each, on any device.

A counter-based generator: number `element` of draw `counter` of the environment with key `k` is a hash of
(k, counter, element). So an environment's numbers do not depend on what else is in the batch, equal seeds give equal
numbers on CPU and GPU, and nothing global is touched. The hash is the finaliser of SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", 2014), applied once for each of the three inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from twin_envs.base.state import TensorState, tensor


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    return (x >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = _shift_right(x, 30).bitwise_xor_(x).mul_(_MIX_1)  # in place: fresh memory costs more than the arithmetic
    x = _shift_right(x, 27).bitwise_xor_(x).mul_(_MIX_2)
    return _shift_right(x, 31).bitwise_xor_(x)


@dataclass(kw_only=True)
class StreamsState(TensorState):
    """Where each of B streams stands.

    Attributes:
        key: what tells one stream from another, int64 [B].
        counter: number of the next draw, int64 [B].
    """

    key: torch.Tensor = tensor("env", dtype=torch.int64)
    counter: torch.Tensor = tensor("env", dtype=torch.int64)


class Streams:
    """One random stream for each of B environments.

    Args:
        num_envs: B.
        device: where the numbers are made.

    Attributes:
        state: where the streams stand.
    """

    def __init__(self, num_envs: int, device: torch.device | str = "cpu") -> None:
        self.state = StreamsState.create(num_envs, device)
        self.key, self.counter = self.state.key, self.state.counter

    def seed(self, rows: torch.Tensor, keys: torch.Tensor) -> None:
        """Start the streams of environments `rows` [N] anew from `keys` [N] (int64)."""
        self.key[rows] = keys
        self.counter[rows] = 0

    def seek(self, rows: torch.Tensor, counter: torch.Tensor) -> None:
        """Let the next draw of environments `rows` [N] be draw number `counter` [N]."""
        self.counter[rows] = counter

    def uniform(self, rows: torch.Tensor, *shape: int) -> torch.Tensor:
        """Uniform numbers in [0, 1), float32 [N, *shape], one draw from each stream in `rows` [N].

        With a larger `shape` of one dimension the first numbers stay what they are.
        """
        return _shift_right(self._bits(rows, math.prod(shape)), 40).to(torch.float32).mul_(2.0**-24).view(-1, *shape)

    def normal(self, rows: torch.Tensor, *shape: int) -> torch.Tensor:
        """Standard normal numbers, float32 [N, *shape] (Box-Muller on the two halves of each 64-bit word)."""
        words = self._bits(rows, math.prod(shape))
        radius = _shift_right(words, 40).to(torch.float32).add_(1.0).mul_(2.0**-24).log_().mul_(-2.0).sqrt_()
        angle = words.bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2.0 * math.pi * 2.0**-24)
        return radius.mul_(angle.cos_()).view(-1, *shape)

    def complex_normal(self, rows: torch.Tensor, *shape: int) -> torch.Tensor:
        """Circular complex normal numbers of unit variance, complex64 [N, *shape]."""
        words = self._bits(rows, math.prod(shape))
        radius = _shift_right(words, 40).to(torch.float32).add_(1.0).mul_(2.0**-24).log_().neg_().sqrt_()
        angle = words.bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2.0 * math.pi * 2.0**-24)
        return torch.complex(radius * angle.cos(), radius.mul_(angle.sin_())).view(-1, *shape)

    def integers(self, rows: torch.Tensor, high: torch.Tensor | int, *shape: int) -> torch.Tensor:
        """Integers in [0, high), int64 [N, *shape]; `high` broadcasts against the result."""
        high = torch.as_tensor(high, device=self.key.device)
        return (self.uniform(rows, *shape).double() * high).long()

    def _bits(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        base = _mix(_mix(self.key[rows] + _GOLDEN) ^ (self.counter[rows] * _GOLDEN))
        self.counter[rows] += 1
        elements = torch.arange(1, count + 1, device=self.key.device, dtype=torch.int64) * _GOLDEN
        return _mix(base[:, None] + elements)
