"""When SSBs, sweeps and reports are on the air, against counts by hand."""

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.tdd import TddPattern
from twin_envs.envs.beams.configuration import BeamConfig
from twin_envs.envs.beams.schedule import BeamSchedule, report_bits
from twin_envs.world.store.site import load_site

SYMBOL = 66 * 12
"""Resource elements of a symbol of the carrier."""


def schedule(site, **options):
    config = BeamConfig(**options)
    return BeamSchedule(config, site.recipe, TddPattern(config.tdd_pattern))


def slots(*values):
    return torch.tensor(values)


def test_a_period_of_the_pattern_is_counted_symbol_by_symbol(site):
    """8 slots of 14 symbols less PDCCH and DM-RS, and a special slot with 10 of which as many are lost."""
    made = schedule(site)
    assert int(made.data_elements(slots(0), slots(10))) == (8 * 12 + 8) * SYMBOL
    assert int(made.data_elements(slots(8), slots(10))) == 8 * SYMBOL
    assert int(made.data_elements(slots(9), slots(10))) == 0


@pytest.mark.parametrize(("ssb_beams", "burst_slots"), [(16, 8), (32, 18), (64, 38)])
def test_a_burst_has_four_symbols_for_each_ssb_every_20_ms(site, ssb_beams, burst_slots):
    """Case D of TS 38.213, 4.1: two SSBs in a slot, and two slots left free after every eight."""
    made = schedule(site, ssb_beams=ssb_beams)
    assert made.ssb_burst_slots == burst_slots
    assert made.ssb_period_slots == 160
    assert int(made.ssb_elements(slots(0), slots(160))) == ssb_beams * 4 * SYMBOL
    assert int(made.ssb_elements(slots(0), slots(1))) == 8 * SYMBOL
    assert int(made.ssb_elements(slots(8), slots(10))) == 0
    assert int(made.ssb_elements(slots(100), slots(1000))) == 6 * ssb_beams * 4 * SYMBOL  # from slots 160 to 960


def test_16_ssbs_take_4_percent_of_the_data_and_64_take_15(site):
    shares = [
        float(made.ssb_elements(slots(0), slots(160)) / made.data_elements(slots(0), slots(160)))
        for made in (schedule(site, ssb_beams=count) for count in (16, 64))
    ]
    assert shares == pytest.approx([64 / 1664, 256 / 1664])


@pytest.mark.parametrize("pattern", ["DDDSU", "DDDDDDDDDDDDDDSU"])
def test_a_pattern_without_room_for_the_ssbs_is_refused_with_one_that_has_it(site, pattern):
    with pytest.raises(ConfigurationError, match=f"^tdd_pattern must .* all 64 SSBs, .*got '{pattern}'; use 'DDDDD"):
        schedule(site, tdd_pattern=pattern, ssb_beams=64)


def test_a_pattern_that_has_room_for_few_ssbs_is_taken(site):
    assert schedule(site, tdd_pattern="DDDSU", ssb_beams=8).ssb_burst_slots == 4


def test_carriers_without_so_many_ssbs_are_refused():
    with pytest.raises(ConfigurationError, match=r"^site must have subcarriers of 120 kHz.*'munich' with 30 kHz; use"):
        BeamSchedule(BeamConfig(site="munich"), load_site("munich").recipe, TddPattern("DDDDDDDDSU"))


@pytest.mark.parametrize(
    ("start", "beams", "swept", "serves"),
    [
        (20, 13, 21, 30),  # all 13 symbols after PDCCH; 4 slots of processing; uplink slot 29
        (20, 14, 22, 30),
        (25, 7, 26, 40),  # 26 + 4 is past uplink slot 29
        (28, 9, 29, 40),  # a special slot has 9
        (28, 10, 31, 40),  # the next symbols that go down are those of slot 30
        (0, 5, 1, 10),  # two SSBs leave 5 of 13
        (0, 64, 10 + 1, 20),  # 8 x 5 in slots 0 to 7, 9 in slot 8, 13 in slot 10 and 2 more: see below
    ],
)
def test_a_sweep_takes_the_next_symbols_and_is_reported_in_the_next_uplink_slot(site, start, beams, swept, serves):
    made = schedule(site)
    if beams == 64:
        swept = 12  # 40 + 9 + 13 = 62, so it ends in slot 11
    assert int(made.swept(slots(start), slots(beams))) == swept
    assert int(made.serves(slots(start), slots(beams))) == serves


def test_a_beam_alone_serves_at_once(site):
    made = schedule(site)
    assert made.serves(slots(3, 50), slots(1, 1)).tolist() == [3, 50]
    assert made.sweep_elements(slots(0, 1, 3, 64)).tolist() == [0, 0, 3 * SYMBOL, 64 * SYMBOL]
    assert int(schedule(site, symbols_per_beam=4).sweep_elements(slots(3))) == 12 * SYMBOL


def test_ssbs_are_reported_after_the_next_uplink_slot_and_no_later_than_a_period(site):
    """A burst of 16 SSBs ends with slot 7; 4 slots of processing; uplink slot 19; known from slot 20 on."""
    made = schedule(site)
    assert made.reported_ssbs(slots(0, 19, 20, 179, 180)).tolist() == [0, 0, 4, 4, 164]


@pytest.mark.parametrize(("beams", "bits"), [(3, 3 * 2 + 7 + 2 * 4), (7, 31), (15, 35), (16, 35), (64, 43)])
def test_a_report_names_at_most_four_beams(beams, bits):
    assert int(report_bits(slots(beams))) == bits
