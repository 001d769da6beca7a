"""Fixed disturbances of pictures: what a model meets outside of a collection. Pixels in and out.

The strengths are fixed, or figures of two days could not be compared. They are about severity 2 of
5 of Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (ICLR 2019).
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]  # [n, size, size, 3], RGB

_NOISE = 20.0  # standard deviation, of 255
_BLUR = 1 / 96  # standard deviation, in sides of the picture
_JPEG_QUALITY = 20
_BRIGHTNESS = 0.6  # darker by this factor, or brighter by its inverse


def _noise(pictures: Pictures) -> Pictures:
    drawn = np.random.default_rng(0).standard_normal(pictures.shape, np.float32) * _NOISE
    return np.clip(pictures + drawn, 0, 255).astype(np.uint8)


def _blur(pictures: Pictures) -> Pictures:
    deviation = pictures.shape[1] * _BLUR
    return np.stack([cv2.GaussianBlur(one, (0, 0), deviation) for one in pictures])


def _jpeg(pictures: Pictures) -> Pictures:
    def again(picture: Pictures) -> Pictures:
        quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
        _, data = cv2.imencode(".jpg", picture[:, :, ::-1], quality)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)

    return np.stack([again(one) for one in pictures])


def _scaled(factor: float) -> Callable[[Pictures], Pictures]:
    table = np.clip(np.arange(256) * factor, 0, 255).astype(np.uint8)
    return lambda pictures: table[pictures]


DISTURBANCES: Mapping[str, Callable[[Pictures], Pictures]] = {
    "noise": _noise,
    "blur": _blur,
    "JPEG": _jpeg,
    "dark": _scaled(_BRIGHTNESS),
    "bright": _scaled(1 / _BRIGHTNESS),
}
