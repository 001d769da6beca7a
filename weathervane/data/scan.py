"""One look at every file: what it is, or why it cannot be used.

In: a listing, and what is known from an earlier time. Out: a look for each file, in its order.
Files are read at most once, on all cores, and no more than one picture a core is in memory.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import time_ns

import numpy as np
from numpy.typing import NDArray

from weathervane.data import images
from weathervane.data.duplicates import thumbnail
from weathervane.data.features import FEATURES, measure, shrink
from weathervane.data.images import one_thread_a_picture
from weathervane.errors import ImageError

# Larger files are not even read: 16.8 megapixels at 16 bits a channel fit in.
_MAX_BYTES = 128 * 1024 * 1024
# File systems tell times in ticks of up to two seconds: what changed within the tick in which it
# was looked at may look unchanged (as with git's "racy" entries).
_TICK_NS = 2_000_000_000
# Files that a thread looks at without asking for more, and how often so many are waiting, a core.
_AT_ONCE, _AHEAD = 16, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A picture that could be decoded. Width and height are as a person sees it."""

    sha256: str
    format: str
    colour: str  # of the file: RGB, grey, palette, alpha, CMYK
    bits: int  # a channel, of the file
    orientation: int  # EXIF's, 1 to 8
    width: int
    height: int
    features: tuple[float, ...]  # in the order of `features.FEATURES`
    thumbnail: NDArray[np.uint8]  # [32, 32], grey

    def feature(self, name: str) -> float:
        """One of `features.FEATURES`."""
        return self.features[FEATURES.index(name)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A file that could not be used; ``fault`` is one of `images.FAULTS`, or ``closed``."""

    fault: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """How a file was when it was looked at, so that it need not be read again while it stays so."""

    size: int
    modified_ns: int
    # Also moves when a file is replaced by one that was given the old one's time.
    changed_ns: int
    looked_at_ns: int

    def still_holds(self, now: os.stat_result) -> bool:
        """Whether the file is sure to be the one that was looked at."""
        same = (self.size, self.modified_ns, self.changed_ns) == (
            now.st_size,
            now.st_mtime_ns,
            now.st_ctime_ns,
        )
        return same and self.looked_at_ns - max(self.modified_ns, self.changed_ns) > _TICK_NS


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one file turned out to be."""

    path: str
    stamp: Stamp | None  # None for what cannot be opened
    found: Seen | Unreadable


def scan(
    folder: Path,
    paths: Iterable[str],
    known: Mapping[str, Look] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Look]:
    """Look into files below ``folder``, in their order; what is known and unchanged is not read.

    ``known`` are looks of an earlier time, by path; ``progress`` is told how many were looked into
    so far. Threads do: reading, hashing, decoding and resizing all let go of the interpreter.
    """
    cores = os.cpu_count() or 1
    with one_thread_a_picture(), ThreadPoolExecutor(cores) as pool:
        begun: deque[Future[list[Look]]] = deque()
        waiting = iter(paths)
        done = 0
        while True:
            while len(begun) < cores * _AHEAD and (some := tuple(islice(waiting, _AT_ONCE))):
                begun.append(pool.submit(_look_at, folder, known or {}, some))
            if not begun:
                return
            for look in begun.popleft().result():
                yield look
                done += 1
                if progress:
                    progress(done)


def _look_at(folder: Path, known: Mapping[str, Look], paths: Sequence[str]) -> list[Look]:
    return [_look(folder, known, path) for path in paths]


def _look(folder: Path, known: Mapping[str, Look], path: str) -> Look:
    stamp = None
    try:
        looked_at = time_ns()
        state = (folder / path).stat()
        before = known.get(path)
        if before and before.stamp and before.stamp.still_holds(state):
            return before
        stamp = Stamp(
            size=state.st_size,
            modified_ns=state.st_mtime_ns,
            changed_ns=state.st_ctime_ns,
            looked_at_ns=looked_at,
        )
        return Look(path=path, stamp=stamp, found=_see(_read(folder / path, state.st_size)))
    except ImageError as error:
        return Look(path=path, stamp=stamp, found=Unreadable(fault=error.fault, reason=str(error)))
    except OSError as error:
        reason = f"cannot be opened: {error.strerror}"
        return Look(path=path, stamp=None, found=Unreadable(fault="closed", reason=reason))


def _read(path: Path, size: int) -> bytes:
    if size > _MAX_BYTES:
        raise ImageError(f"a file of {size >> 20} MiB is too large to be a picture", "large")
    return path.read_bytes()


def _see(data: bytes) -> Seen:
    header = images.read_header(data)
    small = shrink(images.decode(data))
    return Seen(
        sha256=hashlib.sha256(data).hexdigest(),
        format=header.format,
        colour=header.colour,
        bits=header.bits,
        orientation=header.orientation,
        width=small.width,
        height=small.height,
        features=tuple(measure(small)[0].tolist()),
        thumbnail=thumbnail(small.grey),
    )
