"""What an agent sees when it decides about a UE's beam."""

from __future__ import annotations

import torch

from twin_envs.base.units import linear_to_db
from twin_envs.csi.beams.beam_map import Beliefs
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.layout import Field, ObservationLayout, make_fields

_SNR_DB = (-30.0, 50.0)
_SCALARS = make_fields(
    ("snr", "dB", *_SNR_DB),
    ("change", "dB", -30, 30),
    ("report_age", "log10 slots", 0, 5),
    ("wide", "1", 0, 1),
    ("beam_row", "1", 0, 1),
    ("beam_column", "1", 0, 1),
    ("swept", "log2 beams", 0, 7),
    ("acknowledged", "1", 0, 1),
    ("bits_per_re", "bit", 0, 8),
    ("cell_bits_per_re", "bit", 0, 8),
    ("offset", "dB", -20, 20),
    ("speed", "m/s", 0, 20),
    ("velocity_along", "m/s", -20, 20),
    ("velocity_across", "m/s", -20, 20),
    ("position_std", "m", 0, 20),
    ("distance", "m", 0, 200),
    ("azimuth", "rad", -3.2, 3.2),
    ("known", "1", 0, 1),
    ("twin_los_probability", "1", 0, 1),
    ("num_ue", "1", 0, 16),
    ("burst", "log10 slots", 0, 4),
    ("time_left", "1", 0, 1),
)
_OF_BEAMS = """measured_snr: of every beam, as it was reported last; measured_age: how long ago it was measured.
ssb_snr: of the beam of every SSB, as the UE has just reported it. Of what was measured and is not among the four
strongest, as much as of the weakest of these. twin_snr: what the twin expects of every beam, mean over the position's
uncertainty, interference left out; the lowest value where it knows nothing."""
_OF_TWINS = """latency: of each twin's answer, in the order of the actions, the quickest first; in_time: does it come
before the deadline, which is burst? known and twin_los_probability are from the twin that need not be asked, the
option `twin`."""
_OF_SCALARS = """snr: of the beam in use, as the UE reported it last; change: how much it has risen since it was chosen.
report_age: since it was measured to be chosen. wide: is it an SSB's? beam_row, beam_column: its middle, from the first
to the last. swept: beams that were swept in the UE's last burst. acknowledged, bits_per_re: of the UE in its last
burst; cell_bits_per_re: of all UEs, the mean. offset: of link adaptation's outer loop. velocity_along: away from the
AP, velocity_across: counter-clockwise round it. distance, azimuth: of the sensed position, about the AP's boresight.
known: share of the UE's position distribution for which the twin has a channel. burst: how long the UE is served
now."""


def beam_layout(beams: int, ssb_beams: int) -> ObservationLayout:
    """What an observation about one of the UEs is, with a codebook of `beams` beams and so many SSBs."""
    per_beam = (
        Field(name="measured_snr", unit="dB", low=_SNR_DB[0], high=_SNR_DB[1], count=beams),
        Field(name="measured_age", unit="log10 slots", low=0, high=5, count=beams),
        Field(name="ssb_snr", unit="dB", low=_SNR_DB[0], high=_SNR_DB[1], count=ssb_beams),
        Field(name="twin_snr", unit="dB", low=_SNR_DB[0], high=_SNR_DB[1], count=beams),
    )
    return ObservationLayout((*per_beam, *_SCALARS), f"{_OF_BEAMS} {_OF_SCALARS}")


def fidelity_layout(twins: int) -> ObservationLayout:
    """What an observation about one of the UEs is, where `twins` twins can be asked."""
    per_twin = (
        Field(name="latency", unit="log10 slots", low=0, high=5, count=twins),
        Field(name="in_time", unit="1", low=0, high=1, count=twins),
    )
    return ObservationLayout((*per_twin, *_SCALARS), f"{_OF_TWINS} {_OF_SCALARS}")


def beam_values(network: BeamView, rows: torch.Tensor, ue: torch.Tensor, beliefs: Beliefs) -> dict[str, torch.Tensor]:
    """Values [N, ...] of all fields of `beam_layout` about UE `ue` [N] of environments `rows` [N]."""
    state, config, mine = network.state, network.config, (rows, ue)
    now, beam = state.now_slots[rows], state.beam[mine]
    index = torch.arange(len(rows), device=rows.device)
    snr_db = linear_to_db(state.snr[mine])
    sensed = network.sensed(rows, ue)
    apart = sensed.position_m - network.geometry.ap_position_m[state.ap[rows], :2]
    distance = apart.norm(dim=-1)
    away = apart / distance.clamp_min(0.1)[:, None]
    azimuth = torch.atan2(apart[:, 1], apart[:, 0]) - network.boresight_rad[state.ap[rows]]
    velocity = sensed.velocity_m_s
    codebook, narrow = network.codebook, network.codebook.beams
    return {
        "measured_snr": snr_db[:, :narrow],
        "measured_age": torch.log10((now[:, None] - state.measured_slots[mine][:, :narrow]).float().clamp_min(1.0)),
        "ssb_snr": snr_db[:, narrow:],
        "twin_snr": linear_to_db(beliefs.mean_power / network.noise),
        "snr": snr_db[index, beam],
        "change": linear_to_db(state.snr[mine][index, beam]) - linear_to_db(state.chosen_snr[mine]),
        "report_age": torch.log10((now - state.chosen_slots[mine]).float().clamp_min(1.0)),
        "wide": beam >= narrow,
        "beam_row": codebook.place[beam, 0] / max(codebook.rows - 1, 1),
        "beam_column": codebook.place[beam, 1] / max(codebook.columns - 1, 1),
        "swept": torch.log2(state.swept[mine].float().clamp_min(1.0)),
        "acknowledged": state.acknowledged[mine],
        "bits_per_re": state.bits_per_re[mine],
        "cell_bits_per_re": state.bits_per_re[rows].mean(-1),
        "offset": state.offset_db[mine],
        "speed": velocity.norm(dim=-1),
        "velocity_along": (velocity * away).sum(-1),
        "velocity_across": away[:, 0] * velocity[:, 1] - away[:, 1] * velocity[:, 0],
        "position_std": sensed.position_std_m,
        "distance": distance,
        "azimuth": torch.atan2(azimuth.sin(), azimuth.cos()),
        "known": beliefs.covered,
        "twin_los_probability": beliefs.los_probability,
        "num_ue": torch.full_like(now, config.num_ue),
        "burst": torch.log10(state.burst_slots[rows].float()),
        "time_left": 1.0 - now / config.episode_slots,
    }
