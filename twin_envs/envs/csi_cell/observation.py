"""Observations: one flat vector of numbers from 0 to 1, and a layout that says what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import gymnasium
import numpy as np
import torch

from twin_envs.base.errors import check_keys
from twin_envs.base.units import linear_to_db, squared_magnitude
from twin_envs.envs.csi_cell.core import Cell
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS


@dataclass(frozen=True, kw_only=True)
class Field:
    """A number of an observation, or `count` of them: 0 stands for `low`, 1 for `high` in `unit`; beyond, clipped.

    `item` says that the numbers are about things that are alike, such as "ap": one number is about each.
    """

    name: str
    unit: str
    low: float
    high: float
    count: int = 1
    item: str | None = None


@dataclass(frozen=True)
class ObservationLayout:
    """What the numbers of an observation are.

    Args:
        fields: in the order of the observation.
        meaning: what the fields are whose names do not say it all.
    """

    fields: tuple[Field, ...]
    meaning: str = ""

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return sum(field.count for field in self.fields)

    @property
    def names(self) -> list[str]:
        """The name of each number: its field's, which goes on such as `[3]` or begins such as `ap_3_` if of several."""
        return [_name(field, place) for field in self.fields for place in range(field.count)]

    @property
    def space(self) -> gymnasium.spaces.Box:
        """The observation space: float32, one dimension, from 0 to 1."""
        return gymnasium.spaces.Box(0.0, 1.0, (self.size,), np.float32)

    def index(self, name: str) -> int:
        """Place of a field, or its first number's, or of one number of `names`. Raises as `slice` does."""
        return self._place(name)[1]

    def slice(self, name: str) -> slice:
        """Slice in an observation of a field, or of one number of `names`. `ConfigurationError` if there is no such."""
        _, start, count = self._place(name)
        return slice(start, start + count)

    def value(self, observation: np.ndarray, name: str) -> np.ndarray:
        """What `slice` takes of observations [..., D], in the field's unit: [...], or [..., count] if that is not 1."""
        field, start, count = self._place(name)
        value = field.low + observation[..., start : start + count] * (field.high - field.low)
        return value[..., 0] if count == 1 else value

    def pack(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        """Observations, float32 [N, D] from 0 to 1, from the values [N] or [N, count] of all fields in their units."""
        numbers = [values[f.name].float().reshape(-1, f.count) for f in self.fields]
        low, width = _scale(self.fields, numbers[0].device)
        return torch.cat(numbers, -1).sub_(low).div_(width).clamp_(0.0, 1.0)

    def table(self) -> str:
        """The layout as a Markdown table."""
        rows = []
        for field in self.fields:
            index = self.index(field.name)
            places = f"{index}" if field.count == 1 else f"{index} to {index + field.count - 1}"
            rows.append(f"| {places} | {field.name} | {field.unit} | {field.low:g} to {field.high:g} |")
        return "\n".join(["| index | field | unit | range |", "|---|---|---|---|", *rows])

    def _place(self, name: str) -> tuple[Field, int, int]:
        if name not in self._places:
            check_keys("the observation", [name], [field.name for field in self.fields])
        return self._places[name]

    @cached_property
    def _places(self) -> dict[str, tuple[Field, int, int]]:
        """Field, first number and how many numbers by name: of whole fields, and of each of their numbers."""
        places: dict[str, tuple[Field, int, int]] = {}
        start = 0
        for field in self.fields:
            places |= {_name(field, place): (field, start + place, 1) for place in range(field.count)}
            places[field.name] = (field, start, field.count)
            start += field.count
        return places


def _name(field: Field, place: int) -> str:
    if field.item is not None:
        return f"{field.item}_{place}_{field.name}"
    return field.name if field.count == 1 else f"{field.name}[{place}]"


@lru_cache(maxsize=64)
def _scale(fields: tuple[Field, ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Lower ends and widths of the ranges of all numbers of `fields`, float32 [D] each."""
    low, high = (torch.tensor([getattr(f, end) for f in fields for _ in range(f.count)]) for end in ("low", "high"))
    return low.float().to(device), (high - low).float().to(device)


def make_fields(*rows: tuple[str, str, float, float]) -> tuple[Field, ...]:
    """Fields from name, unit, low and high of each."""
    return tuple(Field(name=name, unit=unit, low=low, high=high) for name, unit, low, high in rows)


_MEANING = """Speed, its standard deviation and the position's: from GNSS and IMU. snr: of an antenna port, as
reported. similarity: squared cosine of the UE's last two reports, gap slots apart (0: there was one report only).
offset_from_age_n: of link adaptation's outer loop, for CSI of n slots and more, up to the next such age. acknowledged,
bits_per_re: of the UE in the last window; cell_bits_per_re: of all UEs. known: share of the UE's position distribution
for which the twin has a channel; where it is 0, so are the fields `twin_...`. others_known: share of the other UEs
that the twin knows; others_coherence_time: mean over these, the lowest value where there is none;
faster_ageing_others: share of UEs whose coherence time is shorter. waiting: share of UEs that would report now if the
uplink were free. requested_load: opportunities of the uplink that the chosen periods and codewords ask for, over those
that there are. last_period, last_pilot_density, last_codeword: with which the UE has reported; last_dmrs_additional:
with which it was sent data."""
CSI_LAYOUT = ObservationLayout(
    make_fields(
        ("speed", "m/s", 0, 20),
        ("speed_logarithm", "log10 m/s", -2, 1.5),
        ("speed_std", "m/s", 0, 2),
        ("position_std", "m", 0, 20),
        ("snr", "dB", -10, 60),
        ("similarity", "1", 0, 1),
        ("gap", "log10 slots", 0, 3),
        *((f"offset_from_age_{age}", "dB", -20.0, 20.0) for age in (0, *AGE_EDGES_SLOTS)),
        ("acknowledged", "1", 0, 1),
        ("bits_per_re", "bit", 0, 8),
        ("cell_bits_per_re", "bit", 0, 64),
        ("known", "1", 0, 1),
        ("twin_gain", "dB", -140, -40),
        ("twin_gain_std", "dB", 0, 20),
        ("twin_los_probability", "1", 0, 1),
        ("twin_delay_spread", "log10 s", -9, -6),
        ("twin_delay_spread_std", "log10 s", -9, -6),
        ("twin_departure_spread", "rad", 0, 2),
        ("twin_arrival_spread", "rad", 0, 3),
        ("twin_k_factor", "dB", -40, 40),
        ("twin_doppler_spread", "log10 Hz", -2, 3),
        ("twin_doppler_spread_std", "log10 Hz", -2, 3),
        ("twin_coherence_time", "log10 s", -4, 1),
        ("twin_coherence_bandwidth", "log10 Hz", 4, 9),
        ("others_known", "1", 0, 1),
        ("others_coherence_time", "log10 s", -4, 1),
        ("faster_ageing_others", "1", 0, 1),
        ("waiting", "1", 0, 1),
        ("requested_load", "1", 0, 4),
        ("last_period", "log10 slots", 0, 3),
        ("last_pilot_density", "log2", -4, 0),
        ("last_codeword", "log2 bit", 4, 12),
        ("last_dmrs_additional", "1", 0, 3),
        ("num_ue", "1", 0, 16),
        ("uplink_period", "log10 slots", 0, 3),
        ("time_left", "1", 0, 1),
    ),
    _MEANING,
)
"""What the agent sees when it decides about the CSI of the UE that has just reported."""


_LOWS = {field.name: field.low for field in CSI_LAYOUT.fields}


def observe_csi(cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
    """Observations [N, D] by `CSI_LAYOUT` of environments `rows` [N], about their UEs `ue` [N]."""
    known, config = cell.known, cell.config
    now = known.now_slots[rows]
    seen = (known.knowledge.known > 0)[rows]
    coherence = _log10(known.knowledge["coherence_time_s"][rows])
    own_coherence = coherence.gather(1, ue[:, None])
    others = seen.clone().scatter_(1, ue[:, None], False)
    mean_over_others = (coherence * others).sum(-1) / others.sum(-1).clamp_min(1)
    period = known.period_slots[rows].clamp_min(1)
    values = {
        **describe_ues(cell, rows, ue),
        "cell_bits_per_re": known.bits_per_re[rows].sum(-1),
        "others_known": others.sum(-1) / max(config.num_ue - 1, 1),
        "others_coherence_time": torch.where(others.any(-1), mean_over_others, _LOWS["others_coherence_time"]),
        "faster_ageing_others": (others & (coherence < own_coherence)).float().mean(-1),
        "waiting": (known.due_slots[rows] <= now[:, None]).scatter(1, ue[:, None], False).float().mean(-1),
        "requested_load": config.uplink_period_slots * (cell.opportunities(known.codeword_bits[rows]) / period).sum(-1),
        "num_ue": torch.full_like(now, config.num_ue),
        "uplink_period": _log10(torch.full_like(now, config.uplink_period_slots)),
        "time_left": 1.0 - now / config.episode_slots,
    }
    return CSI_LAYOUT.pack(values)


def describe_ues(cell: Cell, rows: torch.Tensor, ue: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the network knows of UEs `ue` in environments `rows`, by name, each of the shape to which the two broadcast.

    The fields of `CSI_LAYOUT` that are about one UE, in their units, and `age`: of its CSI [log10 slots].
    """
    known, mine = cell.known, (rows, ue)
    names = list(KNOWLEDGE_FIELDS)
    twin = dict(zip(names, known.knowledge.values[mine].unbind(-1)))
    twin_std = dict(zip(names, known.knowledge.std[mine].unbind(-1)))
    speed = known.sensing.velocity[mine].norm(dim=-1)
    subband = torch.arange(known.h_hat.shape[1], device=rows.device)
    h_hat = known.h_hat[rows[..., None], subband, ue[..., None]]
    twin_values = {
        "twin_gain": twin["gain_db"],
        "twin_gain_std": twin_std["gain_db"],
        "twin_los_probability": twin["los_probability"],
        "twin_delay_spread": _log10(twin["delay_spread_s"]),
        "twin_delay_spread_std": _log10(twin_std["delay_spread_s"]),
        "twin_departure_spread": twin["departure_spread_rad"],
        "twin_arrival_spread": twin["arrival_spread_rad"],
        "twin_k_factor": twin["k_factor_db"],
        "twin_doppler_spread": _log10(twin["doppler_spread_hz"]),
        "twin_doppler_spread_std": _log10(twin_std["doppler_spread_hz"]),
        "twin_coherence_time": _log10(twin["coherence_time_s"]),
        "twin_coherence_bandwidth": _log10(twin["coherence_bandwidth_hz"]),
    }
    share = known.knowledge.known[mine]
    return {
        "age": _log10(known.now_slots[rows] - known.report_slots[mine]),
        "speed": speed,
        "speed_logarithm": _log10(speed),
        "speed_std": known.sensing.velocity_std_m_s[mine],
        "position_std": known.sensing.position_std_m[mine],
        "snr": linear_to_db(squared_magnitude(h_hat).mean((-2, -1)) / cell.noise),
        "similarity": known.similarity[mine],
        "gap": _log10(known.gap_slots[mine]),
        **{f"offset_from_age_{a}": o for a, o in zip((0, *AGE_EDGES_SLOTS), known.offset_db[mine].unbind(-1))},
        "acknowledged": known.acknowledged[mine],
        "bits_per_re": known.bits_per_re[mine],
        "known": share,
        **{name: torch.where(share > 0, value, _LOWS[name]) for name, value in twin_values.items()},
        "last_period": _log10(known.period_slots[mine]),
        "last_pilot_density": -torch.log2(known.spacing[mine].float()),
        "last_codeword": torch.log2(known.codeword_bits[mine].float()),
        "last_dmrs_additional": known.dmrs_additional[mine],
    }


def _log10(value: torch.Tensor) -> torch.Tensor:
    return torch.log10(value.float().clamp_min(1e-12))
