"""Pictures that are the same: byte for byte, or after re-encoding, resizing, turning or mirroring.

In: digests and 32x32 grey thumbnails, both in any order. Out: pairs of indices, and clusters.

A thumbnail's perceptual hash is 64 bits: which of its 8x8 lowest cosine coefficients lie above
their median (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).
Near hashes only nominate a pair; its pixels decide.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data.images import Picture

THUMBNAIL = 32
_COEFFICIENTS = 8
# Correlation between two thumbnails' pixels from which they show the same picture.
_SAME = 0.97
_ROWS_AT_ONCE = 256  # bounds the memory of comparing all with all: 256 x n hashes

Thumbnails = NDArray[np.uint8]  # [n, 32, 32]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Pairs of indices into what was compared, each with the smaller index first."""

    exact: tuple[tuple[int, int], ...]  # each copy with the first of its kind
    near: tuple[tuple[int, int], ...]
    clusters: tuple[int, ...]  # for every picture, the smallest index that it hangs together with


def thumbnail(picture: Picture) -> NDArray[np.uint8]:
    """The whole picture as 32x32 grey pixels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def perceptual_hashes(thumbnails: Thumbnails) -> Hashes:
    """64-bit hashes [n]."""
    return _bits(_spectrum(thumbnails))


def find_duplicates(digests: Sequence[str], thumbnails: Thumbnails, distance: int) -> Duplicates:
    """Compare every picture with every other, also turned by quarters and mirrored.

    ``distance`` is how many bits of two hashes may differ for the pixels to be compared.
    """
    first: dict[str, int] = {}
    exact = []
    for index, digest in enumerate(digests):
        if first.setdefault(digest, index) != index:
            exact.append((first[digest], index))
    unique = np.array(sorted(first.values()), int)
    near = tuple(
        (int(unique[a]), int(unique[b])) for a, b in _near_pairs(thumbnails[unique], distance)
    )
    clusters = _join(len(digests), (*exact, *near))
    return Duplicates(exact=tuple(exact), near=near, clusters=clusters)


def _spectrum(thumbnails: Thumbnails) -> NDArray[np.float32]:
    """Lowest coefficients [n, 8, 8] of the cosine transform of each thumbnail."""
    identity = np.eye(THUMBNAIL, dtype=np.float32)
    basis = cv2.dct(identity, flags=cv2.DCT_ROWS).T[:_COEFFICIENTS]
    spectrum: NDArray[np.float32] = basis @ thumbnails.astype(np.float32) @ basis.T
    return spectrum


def _bits(spectrum: NDArray[np.float32]) -> Hashes:
    flat = spectrum.reshape(len(spectrum), _COEFFICIENTS**2)
    # The first coefficient is the mean brightness: it tells nothing and outweighs all others.
    above = flat > np.median(flat[:, 1:], axis=1, keepdims=True)
    packed: Hashes = np.packbits(above, axis=1).view(np.uint64)[:, 0]
    return packed


def _symmetries(spectrum: NDArray[np.float32]) -> Iterator[tuple[int, int, bool, Hashes]]:
    """The hashes of all turned and mirrored versions, straight from the coefficients.

    Mirroring changes the sign of every odd coefficient along its axis; turning is mirroring and
    swapping the axes.
    """
    odd = (-1.0) ** np.arange(_COEFFICIENTS, dtype=np.float32)
    for swap in (False, True):
        seen = spectrum.transpose(0, 2, 1) if swap else spectrum
        for down in (1, -1):
            for across in (1, -1):
                signs = (odd if down < 0 else odd**2)[:, None] * (odd if across < 0 else odd**2)
                yield down, across, swap, _bits(np.ascontiguousarray(seen * signs))


def _near_pairs(thumbnails: Thumbnails, distance: int) -> list[tuple[int, int]]:
    if not len(thumbnails):
        return []
    spectrum = _spectrum(thumbnails)
    hashes = _bits(spectrum)
    pairs = set()
    for down, across, swap, turned in _symmetries(spectrum):
        for start in range(0, len(hashes), _ROWS_AT_ONCE):
            rows = turned[start : start + _ROWS_AT_ONCE, None]
            # All with all: a turned picture finds its original from one side only.
            close = np.bitwise_count(rows ^ hashes[None, :]) <= distance
            for row, other in np.argwhere(close):
                one, two = start + int(row), int(other)
                if one == two or (min(one, two), max(one, two)) in pairs:
                    continue
                seen = thumbnails[one].T if swap else thumbnails[one]
                if _same(seen[::down, ::across], thumbnails[two]):
                    pairs.add((min(one, two), max(one, two)))
    return sorted(pairs)


def _same(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> bool:
    a, b = (seen.astype(np.float64) - seen.mean() for seen in (one, two))
    return bool((a * b).sum() >= _SAME * np.sqrt((a * a).sum() * (b * b).sum()))


def _join(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """The smallest index of each one's cluster, by union-find."""
    parents = list(range(count))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parents[high] = low
    return tuple(root(index) for index in range(count))


def members(clusters: Sequence[int]) -> list[list[int]]:
    """The clusters of more than one, each sorted."""
    by_root = defaultdict(list)
    for index, cluster in enumerate(clusters):
        by_root[cluster].append(index)
    return [found for found in by_root.values() if len(found) > 1]
