"""What stands on and beside a road: cars and lamps."""

import numpy as np

from weathervane.data.scenes.conditions import colour
from weathervane.data.scenes.easel import SNOW, TOWARDS_US, UP, Easel, upright

_CARS = (
    *(colour(0.6, 0.08, 0.06), colour(0.1, 0.2, 0.45), colour(0.8, 0.8, 0.8)),
    *(colour(0.08, 0.08, 0.09), colour(0.45, 0.46, 0.48)),
)


def lamp(easel: Easel, side: int, x: float, z: float) -> None:
    """A street lamp that reaches over the road."""
    metal = colour(0.22, 0.23, 0.24)
    easel.fill(upright((x - 0.09, z), (x + 0.09, z), 0, 7)[None], metal, TOWARDS_US, z)
    easel.fill(upright((x, z), (x - side * 1.8, z), 6.85, 7.05)[None], metal, TOWARDS_US, z)
    easel.cast(np.array(((x - 0.12, 0, z), (x + 0.12, 0, z), (x, 7, z))))
    easel.glow(np.array((x - side * 1.7, 6.8, z)), z, 0.5)


def car(easel: Easel, x: float, z: float, oncoming: bool) -> None:
    """A car on the road, seen from before or behind."""
    paint = _CARS[easel.rng.integers(len(_CARS))]
    easel.cast(np.array([(x + a, b, z + c) for a in (-0.9, 0.9) for b in (0, 1.4) for c in (0, 4)]))
    easel.fill(
        upright((x - 0.85, z), (x + 0.85, z), 0, 0.45)[None], colour(0.04, 0.04, 0.04), UP, z
    )
    easel.fill(upright((x - 0.92, z), (x + 0.92, z), 0.25, 0.95)[None], paint, TOWARDS_US, z)
    cabin = np.array(
        ((x - 0.85, 0.9, z), (x + 0.85, 0.9, z), (x + 0.65, 1.5, z + 1), (x - 0.65, 1.5, z + 1))
    )
    easel.fill(cabin[None], colour(0.14, 0.17, 0.2), TOWARDS_US, z)
    if easel.weather.snow:
        easel.fill(upright((x - 0.65, z + 1), (x + 0.65, z + 1), 1.42, 1.62)[None], SNOW, UP, z)
    for offset in (-0.65, 0.65):
        end = upright((x + offset - 0.14, z), (x + offset + 0.14, z), 0.6, 0.78)
        light = colour(1.0, 0.95, 0.8) if oncoming else colour(0.7, 0.05, 0.05)
        easel.fill(end[None], light, TOWARDS_US, z)
        if oncoming:
            easel.glow(np.array((x + offset, 0.7, z)), z, 0.28)
