"""What the agent sees when it decides who serves a UE."""

from __future__ import annotations

import torch

from twin_envs.envs.association.view import GAIN_FLOOR_DB, AssociationView
from twin_envs.envs.core.layout import Field, ObservationLayout
from twin_envs.twin.protocol import SensedState

_OF_AN_AP = (
    ("measured_gain", "dB", GAIN_FLOOR_DB, -40.0),
    ("measured_age", "log10 slots", 0.0, 4.0),
    ("serving", "1", 0.0, 1.0),
    ("load", "1", 0.0, 1.0),
    ("twin_known", "1", 0.0, 1.0),
    ("twin_gain", "dB", GAIN_FLOOR_DB, -40.0),
    ("twin_gain_std", "dB", 0.0, 20.0),
    ("twin_los_probability", "1", 0.0, 1.0),
    ("distance", "m", 0.0, 500.0),
)
_OF_THE_UE = (
    ("speed", "m/s", 0.0, 20.0),
    ("speed_std", "m/s", 0.0, 2.0),
    ("position_std", "m", 0.0, 20.0),
    ("offset", "dB", -20.0, 20.0),
    ("acknowledged", "1", 0.0, 1.0),
    ("bits_per_re", "bit", 0.0, 8.0),
    ("network_bits_per_re", "bit", 0.0, 128.0),
    ("served_by", "1", 0.0, 64.0),
    ("num_ue", "1", 0.0, 16.0),
    ("time_left", "1", 0.0, 1.0),
)
_MEANING = """Of each AP: measured_gain, measured_age: the gain that the UE measured last, mean over antennas, and how
long ago (the lowest value: it heard nothing). serving: the UE. load: UEs that it serves over those that it can.
twin_known: share of the UE's position distribution from which the twin has a path to it; where it is 0, the other
fields of the twin have their lowest values. distance: from the UE's sensed position.

Of the UE: offset: of link adaptation's outer loop. acknowledged, bits_per_re: share of its blocks that arrived in the
last window, and what it got; network_bits_per_re: what all UEs got. served_by: APs that serve it."""


def association_layout(aps: int) -> ObservationLayout:
    """What the agent sees of A APs and of the UE that it decides about."""
    several = [Field(name=n, unit=u, low=low, high=high, count=aps, item="ap") for n, u, low, high in _OF_AN_AP]
    single = [Field(name=n, unit=u, low=low, high=high) for n, u, low, high in _OF_THE_UE]
    return ObservationLayout((*several, *single), _MEANING)


def observe_association(
    network: AssociationView, layout: ObservationLayout, rows: torch.Tensor, ue: torch.Tensor
) -> torch.Tensor:
    """Observations [N, D] by `layout` of environments `rows` [N], about their UEs `ue` [N]."""
    state, config, aps = network.state, network.config, network.aps
    mine, now = (rows, ue), state.now_slots[rows]
    sensed = network.sensed(rows, ue)
    every = SensedState(**{name: value.repeat_interleave(aps, 0) for name, value in vars(sensed).items()})
    knowledge = network.twin.predict(every, torch.arange(aps, device=rows.device).repeat(len(rows)))
    seen = (knowledge.covered > 0).view(-1, aps)
    twin = {
        "twin_gain": knowledge["gain_db"],
        "twin_gain_std": knowledge.uncertainty("gain_db"),
        "twin_los_probability": knowledge["los_probability"],
    }
    lows = {field.name: field.low for field in layout.fields}
    distance = (sensed.position_m[:, None] - network.ap_position_m[:, :2]).norm(dim=-1)
    values = {
        "measured_gain": state.gain_db[mine],
        "measured_age": torch.log10((now[:, None] - state.measured_slots[mine]).clamp_min(1).float()),
        "serving": state.serving[mine],
        "load": network.load(rows) / config.ap_load,
        "twin_known": knowledge.covered,
        **{name: torch.where(seen, value.view(-1, aps), lows[name]) for name, value in twin.items()},
        "distance": distance,
        "speed": sensed.velocity_m_s.norm(dim=-1),
        "speed_std": sensed.velocity_std_m_s,
        "position_std": sensed.position_std_m,
        "offset": state.offset_db[mine],
        "acknowledged": state.acknowledged[mine],
        "bits_per_re": state.bits_per_re[mine],
        "network_bits_per_re": state.bits_per_re[rows].sum(-1),
        "served_by": state.serving[mine].sum(-1),
        "num_ue": torch.full_like(now, config.num_ue),
        "time_left": 1.0 - now / config.episode_slots,
    }
    return layout.pack(values)
