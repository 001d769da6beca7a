"""What the weather, the hour and the camera are like in one scene: drawn by chance, then fixed.

In: a weather and a random generator. Out: frozen values that `world`, `sky` and `air` draw by.
Exposure, colour cast, saturation and the hour vary in every weather alike, so that colour alone
does not tell the weather.
"""

from dataclasses import dataclass
from math import cos, sin
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Colour = NDArray[np.floating[Any]]  # float32 [3], linear RGB from 0 to 1


def colour(red: float, green: float, blue: float) -> Colour:
    """One colour."""
    return np.array((red, green, blue), np.float32)


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What is in the air and on the ground; each from 0 (none) to 1 unless told otherwise."""

    cloud: float  # share of the sky that is covered
    sun: float  # strength of direct light
    visibility: float  # in units of the distance to the nearest ground seen
    wet: float = 0.0
    snow: float = 0.0
    streaks: float = 0.0
    flakes: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole that looks along z; x goes right, y up, in metres, and y is 0 on the ground."""

    width: int
    height: int
    focal: float  # pixels
    horizon: float  # row of the vanishing point
    centre: float  # column of the vanishing point
    eye: float  # metres above the ground

    @property
    def nearest(self) -> float:
        """Metres to the nearest ground that is seen."""
        return self.focal * self.eye / (self.height - self.horizon)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels [..., 2] (column, row) of points [..., 3]; what is behind is drawn just ahead."""
        scale = self.focal / np.maximum(points[..., 2], 0.2 * self.nearest)
        pixels = np.empty((*points.shape[:-1], 2))
        pixels[..., 0] = self.centre + points[..., 0] * scale
        pixels[..., 1] = self.horizon + (self.eye - points[..., 1]) * scale
        return pixels


@dataclass(frozen=True, kw_only=True)
class Light:
    """Where light comes from, and how far one sees."""

    zenith: Colour
    horizon: Colour  # of the sky there, and of the haze
    ambient: Colour
    sun: Colour
    towards_sun: tuple[float, float, float]  # unit vector
    visibility: float  # metres after which 1/e of the contrast is left
    dusk: float  # 0 by day, 1 when lamps are lit


def draw_weather(weather: str, rng: Generator) -> Weather:
    """Chance within what one word means."""
    if weather == "sunny":
        return Weather(
            cloud=rng.uniform(0, 0.4), sun=rng.uniform(0.85, 1.3), visibility=rng.uniform(60, 400)
        )
    if weather == "cloudy":
        return Weather(cloud=rng.uniform(0.8, 1), sun=0, visibility=rng.uniform(30, 300))
    if weather == "foggy":
        return Weather(cloud=1, sun=0, visibility=rng.uniform(1.8, 6.5))
    if weather == "rainy":
        return Weather(
            cloud=rng.uniform(0.85, 1),
            sun=0,
            visibility=rng.uniform(14, 90),
            wet=rng.uniform(0.55, 1),
            streaks=rng.uniform(0.45, 1),
        )
    clears_up = rng.random() < 0.2
    return Weather(
        cloud=rng.uniform(0, 0.5) if clears_up else rng.uniform(0.8, 1),
        sun=rng.uniform(0.6, 1) if clears_up else 0,
        visibility=rng.uniform(14, 120),
        snow=rng.uniform(0.45, 1),
        flakes=0.0 if clears_up else rng.uniform(0.25, 1),
    )


def draw_camera(width: int, height: int, rng: Generator) -> Camera:
    """A passer-by's camera, or one on a roof."""
    high = rng.random() < 0.35
    return Camera(
        width=width,
        height=height,
        focal=width * rng.uniform(0.7, 1.4),
        horizon=height * (rng.uniform(0.28, 0.45) if high else rng.uniform(0.42, 0.66)),
        centre=width * rng.uniform(0.25, 0.75),
        eye=rng.uniform(5, 12) if high else rng.uniform(1.5, 2.6),
    )


def draw_light(weather: Weather, camera: Camera, rng: Generator) -> Light:
    """Day or dusk under that weather."""
    dusk = rng.uniform(0.5, 1) if rng.random() < 0.35 else 0.0
    grey = colour(0.74, 0.77, 0.80) * rng.uniform(0.72, 1.08)
    blue, pale = colour(0.22, 0.42, 0.78), colour(0.68, 0.80, 0.93)
    cover = float(np.clip(weather.cloud * 1.25 - 0.2, 0, 1))
    zenith = blue * (1 - cover) + grey * 0.85 * cover
    horizon = pale * (1 - cover) + grey * cover
    if weather.wet:
        zenith, horizon = zenith * 0.8, horizon * 0.86
    # The evening is warm near the horizon and blue above, less so under clouds.
    warm = colour(1.0, 0.66, 0.42) * (1 - 0.6 * cover) + colour(0.62, 0.62, 0.74) * 0.6 * cover
    zenith = zenith * (1 - dusk * (1 - colour(0.34, 0.34, 0.50)))
    horizon = horizon * (1 - dusk) + warm * horizon.mean() * 0.75 * dusk
    height = rng.uniform(0.25, 0.5) if dusk else rng.uniform(0.5, 1.2)
    azimuth = rng.uniform(0.6, np.pi - 0.6) * rng.choice((-1, 1))
    towards_sun = (cos(height) * sin(azimuth), sin(height), cos(height) * cos(azimuth))
    sun = colour(1.0, 0.94, 0.82) * (1 - dusk) + colour(0.95, 0.55, 0.30) * dusk
    level = 0.45 * zenith + 0.55 * horizon
    return Light(
        zenith=zenith,
        horizon=horizon,
        ambient=level * (0.62 if weather.sun else 0.95),
        sun=sun * np.float32(0.85 * weather.sun),
        towards_sun=towards_sun,
        visibility=weather.visibility * camera.nearest,
        dusk=dusk,
    )
