"""Policies that know what the twin says of every beam."""

from __future__ import annotations

import torch

from twin_envs.agents.beams.correction import CorrectionConfig, TwinCorrection
from twin_envs.agents.beams.rules import ALL, SteadySweep, SweepPolicy
from twin_envs.agents.core.goodput import GoodputTable
from twin_envs.base.errors import check_number
from twin_envs.csi.beams.beam_map import Beliefs
from twin_envs.csi.beams.codebook import SWEEPS
from twin_envs.csi.link import Link
from twin_envs.envs.beams.view import BeamView
from twin_envs.envs.core.network_view import NetworkView

_CHUNK = 16
"""UEs whose sweeps are simulated at once."""


def _expected_best(network: BeamView, rows: torch.Tensor, ue: torch.Tensor) -> tuple[Beliefs, torch.Tensor]:
    """What the twin says of UE `ue` [N] in `rows` [N], and the beam that it expects to be best there, int64 [N]; that
    in use where it knows nothing."""
    beliefs = network.twin.ask(network.sensed(rows, ue), network.state.ap[rows])
    return beliefs, torch.where(beliefs.covered > 0, beliefs.mean_power.argmax(-1), network.nearest(rows, ue))


class TwinBeam(SteadySweep):
    """Always the same number of beams round the one that the twin expects to be best; nothing measured counts."""

    def centre(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The twin's best beam; the beam in use where the twin knows nothing."""
        return _expected_best(self.network, rows, ue)[1]


class TwinInSsb(SteadySweep):
    """Always the same number of beams round the one that the twin expects to be best within the wide beam in use."""

    def centre(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """The twin's best beam of those within; the beam in use where the twin knows nothing."""
        network, codebook = self.network, self.network.codebook
        power = network.twin.ask(network.sensed(rows, ue), network.state.ap[rows]).mean_power
        within = codebook.ssb_of == codebook.ssb_of[network.nearest(rows, ue)][:, None]
        power = torch.where(within, power, 0.0)
        return torch.where(power.amax(-1) > 0, power.argmax(-1), network.nearest(rows, ue))


class TwinSweep(SweepPolicy):
    """Sweeps round the beam that the twin expects to be best, as many beams as its uncertainty asks for.

    Args:
        share: the sweep must hold the twin's best beam for this share of the places where the UE may be, 0 to 1.
    """

    def __init__(self, share: float = 0.8) -> None:
        check_number("share", share, 0.0, 1.0)
        self.share = share

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The narrowest sweep that holds the share; round the beam in use where the twin knows nothing."""
        codebook = self.network.codebook
        beliefs, centre = _expected_best(self.network, rows, ue)
        place = codebook.order[centre].argsort(-1)  # of each beam in the order from the centre
        needed = place.gather(1, beliefs.power.argmax(-1))  # [N, places]
        covered = ((needed[..., None] < codebook.sweep_sizes) * beliefs.weight[..., None]).sum(1)  # [N, sweeps]
        width = (covered < self.share).sum(-1).clamp_max(ALL)
        return centre, torch.where(beliefs.covered > 0, width, 1)


def goodput_table(link: Link, device: torch.device) -> GoodputTable:
    """What a link delivers at the SNRs that beams have."""
    return GoodputTable(link, device, low_db=-20.0, high_db=49.75)


class TwinSweepPlanner(SweepPolicy):
    """Simulates every sweep in the twin: what would its best beam carry, less what the sweep and its report take?

    The SNR of each beam is drawn many times from what `TwinCorrection` believes, so a sweep is as wide as the twin is
    unsure, a blocked beam is not tried again at once, and a beam that the twin did not expect is kept. Until a sweep is
    reported the beam in use serves; a beam of which the twin is sure enough serves at once.

    Args:
        correction: how the twin is corrected by what was measured; None for the defaults.
    """

    def __init__(self, correction: CorrectionConfig | None = None) -> None:
        self.correction = correction or CorrectionConfig()

    def attach(self, network: NetworkView) -> None:
        """Table the link, and begin with no corrections of the twin."""
        super().attach(network)
        self._goodput = goodput_table(self.network.link, self.network.device)
        self._correction = TwinCorrection(self.network, self.correction)

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The sweep that brings most in the UE's burst."""
        self._correction.begin(rows)
        value = torch.cat([self._value(r, u) for r, u in zip(rows.split(_CHUNK), ue.split(_CHUNK), strict=True)])
        best = value.flatten(1).argmax(-1)
        return best // len(SWEEPS), best % len(SWEEPS)

    def _value(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Bits that each centre and width brings in the UE's burst, float32 [N, K, sweeps]."""
        network, codebook = self.network, self.network.codebook
        snr_db = self._correction.sample_snr_db(rows, ue)  # [N, samples, E]
        nearest = SWEEPS[-2]
        by_order = (
            snr_db[:, :, codebook.order[: codebook.beams, :nearest]].cummax(-1).values
        )  # [N, samples, K, nearest]
        some = by_order[..., codebook.sweep_sizes[:ALL] - 1]
        every = snr_db[..., : codebook.beams].amax(-1)[..., None, None].expand(*some.shape[:-1], 1)
        rate = self._goodput(torch.cat([some, every], -1)).mean(1)  # [N, K, sweeps]
        state, schedule = network.state, network.schedule
        start, until = state.now_slots[rows][:, None], (state.now_slots + state.burst_slots)[rows][:, None]
        serves = torch.minimum(schedule.serves(start, codebook.sweep_sizes), until)  # [N, sweeps]
        before, after = (
            (schedule.data_elements(*slots) - schedule.ssb_elements(*slots)).float()
            for slots in ((start, serves), (serves, until))
        )
        before -= torch.where(serves < until, schedule.sweep_elements(codebook.sweep_sizes), 0).minimum(before)
        kept = self._goodput(snr_db.gather(2, state.beam[rows, ue][:, None, None].expand(-1, snr_db.shape[1], 1)))
        return (kept.mean(1) * before)[:, None] + rate * after[:, None]
