"""How wrong a channel twin is, from what the network has measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.knowledge import K_FACTOR_RANGE_DB, KNOWLEDGE_FIELDS, LONGEST_COHERENCE_S, Knowledge, SensedState
from twin_envs.twin.quadrature import wrapped

_SHARES = ("coherence_time_s", "coherence_bandwidth_hz")
"""Fields that are one over something: an error of these is told as a share of the value."""
_PER_SPEED = ("doppler_spread_hz",)
"""Fields that are in proportion to the speed: an error of these is told for 1 m/s."""
_RANGES = {
    "los_probability": (0.0, 1.0),
    "delay_spread_s": (0.0, math.inf),
    "departure_spread_rad": (0.0, math.inf),
    "arrival_spread_rad": (0.0, math.inf),
    "k_factor_db": K_FACTOR_RANGE_DB,
    "doppler_spread_hz": (0.0, math.inf),
    "coherence_time_s": (0.0, LONGEST_COHERENCE_S),
    "coherence_bandwidth_hz": (0.0, 1e9),
}
_NAMES = tuple(KNOWLEDGE_FIELDS)
_AZIMUTHS = [index for index, name in enumerate(_NAMES) if "azimuth" in name]
_ONE_SIGMA = 0.683
"""Share of a normal distribution within one standard deviation."""
_KINDS, _LEAST_LINKS = 4, 12
"""So many kinds of links are told apart, by the gain that the twin expects, if each has so many links."""


@dataclass(frozen=True, kw_only=True)
class TwinError(Constant):
    """The error of a twin's knowledge, for K kinds of links: strong ones are known better than weak ones.

    Errors of coherence time and bandwidth are shares of the value, those of the Doppler spread are for 1 m/s.

    Attributes:
        edge_db: gains, as the twin expects them, between one kind of links and the next, float32 [K - 1].
        bias: median of what was measured less what the twin had said, float32 [K, fields].
        std: half the width of the band about it that holds 68 % of what was measured, less what the twin had said
            of its uncertainty, in quadrature, float32 [K, fields].
    """

    edge_db: torch.Tensor
    bias: torch.Tensor
    std: torch.Tensor

    def correct(self, knowledge: Knowledge, sensed: SensedState) -> Knowledge:
        """Knowledge [N] of the twin about UEs that are `sensed` [N], its bias taken off, its uncertainty widened."""
        kind = _kind(knowledge.values, self.edge_db)
        values = knowledge.values + self.bias[kind] * _scale(knowledge.values, sensed)
        values = values.clamp(*_limits(values.device))
        values[:, _AZIMUTHS] = wrapped(values[:, _AZIMUTHS])
        return replace(
            knowledge, values=values, std=torch.hypot(knowledge.std, self.std[kind] * _scale(values, sensed))
        )


def learn_error(said: Knowledge, sensed: SensedState, measured: torch.Tensor) -> TwinError:
    """The error of a twin that had `said` this of UEs `sensed` on M links; `measured` float32 [M, fields] turned out.

    Links that the twin does not cover tell nothing. Where there is no other, no error is known and none is added.
    """
    known = said.covered > 0
    scale = _scale(said.values, sensed)[known]
    values, std = said.values[known], said.std[known] / scale
    error = measured[known] - values
    error[:, _AZIMUTHS] = wrapped(error[:, _AZIMUTHS])
    error = error / scale
    if not len(error):
        nothing = torch.zeros(1, len(_NAMES), device=error.device)
        return TwinError(edge_db=nothing[0, :0], bias=nothing, std=nothing)
    gain_db = values[:, _NAMES.index("gain_db")]
    share = torch.linspace(0, 1, 1 + min(_KINDS, max(len(error) // _LEAST_LINKS, 1)), device=error.device)[1:-1]
    edge_db = gain_db.quantile(share).unique()
    edge_db = edge_db[edge_db < gain_db.max()]  # beyond the strongest there is no link: twins may say one gain of many
    kind = _kind(values, edge_db)
    bias, model = [], []
    for number in range(len(edge_db) + 1):
        middle = error[kind == number].median(0).values
        # |error| <= hypot(std, model) on that share of the links.
        beyond = ((error[kind == number] - middle).square() - std[kind == number].square()).clamp_min(0)
        bias.append(middle)
        model.append(beyond.quantile(_ONE_SIGMA, 0).sqrt())
    return TwinError(edge_db=edge_db, bias=torch.stack(bias), std=torch.stack(model))


def _kind(values: torch.Tensor, edge_db: torch.Tensor) -> torch.Tensor:
    """The kind of each link [N], by its gain in `values` [N, fields]."""
    return (values[:, _NAMES.index("gain_db"), None] > edge_db).sum(-1)


def _scale(values: torch.Tensor, sensed: SensedState) -> torch.Tensor:
    """What errors of `values` [N, fields] are told in, [N, fields]."""
    scale = torch.ones_like(values)
    shares, per_speed = ([_NAMES.index(name) for name in names] for names in (_SHARES, _PER_SPEED))
    scale[:, shares] = values[:, shares].clamp_min(1e-9)
    speed_m_s = torch.hypot(sensed.velocity_m_s.norm(dim=-1), math.sqrt(2) * sensed.velocity_std_m_s)
    scale[:, per_speed] = speed_m_s.clamp_min(1e-3)[:, None]
    return scale


def _limits(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest value of each field [fields]."""
    low, high = zip(*(_RANGES.get(name, (-math.inf, math.inf)) for name in _NAMES), strict=True)
    return torch.tensor(low, device=device), torch.tensor(high, device=device)
