"""What a picture shows of a cell with beams."""

from __future__ import annotations

from twin_envs.base.units import linear_to_db
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.snapshot import Beam, Connection, Snapshot


def beam_snapshot(network: BeamView, row: int, decision: str) -> Snapshot:
    """The network's view of environment `row`; `decision` says what was decided last."""
    state, sensing, codebook = network.state, network.sensing, network.codebook
    ap, beam, decided = int(state.ap[row]), state.beam[row], int(state.decided[row])
    snr_db = linear_to_db(state.snr[row].gather(-1, beam[:, None])[:, 0])
    strength = (snr_db / 30.0).clamp(0.1, 1.0).tolist()
    azimuth = (codebook.azimuth_rad[beam] + network.boresight_rad[ap]).tolist()
    width = codebook.width_rad[beam].tolist()
    beams = zip(azimuth, width, strength, strict=True)
    return Snapshot(
        time_s=float(state.now_slots[row]) * network.slot_s,
        ue_m=sensing.position[row].cpu().numpy().copy(),
        ue_std_m=sensing.position_std_m[row].cpu().numpy().copy(),
        deciding=int(state.turn[row]),
        decided=None if decided < 0 else decided,
        decision=decision,
        serving=(ap,),
        links=tuple(Connection(ap=ap, ue=ue, strength=s) for ue, s in enumerate(strength)),
        beams=tuple(Beam(ap=ap, azimuth_rad=a, width_rad=w, strength=s, ue=ue) for ue, (a, w, s) in enumerate(beams)),
        ue_rate=state.bits_per_re[row].cpu().numpy().copy(),
        rate=0.0 if decided < 0 else float(state.bits_per_re[row, decided]),  # one UE has a burst at a time
        overhead=float(state.overhead[row].clamp(0.0, 1.0)),
        notes={"SNR [dB]": snr_db.cpu().numpy(), "swept": state.swept[row].cpu().numpy()},
    )
