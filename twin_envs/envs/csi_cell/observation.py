"""What an agent sees when it decides about the CSI of a cell."""

from __future__ import annotations

import torch

from twin_envs.base.units import linear_to_db, squared_magnitude
from twin_envs.envs.core.layout import ObservationLayout, make_fields
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, CsiCellView

_MEANING = """Speed, its standard deviation and the position's: from GNSS and IMU. snr: of an antenna port, as reported.
similarity: squared cosine of the UE's last two reports, reports_apart slots apart (0: there was one report only).
offset_from_age_n: of link adaptation's outer loop, for CSI of n slots and more, up to the next such age. acknowledged:
share of the UE's transport blocks that were decoded at first, in the last window in which it was scheduled;
bits_per_re: what it got in the last window; cell_bits_per_re: of all UEs. known: share of the UE's position
distribution for which the twin has a channel; where it is 0, so are the fields `twin_...`. others_known: share of the
other UEs that the twin knows; others_coherence_time: mean over these, the lowest value where there is none;
faster_ageing_others: share of UEs whose coherence time is shorter. waiting: share of UEs that would report now if the
uplink had room. requested_load: resource blocks of the UEs' last reports over the chosen periods, over what the uplink
has for CSI. last_blocks: resource blocks that the report took, each for a slot. last_period, last_codeword: with which
the UE has reported; last_pilot_density: of its CSI-RS, per antenna and resource block; last_dmrs_additional: with which
it was sent data."""
CSI_LAYOUT = ObservationLayout(
    make_fields(
        ("speed", "m/s", 0, 20),
        ("speed_logarithm", "log10 m/s", -2, 1.5),
        ("speed_std", "m/s", 0, 2),
        ("position_std", "m", 0, 20),
        ("snr", "dB", -10, 60),
        ("similarity", "1", 0, 1),
        ("reports_apart", "log10 slots", 0, 3),
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
        ("last_blocks", "log2 resource blocks", 0, 9),
        ("last_period", "log10 slots", 0, 3),
        ("last_pilot_density", "log2 resource elements", -4, 0),
        ("last_codeword", "log2 bit", 4, 12),
        ("last_dmrs_additional", "1", 0, 3),
        ("num_ue", "1", 0, 16),
        ("csi_uplink_share", "log10 share", -3, 0),
        ("time_left", "1", 0, 1),
    ),
    _MEANING,
)
"""What the agent sees when it decides about the CSI of the UE that has just reported."""


_LOWS = {field.name: field.low for field in CSI_LAYOUT.fields}


def observe_csi(network: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
    """Observations [N, D] by `CSI_LAYOUT` of environments `rows` [N], about their UEs `ue` [N]."""
    state, config = network.state, network.config
    now = state.now_slots[rows]
    knowledge = network.knowledge(rows[:, None], torch.arange(config.num_ue, device=rows.device))
    seen = knowledge.covered > 0
    coherence = _log10(knowledge["coherence_time_s"])
    own_coherence = coherence.gather(1, ue[:, None])
    others = seen.clone().scatter_(1, ue[:, None], False)
    mean_over_others = (coherence * others).sum(-1) / others.sum(-1).clamp_min(1)
    period = state.period_slots[rows].clamp_min(1)
    values = {
        **describe_ues(network, rows, ue),
        "cell_bits_per_re": state.bits_per_re[rows].sum(-1),
        "others_known": others.sum(-1) / max(config.num_ue - 1, 1),
        "others_coherence_time": torch.where(others.any(-1), mean_over_others, _LOWS["others_coherence_time"]),
        "faster_ageing_others": (others & (coherence < own_coherence)).float().mean(-1),
        "waiting": (state.due_slots[rows] <= now[:, None]).scatter(1, ue[:, None], False).float().mean(-1),
        "requested_load": (state.blocks[rows] / period).sum(-1) / network.blocks_per_slot,
        "num_ue": torch.full_like(now, config.num_ue),
        "csi_uplink_share": torch.full_like(period[:, 0], config.csi_uplink_share, dtype=torch.float32).log10(),
        "time_left": 1.0 - now / config.episode_slots,
    }
    return CSI_LAYOUT.pack(values)


def describe_ues(network: CsiCellView, rows: torch.Tensor, ue: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the network knows of UEs `ue` in environments `rows`, by name, each of the shape to which the two broadcast.

    The fields of `CSI_LAYOUT` that are about one UE, in their units, and `age`: of its CSI [log10 slots].
    """
    state, sensing, mine = network.state, network.sensing, (rows, ue)
    twin = network.knowledge(rows, ue)
    speed = sensing.velocity[mine].norm(dim=-1)
    subband = torch.arange(state.h_hat.shape[1], device=rows.device)
    h_hat = state.h_hat[rows[..., None], subband, ue[..., None]]
    twin_values = {
        "twin_gain": twin["gain_db"],
        "twin_gain_std": twin.uncertainty("gain_db"),
        "twin_los_probability": twin["los_probability"],
        "twin_delay_spread": _log10(twin["delay_spread_s"]),
        "twin_delay_spread_std": _log10(twin.uncertainty("delay_spread_s")),
        "twin_departure_spread": twin["departure_spread_rad"],
        "twin_arrival_spread": twin["arrival_spread_rad"],
        "twin_k_factor": twin["k_factor_db"],
        "twin_doppler_spread": _log10(twin["doppler_spread_hz"]),
        "twin_doppler_spread_std": _log10(twin.uncertainty("doppler_spread_hz")),
        "twin_coherence_time": _log10(twin["coherence_time_s"]),
        "twin_coherence_bandwidth": _log10(twin["coherence_bandwidth_hz"]),
    }
    share = twin.covered
    return {
        "age": _log10(state.now_slots[rows] - state.report_slots[mine]),
        "speed": speed,
        "speed_logarithm": _log10(speed),
        "speed_std": sensing.velocity_std_m_s[mine],
        "position_std": sensing.position_std_m[mine],
        "snr": linear_to_db(squared_magnitude(h_hat).mean((-2, -1)) / network.noise),
        "similarity": state.similarity[mine],
        "reports_apart": _log10(state.reports_apart_slots[mine]),
        **{
            f"offset_from_age_{a}": o
            for a, o in zip((0, *AGE_EDGES_SLOTS), state.offset_db[mine].unbind(-1), strict=True)
        },
        "acknowledged": state.acknowledged[mine],
        "bits_per_re": state.bits_per_re[mine],
        "known": share,
        **{name: torch.where(share > 0, value, _LOWS[name]) for name, value in twin_values.items()},
        "last_blocks": torch.log2(state.blocks[mine].clamp_min(1).float()),
        "last_period": _log10(state.period_slots[mine]),
        "last_pilot_density": torch.log2(state.ports[mine] / (network.grid.antennas * state.spacing[mine])),
        "last_codeword": torch.log2(state.codeword_bits[mine].float()),
        "last_dmrs_additional": state.dmrs_additional[mine],
    }


def _log10(value: torch.Tensor) -> torch.Tensor:
    return torch.log10(value.float().clamp_min(1e-12))
