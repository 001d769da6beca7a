"""Small pictures that no two are alike, and folders of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest


def draw(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Soft random blobs, uint8 [height, width, 3], RGB."""
    cells = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)


def encode(picture: np.ndarray, extension: str = ".jpg", quality: int = 90) -> bytes:
    settings = (cv2.IMWRITE_JPEG_QUALITY, quality) if extension == ".jpg" else ()
    _, data = cv2.imencode(extension, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)
    return data.tobytes()


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[Mapping[str, int]], Path]:
    """Make a folder of class folders, each with so many pictures."""

    def make(classes: Mapping[str, int], name: str = "pictures") -> Path:
        folder = tmp_path / name
        for place, (label, count) in enumerate(classes.items()):
            (folder / label).mkdir(parents=True)
            for number in range(count):
                data = encode(draw(1000 * place + number))
                (folder / label / f"{number:03d}.jpg").write_bytes(data)
        return folder

    return make


@pytest.fixture(name="draw")
def _draw():
    return draw


@pytest.fixture(name="encode")
def _encode():
    return encode
