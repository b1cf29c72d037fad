"""BeamSelection: which beams does a UE sweep when it wakes up?"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from twin_envs.csi.beams.codebook import SWEEPS
from twin_envs.envs.beams.actions import BeamActions
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.core import BeamCore, Sweep
from twin_envs.envs.beams.documentation import BEAM_SECTIONS
from twin_envs.envs.beams.observation import beam_layout
from twin_envs.envs.beams.task import BEAM_TERMS, BeamTask
from twin_envs.envs.core.documentation import document
from twin_envs.envs.core.step import Step
from twin_envs.envs.core.training import Training
from twin_envs.envs.faces.single import TaskEnv
from twin_envs.envs.faces.vector import TaskVectorEnv


class BeamSelection(BeamTask):
    """The agent chooses the beam to centre a sweep on, and how many neighbours are swept."""

    training = Training(steps=60_000)
    options = BeamConfig
    actions: BeamActions
    terms = {**BEAM_TERMS, "beam": torch.int64, "swept": torch.int64}  # noqa: RUF012

    def __init__(self, config: BeamConfig, num_envs: int, device: torch.device) -> None:
        core = BeamCore(config, num_envs, device)
        codebook = core.network.codebook
        super().__init__(core, beam_layout(codebook.beams, codebook.ssb_beams), BeamActions(codebook))

    def act(self, rows: torch.Tensor, actions: torch.Tensor) -> Step:
        """Sweep and serve, and let time pass until the next UE wakes up."""
        step = self.core.step(rows, lambda: Sweep(beams=self.actions.decode(actions)))
        beam = self.network.state.beam[rows, step.ue]
        return replace(step, facts={"beam": beam, "swept": step.facts["swept"]})

    def describe_decision(self, row: int, action: int) -> str:
        """How many beams are swept about which direction."""
        codebook = self.network.codebook
        centre, count = action // len(SWEEPS), codebook.sweep_size(action % len(SWEEPS))
        azimuth = round(math.degrees(float(codebook.azimuth_rad[centre])))
        return f"sweeps {count} beam{'s' if count > 1 else ''} about {azimuth:+d} degrees"


class BeamSelectionEnv(TaskEnv):
    """Which beams does a UE sweep when it wakes up?

    ## Description

    At 28 GHz an access point with a hybrid array reaches a UE only through a narrow beam, one of a codebook of 64, and
    sends one beam at a time. UEs sleep, and each wakes up once in a cycle for a burst of data. It wakes up early enough
    to measure the last burst of SSBs, 16 wide beams of four narrow ones each that the cell always sends every 20 ms,
    and to report the four strongest. With the strongest one's beam its burst begins; a narrow one is four times as
    strong. Then the agent decides which narrow beams the UE sweeps, in CSI-RS of one symbol each. The best that is
    measured serves the UE when it has reported it: after the sweep, its processing, and the next uplink slot, one of
    the burst's eight. Or the agent trusts a beam without measuring it: it serves at once. The agent sees what the
    network sees: reports, sensed motion, and what power the network's digital twin expects of every beam. The twin does
    not know who and what is in the way, nor what a vehicle's windows take, but where the UE is within the wide beam.
    Arrays are mounted turned by some degrees, as much as a beam is wide; `calibration_sweeps` measured sweeps for each
    access point tell the twin how much.

    How much there is to gain: an SSB for each of 64 beams (`ssb_beams=64`) takes 15 % of the data and tells nearly all
    that there is to know. SSBs of 16 wide beams take 4 % and leave the choice of a narrow beam open. Sweeping the seven
    nearest takes little of a burst, but part of it is over before they are reported. A twin can save that time, where
    its beam is the best and nothing is in its way. By default that is little: an oracle earns about a twentieth more
    than who sweeps the seven beams round the last one always.

    ## Action Space

    `Discrete(320)`: 5 b + w sweeps {1, 3, 7, 15, 64}[w] beams, the nearest to beam b, itself among them; with w = 0
    beam b is not measured and serves at once. What could not be reported before the burst's end is not swept. Beams are
    numbered from the upper right to the lower left as seen from the array, 16 in each of 4 rows; 3 beams are a row of
    three, 7 a cross, 15 a block of 5 x 3. With another array, there are as many beams as antennas.

    ## Information

    `beam`: the beam that served it; `swept`: how many were swept; {usual}

    ## Arguments

    {usual}

    ```python
    import gymnasium, twin_envs
    env = gymnasium.make("twin_envs/BeamSelection-v1", num_ue=4, blockers=0)
    envs = gymnasium.make_vec("twin_envs/BeamSelection-v1", num_envs=64, world="twin")
    ```
    """

    task_type = BeamSelection


class BeamSelectionVectorEnv(TaskVectorEnv):
    """B `BeamSelectionEnv` in one batch: environment i behaves as the single one does with the same seed."""

    task_type = BeamSelection


document(BeamSelectionEnv, beam_layout(64, 16), BEAM_SECTIONS)
