"""Weather scenes drawn by chance: pictures with known labels, as many as one wants.

In: a weather, a seed. Out: RGB pixels, or a folder of class folders of JPEG files. The same seed
gives the same picture. Shape, haze, shadow, streaks and cover tell the weather; colour hardly does.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from weathervane.data.images import Picture
from weathervane.data.scenes import air, layout, sky
from weathervane.data.scenes.conditions import draw_camera, draw_light, draw_weather
from weathervane.data.scenes.easel import SNOW, Easel
from weathervane.errors import UsageError
from weathervane.folders import new_folder

WEATHERS = ("cloudy", "foggy", "rainy", "snowy", "sunny")


def render(weather: str, seed: int, width: int = 256, height: int = 192) -> Picture:
    """Draw one scene: uint8 [height, width, 3], RGB.

    Raises:
        UsageError: for a weather that is not one of `WEATHERS`.
    """
    if weather not in WEATHERS:
        raise UsageError(f"no weather {weather!r}: choose from {', '.join(WEATHERS)}")
    rng = np.random.default_rng((seed, WEATHERS.index(weather)))
    kind = draw_weather(weather, rng)
    camera = draw_camera(width, height, rng)
    light = draw_light(kind, camera, rng)

    easel = Easel(camera=camera, weather=kind, light=light, rng=rng)
    half_road = layout.draw_place(easel)
    albedo, snow = sky.ground_albedo(camera, kind, rng)
    if half_road:
        layout.pave(camera, albedo, snow, half_road, cleared=rng.uniform(0.2, 0.95))
    if kind.snow:
        albedo += (sky.planes(SNOW) - albedo) * snow
    picture = sky.paint_sky(camera, kind, light, rng)
    first = height - albedo.shape[1]
    shadow = easel.shadow[first:].astype(np.float32) / 255
    picture[:, first:] = sky.paint_ground(camera, kind, light, albedo, shadow)

    # What stands was painted on nothing, so its edges are weighted by their cover already.
    *things, standing = (plane.astype(np.float32) / 255 for plane in cv2.split(easel.canvas))
    picture *= 1 - standing
    picture += np.stack(things)
    if kind.wet:
        air.reflect(picture, standing, camera, kind.wet, rng)
    air.lamplight(picture, easel.lamps, haze=float(np.clip(8 / kind.visibility, 0, 1)))
    if kind.streaks:
        air.rain(picture, light, kind.streaks, rng)
    if kind.flakes:
        air.snowfall(picture, light, kind.flakes, rng)
    return air.expose(picture, rng)


def render_jpeg(weather: str, seed: int) -> bytes:
    """One scene as a JPEG file, of a quality that varies with the seed."""
    quality = int(np.random.default_rng((seed, 99)).integers(72, 96))
    picture = cv2.cvtColor(render(weather, seed), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return data.tobytes()


def write_sample(
    folder: Path, pictures: int, seed: int, progress: Callable[[int], None] | None = None
) -> None:
    """Write ``pictures`` scenes in equal shares as ``<folder>/<weather>/<weather>-00001.jpg`` ….

    The same seed writes the same bytes, whatever the number of cores. The folder takes its name
    only when it is complete. ``progress`` is told how many pictures were written since last time.

    Raises:
        UsageError: when the folder exists and is not empty, or there is not one picture a class.
    """
    if pictures < len(WEATHERS):
        raise UsageError(f"ask for at least {len(WEATHERS)} pictures, one a class; got {pictures}")
    names = [
        (weather, number + 1)
        for number in range(-(-pictures // len(WEATHERS)))
        for weather in WEATHERS
    ][:pictures]
    with new_folder(folder) as part:
        for weather in WEATHERS:
            (part / weather).mkdir()
        batches = [names[start : start + 25] for start in range(0, pictures, 25)]
        # Fresh processes: a copy of one that runs threads may hang.
        with ProcessPoolExecutor(
            mp_context=get_context("spawn"), initializer=_single_threaded
        ) as pool:
            for written in pool.map(partial(_write_batch, part, seed), batches):
                if progress:
                    progress(written)


def _single_threaded() -> None:
    # Every core has a process already; OpenCV's own threads would only get in its way.
    cv2.setNumThreads(1)


def _write_batch(folder: Path, seed: int, names: list[tuple[str, int]]) -> int:
    for weather, number in names:
        data = render_jpeg(weather, seed * 1_000_003 + number)
        (folder / weather / f"{weather}-{number:05d}.jpg").write_bytes(data)
    return len(names)
