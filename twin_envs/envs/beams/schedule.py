"""When beams are on the air: SSB bursts, the CSI-RS of sweeps, and the reports of both."""

from __future__ import annotations

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError
from twin_envs.base.units import SUBCARRIERS_PER_BLOCK, SYMBOLS_PER_SLOT, slot_duration_s
from twin_envs.csi.nr.dmrs import CONTROL_SYMBOLS
from twin_envs.csi.nr.overhead import data_resource_elements
from twin_envs.csi.nr.tdd import TddPattern
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.world.recipe import SiteRecipe

SSB_SYMBOLS = 4
"""Symbols of an SSB (TS 38.211, 7.4.3.1)."""
SSB_PERIOD_S = 20e-3
"""From one burst of SSBs to the next, as a UE expects at first (TS 38.213, 4.1)."""
_SSB_SPACING_HZ = 120e3
_SSB_FIRST_SYMBOLS = tuple(
    28 * n + first for n in (*range(4), *range(5, 9), *range(10, 14), *range(15, 19)) for first in (4, 8, 16, 20)
)
"""First symbols of the SSBs in a half frame, case D (TS 38.213, 4.1)."""
REPORT_BEAMS = 4
"""Most beams in a report (TS 38.214, 5.2.1.4.2)."""
_STRENGTH_BITS, _DIFFERENTIAL_BITS = 7, 4
"""Of the strongest beam and of each other one in a report (TS 38.212, table 6.3.1.1.2-6)."""
_PROCESSING_SLOTS = 4
"""From the last symbol of a beam to the report: 56 symbols, the slowest UEs' beamReportTiming at 120 kHz (TS 38.306,
4.2.7.2; TS 38.214, 5.4)."""


def report_bits(beams: torch.Tensor) -> torch.Tensor:
    """Bits of a report about `beams` beams, int64 of any shape: the strongest, at most four, named and told."""
    told = beams.clamp_max(REPORT_BEAMS)
    name = torch.log2(beams.clamp_min(1).double()).ceil().long()
    return told * name + _STRENGTH_BITS + (told - 1) * _DIFFERENTIAL_BITS


class BeamSchedule(Constant):
    """Which symbols SSBs and sweeps take, and when their reports are there.

    An array with one RF chain points one way at a time. So in the symbols of an SSB or of a swept beam's CSI-RS the
    whole carrier is lost for data to whoever has another beam, not only the resource elements of the pilots.

    A burst of SSBs begins with every `SSB_PERIOD_S` from time 0 on. A sweep takes
    the next symbols that go down and have neither PDCCH nor SSB, so it never leaves out a beam. The report goes up in
    the first uplink slot after the UE's processing, and counts from the slot after that on.

    Args:
        config: the options.
        recipe: the site.
        tdd: which slots go down and up; the tables lie where its tables do.

    Attributes:
        symbol_elements: resource elements of a symbol of the carrier.
        ssb_period_slots, ssb_burst_slots: from burst to burst, and from a burst's first slot to its last one.

    Raises:
        ConfigurationError: SSBs do not fit the site's carrier or into the TDD pattern.
    """

    def __init__(self, config: BeamConfig, recipe: SiteRecipe, tdd: TddPattern) -> None:
        if recipe.subcarrier_spacing_hz != _SSB_SPACING_HZ:
            raise ConfigurationError(
                f"site must have subcarriers of 120 kHz, at which there are up to 64 SSBs (TS 38.213, 4.1, case D), "
                f"got {config.site!r} with {recipe.subcarrier_spacing_hz / 1e3:g} kHz; use a site such as "
                f"{BeamConfig.site!r}"
            )
        self.tdd, device = tdd, tdd.uplink_slots.device
        self._blocks, self._symbols_per_beam = recipe.carrier_blocks, config.symbols_per_beam
        self.symbol_elements = recipe.carrier_blocks * SUBCARRIERS_PER_BLOCK
        self.ssb_period_slots = period = round(SSB_PERIOD_S / slot_duration_s(recipe.subcarrier_spacing_hz))
        slot = torch.arange(period, device=device)
        down = tdd.downlink(slot, slot + 1)[1]
        ssb = torch.zeros_like(down)
        for first in _SSB_FIRST_SYMBOLS[: config.ssb_beams]:
            at, symbol = divmod(first, SYMBOLS_PER_SLOT)
            ssb[at] += SSB_SYMBOLS
            if period % tdd.slots or symbol + SSB_SYMBOLS > down[at]:
                raise ConfigurationError(
                    f"tdd_pattern must go down in the symbols of all {config.ssb_beams} SSBs, and repeat a whole "
                    f"number of times in the {period} slots from burst to burst (TS 38.213, 4.1 and 11.1), got "
                    f"{config.tdd_pattern!r}; use {BeamConfig.tdd_pattern!r}"
                )
        self.ssb_burst_slots = int(ssb.nonzero()[-1]) + 1
        room = (down - CONTROL_SYMBOLS).clamp_min(0) - ssb
        self._before = torch.nn.functional.pad(torch.stack([ssb, room]).cumsum(-1), (1, 0))
        self._ssb_latency = int(self.known(torch.tensor(self.ssb_burst_slots, device=device)))

    def data_elements(self, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Resource elements for data in the slots `start` to `until` - 1, SSBs and sweeps not yet taken off, int64."""
        slots, symbols = self.tdd.downlink(start, until)
        return data_resource_elements(slots, symbols, self._blocks, torch.zeros_like(slots))

    def ssb_elements(self, start: torch.Tensor, until: torch.Tensor) -> torch.Tensor:
        """Resource elements that SSBs take of them, int64."""
        return (self._first(until) - self._first(start))[0] * self.symbol_elements

    def sweep_elements(self, beams: torch.Tensor) -> torch.Tensor:
        """Resource elements that a sweep of `beams` beams takes, int64; a beam alone is not swept."""
        return torch.where(beams > 1, beams * (self._symbols_per_beam * self.symbol_elements), 0)

    def swept(self, start: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
        """The first slot after a sweep of `beams` beams that begins with slot `start`, int64."""
        last = self._first(start)[1] + beams * self._symbols_per_beam - 1  # of all such symbols since time 0
        in_period = self._before[1, -1]
        within = torch.searchsorted(self._before[1], last % in_period, right=True)
        return last // in_period * self.ssb_period_slots + within

    def known(self, measured: torch.Tensor, slots: torch.Tensor | int = 1) -> torch.Tensor:
        """The first slot in which the network knows what was measured before slot `measured`, int64.

        Args:
            measured: int64 of any shape.
            slots: uplink slots that the report takes.
        """
        return self.tdd.next_uplink(measured + _PROCESSING_SLOTS, slots - 1) + 1

    def serves(self, start: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
        """The first slot in which the best of `beams` beams serves that are swept from slot `start` on, int64.

        It is `start` for a beam alone, and else follows from a report that takes one uplink slot.
        """
        return torch.where(beams > 1, self.known(self.swept(start, beams)), start)

    def reported_ssbs(self, slot: torch.Tensor) -> torch.Tensor:
        """The middle of the last SSB burst that can have been reported before slot `slot`, int64; 0 if there is none.

        Each beam of the burst counts as measured there.
        """
        burst = torch.div(slot - self._ssb_latency, self.ssb_period_slots, rounding_mode="floor")
        return torch.where(burst < 0, 0, burst * self.ssb_period_slots + self.ssb_burst_slots // 2)

    def _first(self, slots: torch.Tensor) -> torch.Tensor:
        """Symbols of SSBs, and those open to sweeps, among the first `slots` slots, int64 [2, ...]."""
        whole, rest = slots // self.ssb_period_slots, slots % self.ssb_period_slots
        return whole * self._before[:, -1].view(2, *[1] * slots.dim()) + self._before[:, rest]
