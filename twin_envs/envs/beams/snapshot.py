"""What is said of a step of a cell with beams, in numbers and as a picture."""

from __future__ import annotations

import torch

from twin_envs.base.units import linear_to_db
from twin_envs.envs.beams.core import BeamCell, BeamOutcome
from twin_envs.envs.core.snapshot import Beam, Link, View
from twin_envs.envs.core.task import Step


def describe_outcome(core: BeamCell, outcome: BeamOutcome, ue: torch.Tensor, info: dict[str, torch.Tensor]) -> Step:
    """The bursts of UEs `ue` [N] as a step; `info` holds what the task adds."""
    by_ue = torch.zeros(len(ue), core.config.num_ue, device=core.device)
    return Step(
        by_ue=by_ue.scatter_(1, ue[:, None], (outcome.delivered - outcome.sweep_cost)[:, None]),
        truncated=outcome.truncated,
        info={
            "delivered": outcome.delivered,
            "sweep_cost": outcome.sweep_cost,
            "elapsed_slots": outcome.elapsed_slots,
            "ue": ue,
            **info,
        },
    )


def beam_view(core: BeamCell, row: int, decided: int | None, decision: str) -> View:
    """The network's view of environment `row`; `decision` says what was decided about UE `decided` last."""
    known, codebook = core.known, core.codebook
    ap, beam = int(known.ap[row]), known.beam[row]
    snr_db = linear_to_db(known.snr[row].gather(-1, beam[:, None])[:, 0])
    strength = (snr_db / 30.0).clamp(0.1, 1.0).tolist()
    azimuth = (codebook.azimuth_rad[beam] + core.boresight_rad[ap]).tolist()
    width = codebook.width_rad[beam].tolist()
    beams = zip(azimuth, width, strength)
    return View(
        time_s=float(known.now_slots[row]) * core.slot_s,
        ue_m=known.sensing.position[row].cpu().numpy().copy(),
        ue_std_m=known.sensing.position_std_m[row].cpu().numpy().copy(),
        deciding=int(known.turn[row]),
        decided=decided,
        decision=decision,
        serving=(ap,),
        links=tuple(Link(ap=ap, ue=ue, strength=s) for ue, s in enumerate(strength)),
        beams=tuple(Beam(ap=ap, azimuth_rad=a, width_rad=w, strength=s, ue=ue) for ue, (a, w, s) in enumerate(beams)),
        ue_rate=known.bits_per_re[row].cpu().numpy().copy(),
        rate=0.0 if decided is None else float(known.bits_per_re[row, decided]),  # one UE has a burst at a time
        overhead=float(known.overhead[row].clamp(0.0, 1.0)),
        notes={"SNR [dB]": snr_db.cpu().numpy(), "swept": known.swept[row].cpu().numpy()},
    )
