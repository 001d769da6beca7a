"""Trees with leaves, with needles, or bare; and wooded hills."""

from collections.abc import Callable

import cv2
import numpy as np

from weathervane.data.scenes.conditions import Colour, colour
from weathervane.data.scenes.easel import (
    SHIFT,
    SNOW,
    TOWARDS_US,
    UP,
    Easel,
    Points,
    to_fixed,
    upright,
)

_LEAVES = (
    *(colour(0.16, 0.30, 0.09), colour(0.22, 0.36, 0.12), colour(0.10, 0.22, 0.12)),
    *(colour(0.45, 0.36, 0.10), colour(0.48, 0.24, 0.08)),
)


def tree(easel: Easel, x: float, z: float, height: float) -> None:
    """A leafy, needled or bare tree."""
    rng = easel.rng
    easel.cast(
        np.array(
            [(x + a * 0.3 * height, b * height, z) for a in (-1, 1) for b in (0.45, 0.95)]
            + [(x - 0.2, 0, z), (x + 0.2, 0, z)]
        )
    )
    trunk = colour(0.20, 0.15, 0.11) * np.float32(rng.uniform(0.7, 1.3))
    half = 0.025 * height
    easel.fill(upright((x - half, z), (x + half, z), 0, 0.6 * height)[None], trunk, TOWARDS_US, z)
    kind: Callable[[Easel, float, float, float, Colour], None] = (_leafy, _needled, _bare)[
        rng.choice(3, p=(0.55, 0.25, 0.2))
    ]
    kind(easel, x, z, height, trunk)


def _leafy(easel: Easel, x: float, z: float, height: float, _: Colour) -> None:
    rng = easel.rng
    leaf = _LEAVES[rng.integers(len(_LEAVES))] * np.float32(rng.uniform(0.7, 1.4))
    light_from = np.array(easel.light.towards_sun if easel.weather.sun else UP)
    count = int(np.clip(height * easel.camera.focal / z / 2, 8, 44))
    # Tufts fill a ball; those towards the light are brighter and painted last.
    place = rng.normal(size=(count, 3))
    place *= rng.random((count, 1)) ** 0.4 / np.linalg.norm(place, axis=1, keepdims=True)
    bright = place @ light_from + rng.uniform(-0.25, 0.25, count)
    order = np.argsort(bright)
    place, bright = place[order], bright[order]
    inks = [easel.ink(leaf * np.float32(tone), TOWARDS_US, z) for tone in np.linspace(0.45, 1.5, 8)]
    tones = np.clip(((bright + 1.0) * 4).astype(int), 0, 7)
    centres = place * np.array((0.27, 0.24, 0.0)) * height + (x, 0.66 * height, z)
    radii = rng.uniform(0.6, 1.3, count) * height * 0.34 / np.sqrt(count)
    easel.discs(centres, radii, [inks[tone] for tone in tones])
    if easel.weather.snow:
        # Snow lies on the upper side of the upper tufts.
        held = place[:, 1] + rng.uniform(-0.3, 0.3, count) > 0.8 - 1.2 * easel.weather.snow
        centres[:, 1] += 0.3 * radii
        white = [easel.ink(SNOW, UP, z)] * count
        easel.discs(centres[held], 0.7 * radii[held], white[: int(held.sum())])


def _needled(easel: Easel, x: float, z: float, height: float, _: Colour) -> None:
    needles = colour(0.09, 0.19, 0.11) * np.float32(easel.rng.uniform(0.7, 1.4))
    for tier in range(4):
        low, high = 0.12 + 0.2 * tier, 0.48 + 0.18 * tier
        half = 0.22 * (1 - 0.2 * tier)
        triangle = np.array(
            (
                (x - half * height, low * height, z),
                (x + half * height, low * height, z),
                (x, high * height, z),
            )
        )
        easel.fill(triangle[None], needles * np.float32(0.8 + 0.15 * tier), TOWARDS_US, z)
        if easel.weather.snow:
            cap = triangle.copy()
            cap[:2] += (triangle[2] - triangle[:2]) * (0.75 - 0.5 * easel.weather.snow)
            easel.fill(cap[None], SNOW, UP, z)


def _bare(easel: Easel, x: float, z: float, height: float, trunk: Colour) -> None:
    rng = easel.rng
    start = np.array((x, 0.4 * height, z))
    twigs: list[Points] = []
    for _ in range(9):
        fork = start + np.array((0, rng.uniform(0, 0.25), 0)) * height
        tip = fork + np.array((rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.38), 0)) * height
        twigs.append(np.array((fork, tip)))
        for _ in range(3):
            along = fork + (tip - fork) * rng.uniform(0.3, 0.9)
            away = (rng.uniform(-0.12, 0.12) * height, rng.uniform(0.04, 0.16) * height, 0)
            twigs.append(np.array((along, along + away)))
    pixels = to_fixed(easel.camera.project(np.array(twigs)))
    thick = max(1, round(0.012 * height * easel.camera.focal / z))
    ink = easel.ink(trunk, TOWARDS_US, z)
    cv2.polylines(easel.canvas, list(pixels), False, ink, thick, cv2.LINE_AA, SHIFT)
    if easel.weather.snow:
        pixels[..., 1] -= thick << (SHIFT - 1)
        ink = easel.ink(SNOW, UP, z)
        cv2.polylines(easel.canvas, list(pixels), False, ink, thick, cv2.LINE_AA, SHIFT)


def hills(easel: Easel, metres: float, height: float) -> None:
    """A ridge across the whole view, wooded or bare."""
    rng, camera = easel.rng, easel.camera
    reach = metres * camera.width / camera.focal
    x = np.linspace(-1.3 * reach, 1.3 * reach, 24)
    phase = rng.uniform(0, 6.28, 3)
    y = height * (
        1
        + 0.5 * np.sin(4.0 * x / reach + phase[0])
        + 0.25 * np.sin(11 * x / reach + phase[1])
        + 0.08 * np.sin(31 * x / reach + phase[2])
    )
    top = np.stack((x, y, np.full_like(x, metres)), axis=1)
    foot = np.array(((x[-1], 0, metres), (x[0], 0, metres)))
    woods = _LEAVES[rng.integers(3)] * np.float32(rng.uniform(0.6, 0.9)) + np.float32(0.05)
    ground = woods * (1 - 0.6 * easel.weather.snow) + SNOW * 0.6 * easel.weather.snow
    easel.fill(np.concatenate((top, foot))[None], ground.astype(np.float32), UP, metres)
