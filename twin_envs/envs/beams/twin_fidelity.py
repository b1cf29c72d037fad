"""TwinFidelity: which twin is asked for the beams of a UE that wakes up?"""

from __future__ import annotations

import math

import gymnasium
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.beams.configuration import FidelityConfig
from twin_envs.envs.beams.core import BeamCell, Sweep
from twin_envs.envs.beams.observation import beam_values, fidelity_layout
from twin_envs.envs.beams.snapshot import beam_view, describe_outcome
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.snapshot import View
from twin_envs.envs.core.task import Step, Task
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.world.store.site import Site

ANSWER_BEAMS = 3
"""Beams of an answer that are swept."""
BURST_FACTORS = (1, 2, 4, 8, 16)
"""Lengths of bursts, in the shortest one."""
KEPT_BEAMS = 3
"""Beams round the beam in use that are swept when the burst begins."""


def twin_latency_s(site: Site) -> dict[str, float]:
    """How long each twin of a site takes to answer for one link, as measured when it was built, the quickest first.

    Raises:
        ConfigurationError: the site does not say so, or of fewer than two twins.
    """
    measured = site.manifest.get("latency_s", {})
    latency_s = {world: float(measured[world]) for world in site.twins if world in measured}
    if len(latency_s) < 2:
        raise ConfigurationError(
            f"site must have measured latencies of 2 twins or more, got {site.recipe.name!r} with {len(latency_s)}; "
            "use 'munich-28ghz', or build the site anew with `twin-envs site build`"
        )
    return dict(sorted(latency_s.items(), key=lambda item: item[1]))


class TwinFidelity(Task):
    """The agent chooses which twin world to ask; the best beams of its answer are swept when it arrives in time.

    Attributes:
        twins: names of the worlds that can be asked, the quickest first; an action is an index.
        latency_slots: of their answers, int64 [twins].
        maps: what each of them says.
    """

    options = FidelityConfig
    core: BeamCell

    def __init__(self, config: FidelityConfig, num_envs: int, device: torch.device) -> None:
        bursts = [factor * config.burst_slots for factor in BURST_FACTORS]
        self.core = core = BeamCell(config, num_envs, device, bursts)
        latency_s = twin_latency_s(core.site)
        self.twins = tuple(latency_s)
        slots = [max(math.ceil(s * config.latency_scale / core.slot_s), 1) for s in latency_s.values()]
        self.latency_slots = torch.tensor(slots, device=device)
        self.maps = tuple(core.calibrated(world) for world in self.twins)
        self.layout = fidelity_layout(len(self.twins))
        self.action_space = gymnasium.spaces.Discrete(len(self.twins))
        self._last = torch.full((num_envs, 3), -1, device=device)

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """The UE for whose beams a twin is asked."""
        return self.core.known.turn[rows]

    def observe(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """Observations by `fidelity_layout`."""
        core, known = self.core, self.core.known
        beliefs = core.twin.ask(known.sensed(rows, ue), known.ap[rows])
        values = beam_values(core, rows, ue, beliefs)
        values["latency"] = torch.log10(self.latency_slots.float()).expand(len(rows), -1)
        values["in_time"] = self.latency_slots < known.burst_slots[rows][:, None]
        return self.layout.pack(values)

    def step(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Ask and serve, and let time pass until the next UE wakes up."""
        known = self.core.known
        ue, latency, deadline = known.turn[rows], self.latency_slots[actions], known.burst_slots[rows]
        second = Sweep(beams=self.answer(rows, ue, actions), after_slots=latency)
        outcome = self.core.step(rows, self.first_sweep(rows, ue), second)
        self._last[rows] = torch.stack([ue, actions, deadline], -1)
        return describe_outcome(self.core, outcome, ue, {"deadline_slots": deadline, "in_time": latency < deadline})

    def first_sweep(self, rows: torch.Tensor, ue: torch.Tensor) -> torch.Tensor:
        """What UE `ue` [N] sweeps when its burst begins, bool [N, K]."""
        beam = self.core.known.beam[rows, ue]
        return self.core.codebook.swept(beam, torch.full_like(beam, KEPT_BEAMS))

    def answer(self, rows: torch.Tensor, ue: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """What the twins that `actions` [N] name answer about UE `ue` [N] now, bool [N, K].

        The `ANSWER_BEAMS` best beams where sensing sees the UE; none if the twin has no path there.
        """
        known = self.core.known
        beams = torch.zeros(len(rows), self.core.codebook.beams, dtype=torch.bool, device=rows.device)
        for index, beam_map in enumerate(self.maps):
            asked = (actions == index).nonzero()[:, 0]
            if len(asked):
                beliefs = beam_map.ask(known.sensed(rows[asked], ue[asked]), known.ap[rows[asked]])
                best = beliefs.mean_power.topk(ANSWER_BEAMS, -1).indices
                answered = (beliefs.known > 0)[:, None].expand(-1, ANSWER_BEAMS)
                beams[asked] = beams[asked].scatter_(1, best, answered)
        return beams

    def view(self, row: int) -> View:
        """The network's view of one environment, for a picture."""
        ue, action, deadline = self._last[row].tolist()
        if ue < 0 or int(self.core.known.now_slots[row]) == 0:
            return beam_view(self.core, row, None, "")
        slot_ms = 1e3 * self.core.slot_s
        latency = int(self.latency_slots[action])
        late = "" if latency < deadline else ", too late"
        text = f"UE {ue}: asks {self.twins[action]}, {latency * slot_ms:.0f} of {deadline * slot_ms:.0f} ms{late}"
        return beam_view(self.core, row, ue, text)


class TwinFidelityEnv(TaskEnv):
    """Which twin is asked for the beams of a UE that wakes up?

    ## Description

    The network has several twins of one site: the more faithful, the longer they take to answer. Each time a UE wakes
    up for a burst of data, the agent chooses which twin it asks. The answer is the three beams that are best, in that
    twin's world, where sensing sees the UE *now*; it arrives after the time that was measured when the site was built,
    while the UE moves on. Until then the UE is served with the best of three beams round the one that it had last. Then
    the beams of the answer are swept together with the beam in use, and the best that is measured serves the UE. An
    answer that arrives after the end of the burst is useless. Bursts, and so the deadlines, are 1, 2, 4, 8 or 16 times
    `burst_slots` long. The cell is that of `BeamSelection`, and all
    twins know from one calibration where the arrays point.

    ## Action Space

    `Discrete(4)`: the twin world to ask, the quickest first: `twin-los`, `twin-depth1`, `twin`, `twin-diffraction` on
    the default site.

    ## Observation Space

    A flat `Box(0, 1, float32)`. `observation_layout` names every number with unit, range and slice; index, field, unit
    and the range that 0 to 1 stands for:

    {observation}

    ## Rewards

    The net spectral efficiency of the UE's burst, divided by the number of the episode's bursts: delivered bits, less
    what the resource elements of sweeps could have carried, over the burst's time and bandwidth. The return of an
    episode is the mean net spectral efficiency of its bursts in bit/s/Hz, be they short or long.

    ## Starting State

    An AP of the site and UEs in its coverage are drawn; each has found its beam by a sweep of all beams at time 0.

    ## Episode End

    Truncation after `episode_slots` slots. There is no termination.

    ## Information

    `delivered`, `sweep_cost`: terms of the reward [bit/s/Hz]; `elapsed_slots`: until the next UE wakes up; `ue`:
    about whom a twin was asked; `deadline_slots`: when the answer had to be there; `in_time`: will it be?

    ## Arguments

    {options}

    Besides, `device` ("auto", "cpu", "cuda") and `render_mode` (None, "rgb_array", "human"; the batch has no "human").

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/TwinFidelity-v0", latency_scale=0.5)
    envs = gymnasium.make_vec("twin_envs/TwinFidelity-v0", num_envs=64, world="twin")
    ```

    ## Version History

    * v0: first version.
    """

    task_type = TwinFidelity


class TwinFidelityVectorEnv(TaskVectorEnv):
    """B `TwinFidelityEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = TwinFidelity


document(TwinFidelityEnv, fidelity_layout(4), FidelityConfig)
