"""What comes between the scene and the file: reflections, rain, snow, lamplight and the camera."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from weathervane.data.images import Picture
from weathervane.data.scenes.conditions import Camera, Light, colour
from weathervane.data.scenes.easel import SHIFT
from weathervane.data.scenes.sky import Field, Planes, noise_on_plane, planes


def reflect(picture: Planes, standing: Field, camera: Camera, wet: float, rng: Generator) -> None:
    """Mirror the scene in wet ground, most where one looks along it (after Fresnel)."""
    first = int(np.ceil(camera.horizon))
    rows = camera.height - first
    off = np.arange(rows, dtype=np.float32) + 1
    # Things stand a little below the horizon, and so do their mirror images.
    source = np.clip(first - 1 - off + 0.12 * rows, 0, camera.height - 1).astype(np.int64)
    mirrored = np.stack([cv2.GaussianBlur(plane[source], (3, 9), 0) for plane in picture])
    puddles = noise_on_plane(camera, off, 3.5 * camera.eye, rng, coarse=8, octaves=3)
    share = np.clip((puddles - (0.75 - 0.6 * wet)) / 0.15, 0.25, 1)
    share *= (0.8 - 0.45 * off / camera.height)[:, None] * wet
    share *= 1 - standing[first:]
    picture[:, first:] += (mirrored * 0.95 - picture[:, first:]) * share


def rain(picture: Planes, light: Light, amount: float, rng: Generator) -> None:
    """Streaks: many short faint ones far away, few long bright ones close by."""
    height, width = picture.shape[1:]
    lean = rng.uniform(-0.35, 0.35)
    unit = height / 192
    brightness = light.horizon * 1.15 + 0.10
    for count, length, thick, strength in (
        (420, 9, 1, 0.30),
        (130, 20, 1, 0.48),
        (22, 38, 2, 0.34),
    ):
        number = int(count * amount * (width / 256))
        start = rng.uniform((-0.1 * width, -0.2 * height), (1.1 * width, height), (number, 2))
        long = rng.uniform(0.6, 1.3, (number, 1)) * length * unit
        end = start + long * (lean, 1.0)
        lines = np.stack((start, end), axis=1)
        mask = np.zeros((height, width), np.uint8)
        pixels = (lines * (1 << SHIFT)).astype(np.int32)
        size = max(1, round(thick * unit))
        cv2.polylines(mask, list(pixels), False, 255, size, cv2.LINE_AA, SHIFT)
        share = mask.astype(np.float32) * np.float32(strength * (0.5 + 0.5 * amount) / 255)
        picture += (planes(brightness) - picture) * share


def snowfall(picture: Planes, light: Light, amount: float, rng: Generator) -> None:
    """Flakes in three depths; the nearest are large and out of focus."""
    height, width = picture.shape[1:]
    unit = height / 192
    brightness = np.minimum(light.horizon * 1.1 + 0.18, 1.2)
    for count, radius, strength, blur in (
        (380, 0.8, 0.75, 0),
        (130, 1.5, 0.85, 0),
        (26, 3.2, 0.6, 5),
    ):
        mask = np.zeros((height, width), np.uint8)
        number = int(count * amount * (width / 256))
        spots = (rng.uniform((0, 0), (width, height), (number, 2)) * (1 << SHIFT)).astype(np.int32)
        radii = (rng.uniform(0.6, 1.4, number) * radius * unit * (1 << SHIFT)).astype(np.int32)
        for (x, y), r in zip(spots.tolist(), radii.tolist(), strict=True):
            cv2.circle(mask, (x, y), r, 255, -1, cv2.LINE_AA, SHIFT)
        if blur:
            mask = np.asarray(cv2.GaussianBlur(mask, (blur, blur), 0))
        share = mask.astype(np.float32) * np.float32(strength / 255)
        picture += (planes(brightness) - picture) * share


def lamplight(picture: Planes, lamps: Sequence[tuple[float, float, float]], haze: float) -> None:
    """Lamps at dusk, each (column, row, radius) in pixels; ``haze`` from 0 to 1 widens the halo."""
    if not lamps:
        return
    height, width = picture.shape[1:]
    # Halos are soft: a quarter of the pixels is enough for them.
    glow = np.zeros((height // 2, width // 2), np.uint8)
    for column, row, radius in lamps:
        at = (int(np.clip(column, -99, 9999) * 8), int(np.clip(row, -99, 9999) * 8))
        cv2.circle(glow, at, int(min(max(radius, 0.8), 9) * 8), 255, -1, cv2.LINE_AA, SHIFT)
    bulbs = cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR)
    halo = cv2.GaussianBlur(glow, (0, 0), (3 + 5 * haze) * height / 192)
    halo = cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)
    shine = bulbs.astype(np.float32) + np.float32(2.2 + 2 * haze) * halo
    picture += shine * planes(colour(1.0, 0.78, 0.46) / np.float32(255))


def expose(picture: Planes, rng: Generator) -> Picture:
    """What one camera makes of it: exposure, cast, saturation, contrast, vignette, noise."""
    height, width = picture.shape[1:]
    # The camera aims at a middle grey and misses it.
    aim = (0.66 / max(float(picture.mean()), 0.04)) ** rng.uniform(0.4, 0.9)
    warmth, tint = rng.uniform(-0.13, 0.13), rng.uniform(-0.04, 0.04)
    cast = colour(1 + warmth, 1 + tint, 1 - warmth) * np.float32(aim * rng.uniform(0.75, 1.35))
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    picture = picture * planes(cast) * (1 - rng.uniform(0, 0.28) * (x * x + y * y))
    saturation = rng.uniform(0.4, 1.2)
    picture = picture * saturation + picture.mean(axis=0) * (1 - saturation)
    # A soft shoulder (after Reinhard) keeps what is bright from turning flat white.
    np.clip(picture, 0, 4, out=picture)
    picture *= (1 + picture * 0.2) / (1 + picture * 0.55)
    if rng.random() < 0.4:
        blur = rng.uniform(0.4, 0.9)
        picture = np.stack([cv2.GaussianBlur(plane, (3, 3), blur) for plane in picture])
    contrast = 255 * rng.uniform(0.85, 1.2)
    grain = np.empty((height, width), np.int16)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(grain, 255 * 0.45 - contrast * 0.45, 255 * rng.uniform(0.003, 0.02))
    picture = np.clip(picture * contrast + grain.astype(np.float32), 0, 255)
    return np.asarray(cv2.merge(tuple(picture.astype(np.uint8))), np.uint8)
