"""The sky and the ground, pixel by pixel: noise seen in perspective."""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from weathervane.data.scenes.conditions import Camera, Colour, Light, Weather, colour

Field = NDArray[np.floating[Any]]  # float32 [rows, columns]
# A picture in the making, float32 [3, rows, columns]: with a pixel's three numbers side by side
# numpy would loop over threes, ten times slower.
Planes = NDArray[np.floating[Any]]

_TILE = 256
_GROUNDS = (
    colour(0.24, 0.36, 0.13),  # grass
    colour(0.46, 0.44, 0.20),  # meadow
    colour(0.40, 0.31, 0.22),  # earth
    colour(0.74, 0.67, 0.52),  # sand
    colour(0.62, 0.61, 0.58),  # concrete
    colour(0.50, 0.48, 0.45),  # gravel
)


def planes(one: Colour) -> Planes:
    """A colour that stretches over any picture."""
    return one[:, None, None]


@cache
def _texture(coarse: int, octaves: int, number: int) -> Field:
    """Fractal noise [256, 256] from 0 to 1 that tiles, with ``coarse`` cells a side or finer."""
    rng = np.random.default_rng((coarse, octaves, number))
    total = np.zeros((_TILE, _TILE), np.float32)
    for octave in range(octaves):
        cells = coarse << octave
        # Two cells are repeated around, so that the enlarged grid joins at its borders.
        grid = np.pad(rng.random((cells, cells), np.float32), 2, mode="wrap")
        scale = _TILE // cells
        wide = cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        inner = slice(2 * scale, 2 * scale + _TILE)
        total += wide[inner, inner] * 0.5 ** (octave + 1)
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low)


def noise_on_plane(
    camera: Camera, off: Field, scale: float, rng: Generator, *, coarse: int = 4, octaves: int = 5
) -> Field:
    """Noise [rows, width] from 0 to 1 on a level plane above or below the eye, in perspective.

    ``off`` [rows] are the rows' distances from the horizon in pixels, above 0; ``scale`` is how
    many of the noise's 256 pixels a plane at one focal length's distance shows along its depth.
    """
    # A few textures, made once, are shifted about: making new ones would cost half of a scene.
    texture = _texture(coarse, octaves, int(rng.integers(8)))
    shift = rng.uniform(0, _TILE, 2).astype(np.float32)
    columns = (np.arange(camera.width, dtype=np.float32) - camera.centre) / camera.focal
    depth = scale * camera.focal / off
    across = _wrapped(columns * depth[:, None] + shift[0])
    along = np.repeat(_wrapped(depth + shift[1])[:, None], camera.width, axis=1)
    seen = cv2.remap(texture, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(seen)


def _wrapped(place: Field) -> Field:
    # The same as `place % _TILE`, at a tenth of its cost.
    wrapped: Field = place - np.floor(place * (1 / _TILE)) * _TILE
    return wrapped


def paint_sky(camera: Camera, weather: Weather, light: Light, rng: Generator) -> Planes:
    """Sky down to the horizon; below, the colour of the haze."""
    rows = np.arange(camera.height, dtype=np.float32)
    up = np.clip((camera.horizon - rows) / camera.height, 0, 1)
    share = np.sqrt(np.clip(up * 1.5, 0, 1))[:, None]
    shades = planes(light.horizon) * (1 - share) + planes(light.zenith) * share
    sky = np.repeat(shades, camera.width, axis=2)
    above = max(1, int(camera.horizon))
    # Fog hides the sky as it hides what stands on the ground.
    clear = min(1.0, weather.visibility / 25 - 0.2)
    if clear > 0:
        # Clouds lie on a plane overhead; rows right at the horizon would be mere flicker.
        off = np.maximum(camera.horizon - rows[:above], 0.03 * camera.height) + 0.1 * camera.height
        clouds, cover = _clouds(camera, weather, light, off, rng)
        far = np.exp(-off / (0.12 * camera.height))[:, None]
        clouds += (planes(light.horizon) - clouds) * far
        sky[:, :above] += (clouds - sky[:, :above]) * (cover * (1 - far * 0.7) * clear)
    _shine(sky, camera, light)
    return sky


def _clouds(
    camera: Camera, weather: Weather, light: Light, off: Field, rng: Generator
) -> tuple[Planes, Field]:
    """Colour of the clouds, and the share [rows, width] of the sky that they cover."""
    field = noise_on_plane(camera, off, rng.uniform(14, 36), rng)
    field += 0.25 * (noise_on_plane(camera, off, 90, rng, coarse=8) - 0.5)
    field -= float(np.quantile(field[::3, ::3], 1 - weather.cloud))
    cover = np.clip(field / rng.uniform(0.08, 0.25), 0, 1)
    shade = np.clip(field * (2 * rng.uniform(0.9, 1.5)), 0, 1)
    bright = light.horizon * 0.5 + light.sun * 0.55 + 0.5 * light.horizon.mean()
    dark = light.zenith.mean() * colour(0.62, 0.64, 0.68) * (1.1 if weather.sun else 0.8)
    return planes(bright) + planes(dark - bright) * shade, cover


def _shine(sky: Planes, camera: Camera, light: Light) -> None:
    """The sun's disc and the glare around it, when it is before us."""
    x, y, z = light.towards_sun
    if not light.sun.any() or z < 0.2:
        return
    column, row = camera.centre + camera.focal * x / z, camera.horizon - camera.focal * y / z
    columns = np.arange(camera.width, dtype=np.float32) - column
    rows = np.arange(camera.height, dtype=np.float32)[:, None] - row
    squared = (columns * columns + rows * rows) / camera.height**2
    glare = 0.5 * np.exp(squared / -0.05) + np.where(squared < 0.035**2, np.float32(2), 0)
    sky += glare * planes(light.sun)


def paint_ground(
    camera: Camera, weather: Weather, light: Light, albedo: Planes, shadow: Field
) -> Planes:
    """Light and haze on bare or snowy ground; ``shadow`` [rows, width] is 1 where sun lacks."""
    rows = np.arange(camera.height - albedo.shape[1], camera.height, dtype=np.float32)
    metres = camera.focal * camera.eye / np.maximum(rows - camera.horizon, 0.3)
    clear = np.exp(-metres / light.visibility)[:, None]
    dry = 1 - 0.35 * weather.wet
    lit = planes(light.ambient * dry)
    if weather.sun:
        lit = lit + planes(light.sun * (dry * light.towards_sun[1])) * (1 - shadow)
    ground: Planes = albedo * lit * clear + planes(light.horizon) * (1 - clear)
    return ground


def ground_albedo(camera: Camera, weather: Weather, rng: Generator) -> tuple[Planes, Field]:
    """Bare ground from the horizon down, and how much of it snow covers [rows, width]."""
    first = int(np.ceil(camera.horizon))
    rows = np.arange(first, camera.height, dtype=np.float32) - camera.horizon + 0.5
    base: Colour = _GROUNDS[rng.integers(len(_GROUNDS))] * np.float32(rng.uniform(0.8, 1.2))
    fine = noise_on_plane(camera, rows, 14 * camera.eye, rng, coarse=8)
    broad = noise_on_plane(camera, rows, 2.5 * camera.eye, rng, octaves=3)
    # Far off, many grains fall on one pixel and only their mean is seen.
    near = np.clip(rows / (0.15 * camera.height), 0.15, 1)[:, None]
    albedo = planes(base) * (1 + 0.9 * (fine - 0.5) * near + 0.5 * (broad - 0.5))
    if not weather.snow:
        return albedo, np.zeros_like(broad)
    bare = (broad * 0.7 + fine * 0.3 - 1.15 * weather.snow) / 0.12 + 0.5
    return albedo, 1 - np.clip(bare, 0, 1)
