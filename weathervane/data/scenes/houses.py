"""Houses and their windows."""

from dataclasses import dataclass

import numpy as np

from weathervane.data.scenes.conditions import Colour, colour
from weathervane.data.scenes.easel import SNOW, TOWARDS_US, UP, Easel, Facing, Points, upright

_WALLS = (
    *(colour(0.55, 0.27, 0.20), colour(0.72, 0.62, 0.47), colour(0.60, 0.60, 0.58)),
    *(colour(0.86, 0.84, 0.78), colour(0.45, 0.47, 0.50), colour(0.78, 0.66, 0.44)),
    *(colour(0.38, 0.28, 0.24), colour(0.62, 0.70, 0.72), colour(0.80, 0.56, 0.46)),
)
_ROOFS = (colour(0.42, 0.18, 0.13), colour(0.27, 0.26, 0.27), colour(0.36, 0.27, 0.20))


@dataclass(frozen=True, kw_only=True)
class _Style:
    albedo: Colour
    glass: Colour
    floors: int


def house(easel: Easel, side: int, near: tuple[float, float], size: tuple[float, float]) -> None:
    """A house at the right (side 1) or left (-1) of the road, gabled when it is low.

    ``near`` is the corner nearest to the road and to us (x, z), ``size`` its depth along the road
    and its height.
    """
    rng, (x, z), (length, height) = easel.rng, near, size
    outer = x + side * rng.uniform(8, 16)
    albedo = _WALLS[rng.integers(len(_WALLS))] * np.float32(rng.uniform(0.8, 1.1))
    glass = colour(0.16, 0.19, 0.22) * np.float32(rng.uniform(0.7, 1.8))
    style = _Style(albedo=albedo, glass=glass, floors=max(1, round(height / 3.2)))
    corners = np.array(
        [(a, b, c) for a in (x, outer) for b in (0, height) for c in (z, z + length)]
    )
    easel.cast(corners)
    street: Facing = (-float(side), 0.0, 0.0)
    _paint_wall(easel, upright((x, z), (x, z + length), 0, height), street, style)
    _paint_wall(easel, upright((x, z), (outer, z), 0, height), TOWARDS_US, style)
    if height < 9:
        _gable(easel, side, (x, outer, z), (length, height), albedo)
    else:
        # Snow lies along the edges of a flat roof; without it, the edge is a dark line.
        edge, thick = (SNOW, 0.9) if easel.weather.snow else (albedo * np.float32(0.7), 0.35)
        for line, facing in (((x, z + length), street), ((outer, z), TOWARDS_US)):
            wall = upright((x, z), line, height, height + thick)
            easel.fill(wall[None], edge, facing, z)


def _paint_wall(easel: Easel, wall: Points, facing: Facing, style: _Style) -> None:
    columns = easel.camera.project(wall)[:, 0]
    left, right = float(columns.min()), float(columns.max())
    if right < 0 or left > easel.camera.width:
        return
    metres = float(wall[:, 2].mean())
    easel.fill(wall[None], style.albedo, facing, metres)
    across = int(np.clip(float(np.abs(wall[1] - wall[0]).max()) / 3.2, 1, 7))
    if right - left < 3 * across or metres > 3 * easel.light.visibility:
        return  # panes about as small as a pixel, or lost in the haze
    panes = _windows(wall, across, style.floors)
    lit = easel.rng.random(len(panes)) < 0.45 * (easel.light.dusk > 0)
    easel.fill(panes[~lit], style.glass, facing, metres)
    if lit.any():
        # A lit window's brightness is its own, whatever the evening's light.
        lamp = colour(1.0, 0.80, 0.45) / np.maximum(easel.light.ambient, np.float32(0.05))
        easel.fill(panes[lit], lamp * np.float32(0.8), facing, metres)
    if easel.weather.snow:
        sills = panes.copy()
        sills[:, 2:] = panes[:, 1::-1] + (0, 0.22, 0)
        easel.fill(sills, SNOW, UP, metres)


def _windows(wall: Points, across: int, floors: int) -> Points:
    """Corners [across * floors, 4, 3] of the windows in an upright rectangle."""
    u = (np.arange(across) + 0.28)[:, None] + np.array((0, 0.44))
    v = (np.arange(floors) + 0.35)[:, None] + np.array((0, 0.42))
    u, v = u / across, v / floors
    left, right = np.repeat(u[:, 0], floors), np.repeat(u[:, 1], floors)
    low, high = np.tile(v[:, 0], across), np.tile(v[:, 1], across)
    origin, side, up = wall[0], wall[1] - wall[0], wall[3] - wall[0]
    corners = ((left, low), (right, low), (right, high), (left, high))
    return np.stack([origin + a[:, None] * side + b[:, None] * up for a, b in corners], axis=1)


def _gable(
    easel: Easel,
    side: int,
    place: tuple[float, float, float],
    size: tuple[float, float],
    albedo: Colour,
) -> None:
    (x, outer, z), (length, height) = place, size
    middle, ridge = (x + outer) / 2, height + 0.35 * abs(outer - x)
    front = np.array(((x, height, z), (outer, height, z), (middle, ridge, z)))
    easel.fill(front[None], albedo, TOWARDS_US, z)
    roof = _ROOFS[easel.rng.integers(len(_ROOFS))]
    eaves = x - side * 0.5
    slope = np.array(
        (
            (eaves, height - 0.3, z - 0.4),
            (eaves, height - 0.3, z + length),
            (middle, ridge, z + length),
            (middle, ridge, z - 0.4),
        )
    )
    covered = easel.weather.snow > 0.35
    easel.fill(slope[None], SNOW if covered else roof, (-side * 0.5, 0.86, 0.0), z + length / 2)
