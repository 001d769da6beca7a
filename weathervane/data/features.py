"""What a picture is like in a few figures, whatever it shows: the ground that drift is measured on.

In: decoded pictures. Out: one row of figures a picture, in the order of `FEATURES`.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data.images import Picture

FEATURES = (
    "brightness",  # mean grey value, 0 to 1
    "contrast",  # standard deviation of the grey values, 0 to 0.5
    "sharpness",  # logarithm (base 10) of the variance of the Laplacian of the grey values
    "saturation",  # mean of HSV's, 0 to 1
    "warmth",  # mean red less mean blue, -1 to 1
    "area",  # logarithm (base 2) of the number of pixels
    "aspect",  # logarithm (base 2) of width over height
)

# Sharpness depends on the scale: pictures are looked at with this longer side, if not smaller.
_LOOKED_AT_PIXELS = 192
# Colours change slowly over a picture: so many rows of it, or up to twice as many, tell them.
_COLOUR_ROWS = 48
# So that a picture of one colour has a sharpness as well.
_LEAST_VARIANCE = 1e-3

Rows = NDArray[np.float32]  # [n, len(FEATURES)]
Grey = NDArray[np.uint8]  # [height, width]


@dataclass(frozen=True, kw_only=True)
class Small:
    """A picture made small, once, for all that is computed from it; and its size before."""

    grey: Grey  # with a longer side of at most 192 pixels
    colours: Picture  # some of its rows
    width: int
    height: int


def shrink(picture: Picture) -> Small:
    """What `measure` looks at.

    Most of the way in whole blocks of pixels, which costs a fifth of doing all of it at once.
    """
    height, width = picture.shape[:2]
    block = max(height, width) // _LOOKED_AT_PIXELS
    if block > 1 and min(height, width) >= block:
        size = width // block, height // block
        whole = picture[: size[1] * block, : size[0] * block]
        picture = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA))
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    scale = _LOOKED_AT_PIXELS / max(grey.shape)
    if scale < 1:
        size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    rows = picture[:: max(1, len(picture) // _COLOUR_ROWS)]
    return Small(grey=grey, colours=rows, width=width, height=height)


def measure(small: Small) -> Rows:
    """The figures of one picture, float32 [1, 7]."""
    ((brightness,),), ((contrast,),) = cv2.meanStdDev(small.grey)
    laplacian = cv2.Laplacian(small.grey, cv2.CV_16S)
    mean_edge = cv2.sumElems(laplacian)[0] / laplacian.size
    edges = cv2.norm(laplacian, cv2.NORM_L2SQR) / laplacian.size - mean_edge**2
    red, _, blue = cv2.mean(small.colours)[:3]
    saturation = cv2.mean(cv2.cvtColor(small.colours, cv2.COLOR_RGB2HSV))[1]
    figures = (
        brightness / 255,
        contrast / 255,
        np.log10(edges + _LEAST_VARIANCE),
        saturation / 255,
        (red - blue) / 255,
        np.log2(small.width * small.height),
        np.log2(small.width / small.height),
    )
    return np.array([figures], np.float32)
