"""A canvas that knows perspective, light and haze: flat shapes in metres become pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from weathervane.data.scenes.conditions import Camera, Colour, Light, Weather, colour

Points = NDArray[np.float64]
Facing = tuple[float, float, float]

TOWARDS_US: Facing = (0.0, 0.0, -1.0)
UP: Facing = (0.0, 1.0, 0.0)
# Brighter than matt white: under an even sky snow looks as bright as the sky itself.
SNOW = colour(1.06, 1.09, 1.13)
SHIFT = 4  # fixed-point digits of the drawing functions: edges fall between pixels


@dataclass
class Easel:
    """The picture while things are painted on it, and the shadows they cast on the ground."""

    camera: Camera
    weather: Weather
    light: Light
    rng: Generator
    # Red, green, blue, and 255 where something stands.
    canvas: NDArray[np.uint8] = field(init=False)
    shadow: NDArray[np.uint8] = field(init=False)
    lamps: list[tuple[float, float, float]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.canvas = np.zeros((self.camera.height, self.camera.width, 4), np.uint8)
        self.shadow = np.zeros((self.camera.height, self.camera.width), np.uint8)

    def ink(self, albedo: Colour, facing: Facing, metres: float) -> tuple[float, ...]:
        """The pixel value of a matt surface as it is seen through the air.

        Light falls by Lambert's law, haze dims by Koschmieder's.
        """
        light = self.light
        cosine = max(0.0, sum(a * b for a, b in zip(facing, light.towards_sun, strict=True)))
        sky = 0.85 + 0.15 * facing[1]
        clear = exp(-metres / light.visibility)
        lights = (light.ambient.tolist(), light.sun.tolist(), light.horizon.tolist())
        seen = zip(albedo.tolist(), *lights, strict=True)
        return (
            *(
                min(255.0, 255 * (own * (around * sky + sun * cosine) * clear + haze * (1 - clear)))
                for own, around, sun, haze in seen
            ),
            255.0,
        )

    def fill(self, points: Points, albedo: Colour, facing: Facing, metres: float) -> None:
        """Paint flat polygons, points [polygons, corners, 3]."""
        pixels = to_fixed(self.camera.project(points))
        cv2.fillPoly(
            self.canvas, list(pixels), self.ink(albedo, facing, metres), cv2.LINE_AA, SHIFT
        )

    def discs(
        self, centres: Points, radii: NDArray[np.float64], inks: Sequence[tuple[float, ...]]
    ) -> None:
        """Paint balls seen from afar, centres [n, 3] and radii [n] in metres."""
        if not len(centres):
            return
        pixels = to_fixed(self.camera.project(centres)).tolist()
        scale = (1 << SHIFT) * self.camera.focal / max(float(centres[0, 2]), self.camera.nearest)
        sizes = np.minimum(radii * scale, 9999).astype(int).tolist()
        for at, size, ink in zip(pixels, sizes, inks, strict=True):
            cv2.circle(self.canvas, at, size, ink, -1, cv2.LINE_AA, SHIFT)

    def glow(self, at: Points, metres: float, strength: float) -> None:
        """Light a lamp, once it is dusk."""
        if self.light.dusk and metres < 2.5 * self.light.visibility:
            column, row = self.camera.project(at)
            radius = strength * self.camera.focal / metres
            self.lamps.append((float(column), float(row), radius))

    def cast(self, points: Points) -> None:
        """Shade the ground where the sun is behind the convex body of points [n, 3]."""
        if not self.weather.sun:
            return
        x, y, z = self.light.towards_sun
        on_ground = points.copy()
        on_ground[:, 0] -= points[:, 1] * x / y
        on_ground[:, 2] -= points[:, 1] * z / y
        on_ground[:, 1] = 0
        pixels = to_fixed(self.camera.project(on_ground))
        cv2.fillConvexPoly(self.shadow, cv2.convexHull(pixels), 255, cv2.LINE_AA, SHIFT)


def to_fixed(pixels: Points) -> NDArray[np.int32]:
    """Pixels as the drawing functions take them, kept near enough to the picture to be drawn."""
    return (np.clip(pixels, -2000, 2000) * (1 << SHIFT)).astype(np.int32)


def upright(start: Sequence[float], end: Sequence[float], low: float, high: float) -> Points:
    """An upright rectangle over the ground line from ``start`` to ``end`` (x, z)."""
    (x0, z0), (x1, z1) = start, end
    return np.array(((x0, low, z0), (x1, low, z1), (x1, high, z1), (x0, high, z0)))
