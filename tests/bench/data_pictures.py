"""Pictures for ``make bench-data``: many that all differ, and disguises of some.

Drawing a scene of this size takes a second, which 18,038 times is a night. So a few hundred scenes
are drawn, and each picture shows four of them, chosen by chance: it costs a decoder what a
photograph of its size costs, and is no duplicate of any other.
"""

import os
import struct
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from weathervane.data import images
from weathervane.data.images import Picture
from weathervane.data.scenes import WEATHERS, render

TILES = 300
# Gives 512x384 pixels in about 40 KB.
_QUALITY = 88
_BATCH = 250


def encoded(picture: Picture, extension: str = ".jpg", quality: int = _QUALITY) -> bytes:
    flags = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}
    settings = (flags[extension], quality) if extension in flags else ()
    _, data = cv2.imencode(extension, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)
    return bytes(data.tobytes())


def turned_by_exif(data: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF segment that says how it is turned (TIFF 6.0, section 2)."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def _again(extension: str, quality: int) -> Callable[[Picture], Picture]:
    return lambda picture: images.decode(encoded(picture, extension, quality))


def _scaled(factor: float) -> Callable[[Picture], Picture]:
    return lambda picture: cv2.resize(
        picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )


DISGUISES: dict[str, Callable[[Picture], Picture]] = {
    "encoded again: JPEG of quality 30": _again(".jpg", 30),
    "encoded again: JPEG of quality 75": _again(".jpg", 75),
    "encoded again: WebP of quality 50": _again(".webp", 50),
    "half the size": _scaled(0.5),
    "a quarter of the size": _scaled(0.25),
    "one and a half times the size": lambda picture: cv2.resize(picture, None, fx=1.5, fy=1.5),
    "squashed to 224x224": lambda picture: cv2.resize(picture, (224, 224)),
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "upside down": lambda picture: np.ascontiguousarray(picture[::-1]),
    "turned by a quarter": lambda picture: np.ascontiguousarray(np.rot90(picture)),
    "mirrored, half the size, quality 50": lambda picture: _again(".jpg", 50)(
        _scaled(0.5)(np.ascontiguousarray(picture[:, ::-1]))
    ),
}


def cut(picture: Picture, share: float, place: tuple[float, float]) -> Picture:
    """Without ``share`` of each side, from a place between 0 and 1 along each axis."""
    height, width = picture.shape[:2]
    top, left = (round(side * share * at) for side, at in zip((height, width), place, strict=True))
    rows, columns = round(height * (1 - share)), round(width * (1 - share))
    return np.ascontiguousarray(picture[top : top + rows, left : left + columns])


def draw_tiles(file: Path, count: int = TILES) -> None:
    """Scenes of 256x192 in one array on disk."""
    names = [(WEATHERS[number % len(WEATHERS)], 9000 + number) for number in range(count)]
    with _workers() as pool:
        np.save(file, np.stack(list(pool.map(_draw, names, chunksize=5))))


def write_pictures(tiles: Path, folder: Path, count: int) -> None:
    """``count`` pictures in five class folders; the first ones are the same for any count."""
    for weather in WEATHERS:
        (folder / weather).mkdir(parents=True)
    starts = range(0, count, _BATCH)
    with _workers() as pool:
        list(pool.map(partial(_write, tiles, folder, count), starts))


def _workers() -> ProcessPoolExecutor:
    # Fresh processes: a copy of one that runs threads may hang.
    return ProcessPoolExecutor(os.cpu_count(), get_context("spawn"))


def _draw(name: tuple[str, int]) -> Picture:
    cv2.setNumThreads(1)
    return render(*name)


def _write(tiles: Path, folder: Path, count: int, start: int) -> None:
    cv2.setNumThreads(1)
    drawn = np.load(tiles, mmap_mode="r")
    for number in range(start, min(start + _BATCH, count)):
        four = drawn[np.random.default_rng(number).choice(len(drawn), 4, replace=False)]
        picture = np.vstack([np.hstack(four[:2]), np.hstack(four[2:])])
        weather = WEATHERS[number % len(WEATHERS)]
        (folder / weather / f"{number:05d}.jpg").write_bytes(encoded(picture))
