"""Policies that know what the twin says of every beam."""

from __future__ import annotations

import torch

from agents.beams import ALL, SweepPolicy
from twin_envs.csi.link import Link
from twin_envs.envs.beams.cell import BeamCell
from twin_envs.envs.beams.codebook import SWEEPS
from twin_envs.envs.vector import TaskVectorEnv
from twin_envs.csi.overhead import data_resource_elements
from twin_envs.errors import check_number
from twin_envs.units import db_to_linear, linear_to_db

_SAMPLES = 24
_TABLE_DB = (-20.0, 50.0, 0.25)
_FLOOR_DB = -30.0
_CHUNK = 16


class TwinSweep(SweepPolicy):
    """Sweeps round the beam that the twin expects to be best, as many beams as its uncertainty asks for.

    Args:
        share: the sweep must hold the twin's best beam for this share of the places where the UE may be, 0 to 1.
    """

    def __init__(self, share: float = 0.8) -> None:
        check_number("share", share, 0.0, 1.0)
        self.share = share

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SweepPolicy.choose`; round the beam in use where the twin knows nothing."""
        core = self.core
        beliefs = core.twin.ask(core.known.sensed(rows, ue), core.known.ap[rows])
        known = beliefs.known > 0
        centre = torch.where(known, beliefs.mean_power.argmax(-1), core.known.beam[rows, ue])
        place = core.codebook.order[centre].argsort(-1)  # of each beam in the order from the centre
        needed = place.gather(1, beliefs.power.argmax(-1))  # [N, places]
        covered = ((needed[..., None] < core.codebook.sweep_sizes) * beliefs.weight[..., None]).sum(1)  # [N, sweeps]
        width = (covered < self.share).sum(-1).clamp_max(ALL)
        return centre, torch.where(known, width, 1)


class GoodputTable:
    """Bits per resource element that the best rate delivers, by SNR, looked up instead of computed.

    Args:
        link: from SNR to bits.
        device: where the table lies.
    """

    def __init__(self, link: Link, device: torch.device) -> None:
        self._low_db, high_db, self._step_db = _TABLE_DB
        snr_db = torch.arange(self._low_db, high_db, self._step_db, device=device)
        self._bits = link.goodput(db_to_linear(snr_db)[:, None]).amax(-1)

    def __call__(self, snr_db: torch.Tensor) -> torch.Tensor:
        """float32, the shape of `snr_db`."""
        index = ((snr_db - self._low_db) / self._step_db).round().clamp(0, len(self._bits) - 1)
        return self._bits[index.long()]


class TwinSweepPlanner(SweepPolicy):
    """Simulates every sweep in the twin: what would its best beam carry, less what the sweep costs?

    The SNR of each beam is drawn many times: the twin's at a place where the UE may be, and on top what the twin got
    wrong. That is taken to be normal in decibels, and known where the beam was measured of late: the error that was
    found fades with the time and with the way that the UE has gone since. So a blocked beam is not tried again at
    once, and a beam that the twin did not expect is kept.

    Args:
        error_db: standard deviation of the twin's error about a beam.
        memory_s, memory_m: time and way in which what was measured fades.
    """

    def __init__(self, error_db: float = 7.0, memory_s: float = 1.0, memory_m: float = 4.0) -> None:
        check_number("error_db", error_db, 0.0, 40.0)
        check_number("memory_s", memory_s, 1e-3, 1e6)
        check_number("memory_m", memory_m, 1e-3, 1e6)
        self.error_db, self.memory_s, self.memory_m = error_db, memory_s, memory_m

    def attach(self, envs: TaskVectorEnv) -> None:
        """See `Policy`."""
        super().attach(envs)
        self._goodput = GoodputTable(self.core.link, self.core.device)
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(_SAMPLES // 2, self.core.codebook.beams, generator=generator)
        self._noise = torch.cat([noise, -noise]).to(self.core.device)
        self._quantile = ((torch.randperm(_SAMPLES, generator=generator) + 0.5) / _SAMPLES).to(self.core.device)

    def choose(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SweepPolicy.choose`."""
        value = torch.cat([self._value(r, u) for r, u in zip(rows.split(_CHUNK), ue.split(_CHUNK))])
        best = value.flatten(1).argmax(-1)
        return best // len(SWEEPS), best % len(SWEEPS)

    def _value(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Bits of the cell that each centre and width brings until the UE's next decision [N, K, sweeps]."""
        core, codebook = self.core, self.core.codebook
        snr_db = self.sample_snr_db(rows, ue)  # [N, samples, K]
        nearest = SWEEPS[-2]
        by_order = snr_db[:, :, codebook.order[:, :nearest]].cummax(-1).values  # [N, samples, K, nearest]
        some = by_order[..., codebook.sweep_sizes[:ALL] - 1]
        every = snr_db.amax(-1)[..., None, None].expand(*some.shape[:-1], 1)
        rate = self._goodput(torch.cat([some, every], -1)).mean(1)  # [N, K, sweeps]
        share = data_resource_elements(core.known.period_slots[rows, ue], core.carrier_blocks, dmrs_symbols=1)
        price = core.known.bits_per_re[rows].mean(-1).clamp_min(0.5)
        cost = codebook.sweep_sizes * core.sweep_elements * price[:, None]
        return rate * (share / core.config.num_ue)[:, None, None] - cost[:, None]

    def sample_snr_db(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """SNR that every beam may have, float32 [N, samples, K]."""
        core, known = self.core, self.core.known
        sensed = known.sensed(rows, ue)
        beliefs = core.twin.ask(sensed, known.ap[rows])
        expected_db = linear_to_db(beliefs.mean_power / core.noise, _FLOOR_DB)
        age_s = (known.now_slots[rows, None] - known.measured_slots[rows, ue]) * core.slot_s
        way_m = age_s * sensed.velocity_m_s.norm(dim=-1)[:, None]
        memory = torch.exp(-age_s / self.memory_s - way_m / self.memory_m)
        error_db = memory * (linear_to_db(known.snr[rows, ue], _FLOOR_DB) - expected_db)
        spread_db = self.error_db * (1 - memory.square()).clamp_min(0.0).sqrt()
        places = torch.searchsorted(beliefs.weight.cumsum(-1), self._quantile.expand(len(rows), -1).contiguous())
        places = places.clamp_max(beliefs.weight.shape[1] - 1)
        there = beliefs.power.gather(1, places[..., None].expand(-1, -1, core.codebook.beams))
        there_db = linear_to_db(torch.where(beliefs.known[:, None, None] > 0, there, 0.0) / core.noise, _FLOOR_DB)
        # Where a beam was measured just now, the place does not matter: what was measured holds.
        mean_db = (1 - memory)[:, None] * there_db + memory[:, None] * expected_db[:, None] + error_db[:, None]
        return mean_db + spread_db[:, None] * self._noise
