"""Scalar quantisers and how many bits each component of a transform gets."""

from __future__ import annotations

import torch

_ITERATIONS = 60


def lloyd_max(samples: torch.Tensor, most_bits: int) -> list[torch.Tensor]:
    """Quantisers of least mean square error for a sample (Lloyd, IEEE Trans. Inf. Theory 28(2), 1982; Max, 1960).

    Args:
        samples: float32 [M].
        most_bits: bits of the finest.

    Returns:
        For 0, 1, ... `most_bits` bits the values, ascending, float32 [2^bits]; where to change from one to the next is
        halfway.
    """
    ordered = samples.double().sort().values
    total = torch.nn.functional.pad(ordered.cumsum(0), (1, 0))
    values = [ordered.mean()[None]]
    for bits in range(1, most_bits + 1):
        share = (torch.arange(2**bits, dtype=torch.float64, device=samples.device) + 0.5) / 2**bits
        level = ordered[(share * len(ordered)).long()]
        for _ in range(_ITERATIONS):
            edge = torch.searchsorted(ordered, (level[1:] + level[:-1]) / 2)
            edge = torch.nn.functional.pad(edge, (1, 0))
            end = torch.cat([edge[1:], edge.new_tensor([len(ordered)])])
            level = torch.where(end > edge, (total[end] - total[edge]) / (end - edge).clamp_min(1), level)
        values.append(level)
    return [level.float() for level in values]


def quantise(samples: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Index of the nearest of `values`, which ascend, int64 of the shape of `samples`."""
    return torch.bucketize(samples.contiguous(), (values[1:] + values[:-1]) / 2)


def distribute(variance: torch.Tensor, left: torch.Tensor, totals: tuple[int, ...]) -> torch.Tensor:
    """Whole bits for each component such that the error is least: reverse water-filling, one bit after the other.

    Each bit goes to the component whose error it lowers most (Shoham and Gersho, IEEE Trans. ASSP 36(9), 1988). That is
    best as long as each further bit is worth less than the one before. With the errors that Gaussian sources have in
    theory, a quarter with every bit, this is reverse water-filling (Cover and Thomas, *Elements of information theory*,
    10.3.3) in whole bits.

    Args:
        variance: of the components, float32 [C].
        left: share of the variance that is left as error by 0, 1, ... bits, falling, float32 [bits + 1].
        totals: how many bits to distribute in all, ascending.

    Returns:
        Bits of each component, int64 [totals, C].
    """
    gain = variance.double().cpu()[:, None] * (left[:-1] - left[1:]).double().cpu()
    order = gain.flatten().argsort(descending=True, stable=True)
    # Gains fall along a component's bits, so whatever is among the largest has its predecessors there, too.
    component = order // gain.shape[1]
    bits = [torch.bincount(component[:total], minlength=len(variance)) for total in totals]
    return torch.stack(bits).to(variance.device)
