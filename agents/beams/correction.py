"""What the twin says of every beam, corrected by what was measured."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from twin_envs.agents.core.episodes import NewEpisodes
from twin_envs.base.errors import check_number
from twin_envs.base.units import linear_to_db
from twin_envs.csi.beams.codebook import ROW_STEP
from twin_envs.envs.beams.view import BeamView

SAMPLES = 24
"""Draws of every beam's SNR."""
_FLOOR_DB = -10.0
"""SNR below which nothing can be sent; what is weaker is not told apart."""
_RANGES = {
    "common_db": (0.0, 40.0),
    "local_db": (0.1, 40.0),
    "own_db": (0.1, 40.0),
    "reach": (0.1, 100.0),
    "memory_s": (1e-3, 1e6),
    "memory_m": (1e-3, 1e6),
}


@dataclass(frozen=True, kw_only=True)
class CorrectionConfig:
    """How the twin's error is taken to be distributed over the beams.

    Args:
        common_db: standard deviation of the error that all beams share.
        local_db: of the error that neighbouring beams share, such as of one path.
        own_db: of the error of each beam alone, and of what is measured.
        reach: how far beams are neighbours, in columns of beams.
        memory_s, memory_m: time and way in which a local error that was measured has come to count a third.

    Raises:
        ConfigurationError: a number is outside its range.
    """

    common_db: float = 15.0
    local_db: float = 10.0
    own_db: float = 2.0
    reach: float = 1.5
    memory_s: float = 10.0
    memory_m: float = 25.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(field.name, getattr(self, field.name), *_RANGES[field.name])


class TwinCorrection:
    """Beliefs about the SNR of every beam of every UE.

    The twin's error, measured less expected SNR in decibels, is a Gaussian field over the grid of beams, on
    which a wide beam lies in the middle of those that it is made of. Where the UE
    is, is uncertain, too: sensing is off by a bias that lasts. Each place where it may be, relative to where sensing
    sees it, has its own errors, and is believed the less the larger these are. So what was measured corrects both:
    where the UE really is, and what the twin got wrong there. Both are carried on to where the UE is now; an error
    fades with the time and with the UE's way since it was measured.

    Args:
        network: the network's view of the cells.
        config: how errors are distributed.
    """

    def __init__(self, network: BeamView, config: CorrectionConfig) -> None:
        self.network, self.config = network, config
        codebook, device = network.codebook, network.device
        grid = codebook.place * torch.tensor([ROW_STEP, 1.0], device=device)
        near = torch.exp(-0.5 * (torch.cdist(grid, grid) / config.reach).square())
        own = config.own_db**2 * torch.eye(codebook.every, device=device)
        self._prior = config.common_db**2 + config.local_db**2 * near + own
        places = network.twin.places
        shape = (network.num_envs, network.config.num_ue, places, codebook.every)
        self._asked_db, self._measured_db = (torch.full(shape, _FLOOR_DB, device=device) for _ in range(2))
        self._asked_slots = torch.zeros(shape[:2], dtype=torch.int64, device=device)
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(SAMPLES // 2, codebook.every, generator=generator)
        self._episodes = NewEpisodes(network)
        self._noise = torch.cat([noise, -noise]).to(device)
        self._quantile = ((torch.randperm(SAMPLES, generator=generator) + 0.5) / SAMPLES).to(device)

    def begin(self, rows: torch.Tensor) -> None:
        """Ask the twin about all UEs of those environments `rows` [N] whose episodes begin: all have been measured."""
        fresh = rows[self._episodes.begun(rows)]
        for ue in range(self.network.config.num_ue):
            if len(fresh):
                index = torch.full_like(fresh, ue)
                self._asked_slots[fresh, ue] = 0
                self._asked_db[fresh, ue] = self._ask(fresh, index)[0]

    def sample_snr_db(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """SNR that every beam of UE `ue` [N] in environments `rows` [N] may have now, float32 [N, samples, E]."""
        network, config, state = self.network, self.config, self.network.state
        mine, beams = (rows, ue), self.network.codebook.every
        now_db, weight = self._ask(rows, ue)
        measured_slots, asked_slots = state.measured_slots[mine], self._asked_slots[mine][:, None]
        just_now = state.now_slots[rows, None] - measured_slots < measured_slots - asked_slots
        fresh = (measured_slots >= asked_slots)[:, None]
        expected_db = torch.where(fresh, self._asked_db[mine], self._measured_db[mine])
        expected_db = torch.where(just_now[:, None], now_db, expected_db)
        self._measured_db[mine], self._asked_db[mine] = expected_db, now_db
        self._asked_slots[mine] = state.now_slots[rows]

        age_s = (state.now_slots[rows, None] - state.measured_slots[mine]) * network.slot_s
        way_m = age_s * network.sensing.velocity[mine].norm(dim=-1)[:, None]
        faded = torch.expm1((age_s / config.memory_s + way_m / config.memory_m).clamp_max(12.0))
        covariance = self._prior + torch.diag_embed(config.own_db**2 + config.local_db**2 * faded)
        found_db = linear_to_db(state.snr[mine], _FLOOR_DB)
        error_db = found_db[:, None] - expected_db
        # A bound above what is expected tells nothing.
        error_db = torch.where(state.bound[mine][:, None], error_db.clamp_max(0.0), error_db).mT  # [N, E, places]
        factor = torch.linalg.cholesky(covariance)
        solved = torch.cholesky_solve(error_db, factor)
        surprise = (error_db * solved).sum(1)
        weight = torch.softmax(weight.clamp_min(1e-6).log() - 0.5 * surprise, -1)
        mean_db = now_db + (self._prior @ solved).mT  # [N, places, K]
        spread = self._prior - self._prior @ torch.cholesky_solve(self._prior.expand(len(rows), -1, -1), factor)
        root = torch.linalg.cholesky(spread + 0.01 * torch.eye(beams, device=network.device))

        place = torch.searchsorted(weight.cumsum(-1), self._quantile.expand(len(rows), -1).contiguous())
        place = place.clamp_max(weight.shape[1] - 1)
        drawn = mean_db.gather(1, place[..., None].expand(-1, -1, beams))
        return drawn + self._noise @ root.mT

    def _ask(self, rows: torch.Tensor, ue: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """SNR that the twin expects at each place, float32 [N, places, E], and the places' weights [N, places]."""
        network, state = self.network, self.network.state
        beliefs = network.twin.ask(network.sensed(rows, ue), state.ap[rows])
        lost = beliefs.covered[:, None] <= 0
        power = network.codebook.spread(torch.where(lost[..., None], 0.0, beliefs.power))
        weight = torch.where(lost, 1.0 / beliefs.weight.shape[1], beliefs.weight)
        return linear_to_db(power / network.noise, _FLOOR_DB), weight
