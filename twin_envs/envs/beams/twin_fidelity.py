"""TwinFidelity: which twin is asked for the beams of a UE that wakes up?"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.beams.beam_map import Beliefs
from twin_envs.envs.beams.actions import ANSWER_BEAMS, REFINED_BEAMS, TwinActions
from twin_envs.envs.beams.configuration import FidelityConfig, learnt_names
from twin_envs.envs.beams.core import BeamCore, Sweep
from twin_envs.envs.beams.documentation import BEAM_SECTIONS
from twin_envs.envs.beams.observation import fidelity_layout
from twin_envs.envs.beams.task import BEAM_TERMS, BeamTask
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.training import Training
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv
from twin_envs.world.store.site import Site, load_site

BURST_FACTORS = (1, 2, 4, 8, 16)
"""Lengths of bursts, in the shortest one."""


def twin_latency_s(site: Site) -> dict[str, float]:
    """How long each twin of a site takes to answer for one link, as measured when it was built, the quickest first.

    Raises:
        ConfigurationError: the site does not say so, or of fewer than two twins.
    """
    latency_s = _measured_latency_s(site)
    if len(latency_s) < 2:
        raise ConfigurationError(
            f"site must have measured latencies of 2 twins or more, got {site.recipe.name!r} with {len(latency_s)}; "
            "use 'munich-28ghz', or build the site anew with `twin-envs site build`"
        )
    return latency_s


def _measured_latency_s(site: Site) -> dict[str, float]:
    measured = site.manifest.get("latency_s", {})
    latency_s = {world: float(measured[world]) for world in site.twins if world in measured}
    return dict(sorted(latency_s.items(), key=lambda item: item[1]))


class TwinFidelity(BeamTask):
    """The agent chooses which twin world to ask; the best beams of its answer are swept if they can serve in time."""

    training = Training(steps=60_000)
    options = FidelityConfig
    actions: TwinActions
    terms = {**BEAM_TERMS, "deadline_slots": torch.int64, "in_time": torch.bool}  # noqa: RUF012

    def __init__(self, config: FidelityConfig, num_envs: int, device: torch.device) -> None:
        if config.twin == "quickest":
            config = replace(config, twin=next(iter(_measured_latency_s(load_site(config.site))), "twin"))
        core = BeamCore(config, num_envs, device, [factor * config.burst_slots for factor in BURST_FACTORS])
        latency_s = twin_latency_s(core.site)
        maps = {world: core.calibrated(world) for world in latency_s}
        for name in learnt_names(config.learnt_twins):
            maps[name], latency_s[name] = core.learnt(name), config.learnt_latency_s
        slots = {
            name: max(math.ceil(seconds * config.latency_scale / core.slot_s), 1)
            for name, seconds in sorted(latency_s.items(), key=lambda item: item[1])
        }
        asked = TwinActions(core.network, slots, [maps[name] for name in slots])
        super().__init__(core, fidelity_layout(len(slots)), asked)

    def field_values(self, rows: torch.Tensor, ue: torch.Tensor, beliefs: Beliefs) -> dict[str, torch.Tensor]:
        """Besides, how long each twin takes to answer, and whether that is in time."""
        state = self.network.state
        return super().field_values(rows, ue, beliefs) | {
            "latency": torch.log10(self.actions.latency_slots.float()).expand(len(rows), -1),
            "in_time": self._in_time(state.now_slots[rows], state.burst_slots[rows]),
        }

    def _in_time(self, start: torch.Tensor, deadline: torch.Tensor) -> torch.Tensor:
        """Whether a beam of each twin's answer can serve within `deadline` slots from slot `start` on [N]: [N, T].

        Its sweep begins when the answer is there and the seven beams that are swept meanwhile are reported.
        """
        schedule = self.network.schedule
        refined = schedule.serves(start, torch.full_like(start, REFINED_BEAMS))
        begin = torch.maximum(start[:, None] + self.actions.latency_slots, refined[:, None])
        serves = schedule.serves(begin, torch.full_like(begin, ANSWER_BEAMS + 1))
        return serves < (start + deadline)[:, None]

    def act(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Ask and serve, and let time pass until the next UE wakes up."""
        state, twins = self.network.state, self.actions
        ue, deadline = state.turn[rows], state.burst_slots[rows]
        refined, answer = twins.refined(rows, ue), twins.answer(rows, ue, actions)
        step = self.core.step(
            rows,
            lambda: Sweep(beams=refined),
            lambda: Sweep(beams=twins.with_kept(rows, ue, answer), after_slots=twins.latency_slots[actions]),
        )
        return replace(step, facts={"deadline_slots": deadline, "in_time": step.facts["in_time"]})

    def describe_decision(self, row: int, action: int) -> str:
        """Which twin was asked, how long its answer took, and whether its beams could not serve any more."""
        network, slot_ms = self.network, 1e3 * self.network.slot_s
        latency, deadline = self.actions.latency_slots[action], network.state.served_slots[row]
        start = network.state.now_slots[row] - network.turn_slots
        late = "" if self._in_time(start[None], deadline[None])[0, action] else ", too late"
        asked = self.actions.twins[action]
        return f"asks {asked}, {int(latency) * slot_ms:.0f} of {int(deadline) * slot_ms:.0f} ms{late}"


class TwinFidelityEnv(TaskEnv):
    """Which twin is asked for the beams of a UE that wakes up?

    ## Description

    The network has several twins of one site: the more faithful, the longer they take to answer. Each time a UE wakes
    up for a burst of data, the agent chooses which twin it asks. The answer is the three beams that are best, in that
    twin's world, where sensing sees the UE *now*; it arrives after the time that was measured when the site was built,
    while the UE moves on. Until then the cell does what it does without a twin: the UE is served with the wide beam of
    the SSB that it reported, sweeps the seven beams nearest to it, and gets the best of them when it has reported that.
    Then the beams of the answer are swept together with the beam in use, and the best that is measured serves the UE as
    soon as it has reported that. An answer that cannot be of use before the end of the burst is not swept. Bursts, and
    so the deadlines, are 1, 2, 4, 8 or 16 times `burst_slots` long. The cell is that of `BeamSelection`, and all twins
    know from one calibration where the arrays point.

    Little is to be gained: what a twin can add is bounded by what the UE has swept around its SSB's beam meanwhile,
    without asking anybody.

    ## Action Space

    `Discrete(4)`: the twin world to ask, the quickest first: `twin-los`, `twin-depth1`, `twin`, `twin-diffraction` on
    the default site. With `learnt_twins` there are more: channel twins that have learnt from what a sounder measured,
    such as `neural`.

    ## Rewards

    {usual} A short burst counts as much as a long one.

    ## Information

    `deadline_slots`: when the burst ended; `in_time`: did a beam of the answer's sweep serve before?; {usual}

    ## Arguments

    {usual}

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/TwinFidelity-v1", latency_scale=0.5)
    env = gymnasium.make("twin_envs/TwinFidelity-v1", learnt_twins="neural", commissioning_places=144)
    envs = gymnasium.make_vec("twin_envs/TwinFidelity-v1", num_envs=64, world="twin")
    ```
    """

    task_type = TwinFidelity


class TwinFidelityVectorEnv(TaskVectorEnv):
    """B `TwinFidelityEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = TwinFidelity


document(TwinFidelityEnv, fidelity_layout(4), BEAM_SECTIONS)
