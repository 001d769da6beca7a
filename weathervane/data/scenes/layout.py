"""Where things stand: a street, a suburb, open country or a park."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data.scenes.conditions import Camera, colour
from weathervane.data.scenes.easel import SHIFT, Easel
from weathervane.data.scenes.houses import house
from weathervane.data.scenes.plants import hills, tree
from weathervane.data.scenes.sky import Field, Planes, planes
from weathervane.data.scenes.street import car, lamp

# How far away something stands, and what paints it.
_Thing = tuple[float, Callable[[], None]]

_PLACES = ("street", "suburb", "country", "park")


def draw_place(easel: Easel) -> float:
    """Paint everything that stands, far things first; returns half the road's width in metres.

    0 means that there is no road.
    """
    rng, near = easel.rng, easel.camera.nearest
    place = str(rng.choice(_PLACES))
    half = 0.0 if place == "park" or rng.random() < 0.15 else float(rng.uniform(3.2, 6.5))
    things: list[_Thing] = []
    if place != "street" and rng.random() < 0.75:
        metres = float(rng.uniform(150, 500))
        things.append((metres, partial(hills, easel, metres, 0.045 * metres)))
    if place in ("street", "suburb"):
        for side in (-1, 1):
            _row_of_houses(easel, side, half, place == "street", things)
    count = int(rng.integers(*{"street": (0, 7), "suburb": (3, 10)}.get(place, (6, 16))))
    for _ in range(count):
        z = near * float(rng.uniform(1.1, 3.6)) ** 2
        side = int(rng.choice((-1, 1)))
        beside = half + float(rng.uniform(1.5, 4))
        spread = 0.0 if place == "street" else 0.55 * z * float(rng.random())
        x, height = side * (beside + spread), float(rng.uniform(4, 11))
        things.append((z, partial(tree, easel, x, z, height)))
    if half:
        _along_the_road(easel, half, place == "country", things)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    return half


def _row_of_houses(easel: Easel, side: int, half: float, tall: bool, things: list[_Thing]) -> None:
    rng, near = easel.rng, easel.camera.nearest
    x = side * (half + float(rng.uniform(2.5, 5) if tall else rng.uniform(6, 12)))
    z = near * float(rng.uniform(0.8, 1.6))
    while z < 14 * near and z < 260:
        length = float(rng.uniform(8, 20))
        height = float(rng.uniform(9, 26) if tall else rng.uniform(4, 7))
        things.append((z, partial(house, easel, side, (x, z), (length, height))))
        z += length + float(rng.choice((0, 0, 3, 12)) if tall else rng.uniform(5, 22))


def _along_the_road(easel: Easel, half: float, lonely: bool, things: list[_Thing]) -> None:
    rng, near = easel.rng, easel.camera.nearest
    if not lonely:
        side, step = int(rng.choice((-1, 1))), float(rng.uniform(18, 30))
        for post in range(6):
            z = near * 1.2 + post * step
            things.append((z, partial(lamp, easel, side, side * (half + 0.8), z)))
    for _ in range(int(rng.integers(0, 3 if lonely else 5))):
        z, lane = near * float(rng.uniform(1.15, 7)), int(rng.choice((-1, 1)))
        things.append((z, partial(car, easel, lane * half / 2, z, oncoming=lane < 0)))


def pave(camera: Camera, albedo: Planes, snow: Field, half: float, cleared: float) -> None:
    """Lay a road with its marks into the ground, and clear part of the snow from it."""
    rows = albedo.shape[1]
    offset = camera.height - rows
    road = np.zeros((rows, camera.width), np.uint8)
    marks = np.zeros_like(road)
    far = 400.0
    _lay(camera, road, offset, ((-half, 0.3, half, far),))
    dashes = [(-0.09, z, 0.09, z + 3) for z in np.arange(1, 90, 7.5)]
    edges = [(side * half * 0.94 - 0.07, 0.3, side * half * 0.94 + 0.07, far) for side in (-1, 1)]
    _lay(camera, marks, offset, (*dashes, *edges))
    share = road.astype(np.float32) / 255
    grain = albedo[1] / max(float(albedo[1].mean()), 1e-3)
    albedo += (planes(colour(0.21, 0.21, 0.22)) * (0.5 + 0.5 * grain) - albedo) * share
    albedo += (planes(colour(0.8, 0.8, 0.78)) - albedo) * (marks.astype(np.float32) / 255)
    snow *= 1 - share * cleared


def _lay(
    camera: Camera,
    mask: NDArray[np.uint8],
    offset: int,
    strips: tuple[tuple[float, float, float, float], ...],
) -> None:
    corners = np.array(
        [((a, 0, z0), (b, 0, z0), (b, 0, z1), (a, 0, z1)) for a, z0, b, z1 in strips], float
    )
    pixels = camera.project(corners)
    pixels[..., 1] -= offset
    fixed = (np.clip(pixels, -4000, 4000) * (1 << SHIFT)).astype(np.int32)
    for strip in fixed:
        cv2.fillConvexPoly(mask, strip, 255, cv2.LINE_AA, SHIFT)
