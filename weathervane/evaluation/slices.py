"""Parts of the test pictures that are judged by themselves: the dark ones, the blurred, the small.

In: pictures as the models see them, and their rows of the manifest. Out: the places of the pictures
in each slice, by its name.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data.manifest import Row
from weathervane.errors import UsageError

Slices = Mapping[str, tuple[int, ...]]

_THIRDS = ("low", "middle", "high")
# More values than this are names of pictures rather than kinds of them; the rarest are left out.
_MOST_VALUES = 12


def cut(
    pictures: NDArray[np.uint8], rows: Sequence[Row], by: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Cut the pictures by every property in ``by``.

    Numbers are cut in thirds of the pictures, words by value. A property that is the same for all
    pictures gives no slice.

    Args:
        pictures: uint8 [n, size, size, 3], RGB.
        rows: [n], the same pictures' rows of the manifest.
        by: ``brightness`` (mean grey), ``sharpness`` (variance of the Laplacian, low when
            blurred), ``size`` (pixels of the original), or a column of the manifest.

    Raises:
        UsageError: naming a property that there is not.
    """
    check(by)
    slices: dict[str, tuple[int, ...]] = {}
    for name in by:
        values = _values(name, pictures, rows)
        words = isinstance(values[0], str)
        parts = _by_value(values) if words else _thirds(values)  # type: ignore[arg-type]
        if len(parts) > 1:
            slices |= {f"{name} {part}": places for part, places in parts.items()}
    return slices


def check(by: Sequence[str]) -> None:
    """Refuse properties that there are not, before anything is trained.

    Raises:
        UsageError: naming the property.
    """
    columns = [each.name for each in fields(Row)]
    for name in by:
        if name not in (*_OF_PIXELS, "size", *columns):
            raise UsageError(
                f"there is no slice by {name!r}; there are {', '.join(_OF_PIXELS)}, size and the "
                f"manifest's {', '.join(columns)}"
            )


def _values(
    name: str, pictures: NDArray[np.uint8], rows: Sequence[Row]
) -> Sequence[str] | Sequence[float]:
    if name in _OF_PIXELS:
        return [_OF_PIXELS[name](_grey(one)) for one in pictures]
    if name == "size":
        return [row.width * row.height for row in rows]
    values = [getattr(row, name) for row in rows]
    return values if isinstance(values[0], int | float) else list(map(str, values))


_OF_PIXELS: Mapping[str, Callable[[NDArray[np.uint8]], float]] = {
    "brightness": lambda grey: float(grey.mean()),
    "sharpness": lambda grey: float(cv2.Laplacian(grey, cv2.CV_64F).var()),
}


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey: NDArray[np.uint8] = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return grey


def _thirds(values: Sequence[float]) -> dict[str, tuple[int, ...]]:
    # Equal values stay together, so pictures of few sizes may have less than three parts.
    part = np.digitize(values, np.quantile(values, (1 / 3, 2 / 3)))
    places = {name: np.flatnonzero(part == number) for number, name in enumerate(_THIRDS)}
    return {name: tuple(map(int, found)) for name, found in places.items() if len(found)}


def _by_value(values: Sequence[str]) -> dict[str, tuple[int, ...]]:
    common = Counter(values).most_common(_MOST_VALUES)
    return {
        value: tuple(place for place, each in enumerate(values) if each == value)
        for value, _ in sorted(common)
    }
