"""What a picture looks like to a light model: colours, edges and where in the picture they are.

In: decoded pictures. Out: 195 numbers each, enough to tell most classes apart without a network.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data import images
from weathervane.data.images import Picture, one_thread_a_picture

_SIDE = 128
_CELLS = 4  # a side
_DIRECTIONS = 8
_HISTOGRAM = (6, 3, 4)  # hue, saturation, value
_SCALES = (128, 64, 32)
# Keeps logarithms of flat pictures finite.
_LEAST = 1e-3

Traits = NDArray[np.float32]  # [n, features]


def describe(picture: Picture) -> NDArray[np.float32]:
    """Means and deviations of Lab and strength of edges by cell, directions, scales, colours."""
    small = images.resize(picture, _SIDE)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32) / np.float32(255)
    grey = np.ascontiguousarray(lab[..., 0])
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *along) for along in ((1, 0), (0, 1)))
    edges = np.asarray(np.hypot(across, down), np.float32)
    turn = np.arctan2(down, across) % np.pi / np.pi
    directions = np.bincount(
        np.minimum(turn * _DIRECTIONS, _DIRECTIONS - 1).astype(int).ravel(),
        weights=edges.ravel(),
        minlength=_DIRECTIONS,
    )
    detail = [
        np.abs(
            cv2.Laplacian(cv2.resize(grey, (side, side), None, 0, 0, cv2.INTER_AREA), cv2.CV_32F)
        )
        for side in _SCALES
    ]
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    colours = cv2.calcHist([hsv], [0, 1, 2], None, list(_HISTOGRAM), [0, 180, 0, 256, 0, 256])
    cells = _cells(lab)
    parts = (
        cells.mean(axis=1),
        cells.std(axis=1),
        np.log(_cells(edges[..., None]).mean(axis=1) + _LEAST),
        directions / (directions.sum() + _LEAST),
        np.log(np.array([each.mean() for each in detail]) + _LEAST),
        np.sqrt(colours / _SIDE**2),
    )
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def describe_all(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None = None
) -> Traits:
    """Float32 [n, 195], on all cores; ``progress`` is told how many of how many are done.

    Raises:
        ImageError: when one of them cannot be decoded.
    """
    rows = []
    with one_thread_a_picture(), ThreadPoolExecutor(os.cpu_count()) as pool:
        described = pool.map(lambda path: describe(images.decode(path.read_bytes())), paths)
        for number, row in enumerate(described, start=1):
            rows.append(row)
            if progress:
                progress(number, len(paths))
    return np.stack(rows)


def _cells(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps [side, side, channels] as the pixels of each cell [cells, pixels, channels]."""
    side = _SIDE // _CELLS
    parts = maps.reshape(_CELLS, side, _CELLS, side, -1).transpose(0, 2, 1, 3, 4)
    return parts.reshape(_CELLS * _CELLS, side * side, -1)
