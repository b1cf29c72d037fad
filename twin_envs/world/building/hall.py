"""A factory hall that is drawn from a seed, as a scene: a floor, walls with two gates, a ceiling, and machines.

Its sizes are those of the indoor factory of TR 38.901, table 7.2-4: what stands about takes a share of the floor, is as
long as is said in the mean, and as high.
"""

from __future__ import annotations

import numpy as np

from twin_envs.base.errors import ConfigurationError
from twin_envs.world.recipe import HallRecipe

GATE_M, AISLE_M, GAP_M = 9.0, 8.0, 2.0
"""Width of the gates in the two short walls, of the aisle from gate to gate and of the one across it, and of the ways
between machines."""
_WALL_M, _BESIDE_M, _CEILING_M = 1.2, 0.05, 0.2
"""Walls are thick enough to be on a map of metres, and stand so far beside the floor, whose sides are whole metres."""
_YARD_M = 20.0
"""So far round the hall there is ground."""
_SLENDER = (0.35, 0.65)
"""Width of a machine over its length."""
_ATTEMPTS = 5000

_SCENE = """<scene version="2.1.0">
<bsdf type="itu-radio-material" id="concrete"><string name="type" value="concrete"/></bsdf>
<bsdf type="itu-radio-material" id="metal"><string name="type" value="metal"/></bsdf>
{shapes}
</scene>
"""
_SHAPE = """<shape type="cube" id="{name}">
  <transform name="to_world"><scale x="{sx:.3f}" y="{sy:.3f}" z="{sz:.3f}"/><translate x="{x:.3f}" y="{y:.3f}" z="{z:.3f}"/></transform>
  <ref id="{material}" name="bsdf"/>
</shape>"""  # noqa: E501


def draw_machines(hall: HallRecipe, seed: int) -> np.ndarray:
    """Where machines stand, float64 [N, 5]: x and y of the lower left and of the upper right corner, height [m].

    They are along x or y, keep the aisles free and a way between each other, and are drawn until they take their share
    of the floor.

    Raises:
        ConfigurationError: the hall has no room for so many.
    """
    generator, size_m = np.random.default_rng([seed, 38901]), np.array(hall.size_m)
    quarter_m = (size_m - AISLE_M) / 2 - GAP_M
    boxes, taken_m2, wanted_m2 = np.zeros((0, 5)), 0.0, hall.clutter_share * float(size_m.prod())
    for _ in range(_ATTEMPTS):
        if taken_m2 >= wanted_m2:
            return boxes
        long = hall.clutter_size_m * generator.uniform(0.7, 1.3)
        sides = np.array([long, long * generator.uniform(*_SLENDER)])[generator.permutation(2)]
        high = hall.clutter_height_m * generator.uniform(0.5, 1.5)
        corner = np.where(generator.random(2) < 0.5, GAP_M, (size_m + AISLE_M) / 2)
        low = corner + generator.random(2) * (quarter_m - sides)
        apart = np.maximum(boxes[:, :2] - low - sides, low - boxes[:, 2:4]).max(-1)
        if (sides <= quarter_m).all() and (apart >= GAP_M).all():
            boxes = np.vstack([boxes, [*low, *(low + sides), high]])
            taken_m2 += float(sides.prod())
    raise ConfigurationError(
        f"hall.clutter_share must be less than {taken_m2 / float(size_m.prod()):.2f}, for which there is room between "
        f"the aisles, got {hall.clutter_share!r}"
    )


def hall_scene(hall: HallRecipe, seed: int) -> str:
    """The hall as a Mitsuba scene; its lower left corner is at the origin."""
    (length_m, width_m), high = hall.size_m, hall.height_m
    low_gate, high_gate = (width_m - GATE_M) / 2, (width_m + GATE_M) / 2
    near, far = _BESIDE_M, _BESIDE_M + _WALL_M
    walls = [
        *((-far, y0, length_m + far, y1) for y0, y1 in ((-far, -near), (width_m + near, width_m + far))),
        *(
            (x0, y0, x1, y1)
            for x0, x1 in ((-far, -near), (length_m + near, length_m + far))
            for y0, y1 in ((-near, low_gate), (high_gate, width_m + near))
        ),
    ]
    shapes = [
        _shape("floor", "concrete", (-_YARD_M, -_YARD_M, length_m + _YARD_M, width_m + _YARD_M), -0.1, 0.0),
        _shape("ceiling", "metal", (-far, -far, length_m + far, width_m + far), high, high + _CEILING_M),
        *(_shape(f"wall-{index}", "concrete", box, 0.0, high) for index, box in enumerate(walls)),
        *(
            _shape(f"machine-{index}", "metal", tuple(box[:4]), 0.0, box[4])
            for index, box in enumerate(draw_machines(hall, seed).tolist())
        ),
    ]
    return _SCENE.format(shapes="\n".join(shapes))


def _shape(name: str, material: str, box: tuple[float, ...], low: float, high: float) -> str:
    x0, y0, x1, y1 = box
    sizes = {"sx": (x1 - x0) / 2, "sy": (y1 - y0) / 2, "sz": (high - low) / 2}
    return _SHAPE.format(name=name, material=material, x=(x0 + x1) / 2, y=(y0 + y1) / 2, z=(low + high) / 2, **sizes)
