"""Two atlases of the same grid made into one: every link has the paths of both."""

from __future__ import annotations

import torch

from twin_envs.world.atlas.packing import SCATTERED

_BY_PATH = ("gain_cdb", "phase", "length_m", "departure", "turn", "kind")


def merge(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of an atlas, as `Atlas` takes them, from those of two; what is not of paths is the first's.

    Those of a link come one after the other, the first's before the second's.
    """
    counts = [part["count"].long() for part in (first, second)]
    links = torch.arange(counts[0].numel())
    order = torch.cat([torch.repeat_interleave(links, count.flatten()) for count in counts]).argsort(stable=True)
    merged = {name: torch.cat([first[name], second[name]])[order] for name in _BY_PATH}
    track = torch.cat(
        [first["track"].long(), second["track"].long() + (int(first["track"].max()) + 1 if len(first["track"]) else 0)]
    )
    scattered = torch.cat([first["kind"], second["kind"]]) & SCATTERED > 0
    source_m = torch.zeros(len(scattered), dtype=first["source_m"].dtype)
    source_m[scattered] = torch.cat([first["source_m"], second["source_m"]])
    return {
        **first,
        **merged,
        "count": (counts[0] + counts[1]).to(torch.int16),
        "track": track[order],
        "source_m": source_m[order][scattered[order]],
    }
