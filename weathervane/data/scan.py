"""One look at every file: what it is, or why it cannot be used.

In: a listing. Out: for each file, in its order, either what was seen or why not. Files are read
once, on all cores, and no more than one picture a core is held in memory.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data import images
from weathervane.data.duplicates import thumbnail
from weathervane.data.sources import Listing
from weathervane.errors import ImageError

# Larger files are not even read: 16.8 megapixels at 16 bits a channel fit in.
_MAX_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A picture that could be decoded. Width and height are as a person sees it."""

    path: str
    label: str
    sha256: str
    format: str
    width: int
    height: int
    thumbnail: NDArray[np.uint8]  # [32, 32], grey

    @property
    def brightness(self) -> float:
        """Mean of the grey values, 0 to 1."""
        return float(self.thumbnail.mean()) / 255

    @property
    def contrast(self) -> float:
        """Standard deviation of the coarse grey values, 0 to 0.5."""
        return float(self.thumbnail.std()) / 255


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that could not be used; ``fault`` is one of `images.FAULTS`, or ``closed``."""

    path: str
    label: str
    fault: str
    reason: str


def scan(
    listing: Listing, progress: Callable[[int, int], None] | None = None
) -> tuple[tuple[Seen, ...], tuple[Unreadable, ...]]:
    """Look into every file. ``progress`` is told how many of how many were looked into.

    Threads do: reading, hashing, decoding and resizing all let go of the interpreter.
    """
    files = [(path, label) for label, paths in listing.classes.items() for path in paths]
    seen: list[Seen] = []
    unreadable: list[Unreadable] = []
    with one_thread_a_picture(), ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(partial(_look, listing.folder), files)
        for number, result in enumerate(results, start=1):
            if isinstance(result, Seen):
                seen.append(result)
            else:
                unreadable.append(result)
            if progress:
                progress(number, len(files))
    return tuple(seen), tuple(unreadable)


@contextmanager
def one_thread_a_picture() -> Iterator[None]:
    """Keep OpenCV from splitting a picture over cores that all have a picture already."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _look(folder: Path, file: tuple[str, str]) -> Seen | Unreadable:
    path, label = file
    try:
        data = _read(folder / path)
        picture = images.decode(data)
    except ImageError as error:
        return Unreadable(path=path, label=label, fault=error.fault, reason=str(error))
    except OSError as error:
        reason = f"cannot be opened: {error.strerror}"
        return Unreadable(path=path, label=label, fault="closed", reason=reason)
    height, width = picture.shape[:2]
    return Seen(
        path=path,
        label=label,
        sha256=hashlib.sha256(data).hexdigest(),
        format=images.identify(data) or "",
        width=width,
        height=height,
        thumbnail=thumbnail(picture),
    )


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ImageError(f"a file of {size >> 20} MiB is too large to be a picture", "large")
    return path.read_bytes()
