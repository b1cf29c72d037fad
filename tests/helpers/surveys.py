"""Measurements of a made-up site: four access points round a square of 100 m, whose gains follow a law."""

import math

import torch

from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, SensedState
from twin_envs.twin.measurements import Measurements
from twin_envs.world.atlas.geometry import Geometry

NAMES = list(KNOWLEDGE_FIELDS)
GAIN, LOS, DOPPLER, COHERENCE = (
    NAMES.index(name) for name in ("gain_db", "los_probability", "doppler_spread_hz", "coherence_time_s")
)
GRID_M, SIDE = 2.0, 51
INTERCEPT_DB, SLOPE_DB = -41.0, -33.0


def square():
    """101 m x 101 m of grid points 2 m apart, and four access points 9 m high."""
    axis = torch.arange(SIDE) * GRID_M
    north, east = torch.meshgrid(axis, axis, indexing="ij")
    point_m = torch.stack([east.flatten(), north.flatten(), torch.full((SIDE**2,), 1.5)], -1)
    return Geometry(
        carrier_hz=3.5e9,
        ap_position_m=torch.tensor([[-5.0, 50.0, 9.0], [105.0, 50.0, 9.0], [50.0, -5.0, 9.0], [50.0, 105.0, 9.0]]),
        cell_of=torch.arange(SIDE**2).view(SIDE, SIDE),
        point_m=point_m,
        origin_m=(0.0, 0.0),
        grid_m=GRID_M,
    )


def sensed_at(position_m, std_m=0.0, speed_m_s=1.0):
    """UEs that walk east."""
    nothing = torch.zeros(len(position_m))
    velocity = torch.stack([nothing + speed_m_s, nothing], -1)
    return SensedState(
        position_m=position_m, velocity_m_s=velocity, position_std_m=nothing + std_m, velocity_std_m_s=nothing
    )


def law_db(geometry, position_m, ap):
    place = torch.nn.functional.pad(position_m, (0, 1), value=1.5)
    return INTERCEPT_DB + SLOPE_DB * (place - geometry.ap_position_m[ap]).norm(dim=-1).log10()


def survey(places=60, seed=0, shadow_db=lambda position_m, ap: 0.0, noise_db=0.0, aps=4):
    """Measurements at random places, where all access points are heard; the gain is the law's and `shadow_db`."""
    generator, geometry = torch.Generator().manual_seed(seed), square()
    place_m = 100 * torch.rand(places, 2, generator=generator)
    place, ap = torch.ones(places, aps).nonzero(as_tuple=True)
    position_m = place_m[place]
    values = torch.zeros(len(ap), len(NAMES))
    noise = torch.randn(len(ap), generator=generator)
    values[:, GAIN] = law_db(geometry, position_m, ap) + shadow_db(position_m, ap) + noise_db * noise
    values[:, NAMES.index("delay_spread_s")] = 5e-8
    values[:, NAMES.index("coherence_bandwidth_hz")] = 1 / (2 * math.pi * 5e-8)
    values[:, DOPPLER], values[:, COHERENCE], values[:, LOS] = 4.0, 0.2, 1.0
    return Measurements(
        sensed=sensed_at(position_m),
        ap=ap,
        place=place,
        values=values,
        std=torch.zeros(len(NAMES)),
        place_m=place_m,
        resource_elements=places * aps,
    )
