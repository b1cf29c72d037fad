"""What the air absorbs, against the ITU's own validation examples and against physics."""

import dataclasses

import pytest

from twin_envs.world.atmosphere import specific_attenuation_db_m
from twin_envs.world.recipe import AtmosphereRecipe

AIR = AtmosphereRecipe()
DRY = AtmosphereRecipe(vapour_g_m3=0.0)


def db_km(carrier_ghz, air=AIR):
    return 1e3 * specific_attenuation_db_m(carrier_ghz * 1e9, air)


@pytest.mark.parametrize(
    ("carrier_ghz", "oxygen_db_km", "vapour_db_km"),
    [  # validation examples of ITU-R Study Group 3 for P.676: 1013.25 hPa, 288.15 K, 7.5 g/m^3
        (12.0, 0.00869826, 0.00953539),
        (20.0, 0.01188355, 0.09704730),
        (60.0, 14.62347480, 0.15484184),
        (90.0, 0.03886971, 0.34197339),
        (130.0, 0.04150908, 0.75184470),
    ],
)
def test_the_validation_examples_of_the_itu(carrier_ghz, oxygen_db_km, vapour_db_km):
    assert db_km(carrier_ghz) == pytest.approx(oxygen_db_km + vapour_db_km, abs=2e-8)


def test_lines_stand_where_they_are():
    for line_ghz, beside_ghz in ((22.235, 15.0), (60.0, 50.0), (118.75, 100.0), (183.31, 150.0)):
        assert db_km(line_ghz) > 1.5 * db_km(beside_ghz)
    assert db_km(28.0) * 0.1 < 0.02  # over 100 m at 28 GHz it does not matter,
    assert db_km(60.0) * 0.1 > 1.0  # at 60 GHz it does


def test_dry_air_has_no_line_of_water():
    assert db_km(22.235, DRY) < 0.1 * db_km(22.235)
    assert db_km(60.0, DRY) == pytest.approx(db_km(60.0), rel=0.02)


def test_thin_air_absorbs_less_and_more_vapour_more():
    thin = dataclasses.replace(AIR, pressure_hpa=500.0)
    damp = dataclasses.replace(AIR, vapour_g_m3=15.0)
    for carrier_ghz in (3.5, 28.0, 60.0, 90.0):
        assert db_km(carrier_ghz, thin) < db_km(carrier_ghz)
        assert db_km(carrier_ghz, damp) > db_km(carrier_ghz)
