"""Pictures that are the same: byte for byte, or after re-encoding, resizing, turning or mirroring.

In: digests and 32x32 grey thumbnails, both in any order. Out: pairs of indices, and clusters.

Near hashes only nominate a pair; its pixels decide. Where they agree only once the one is laid over
a part of the other, the two are no duplicates but of one scene: both are used, within one split.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data import hashes, likeness
from weathervane.data.hashes import AT_ONCE, THUMBNAIL, Candidates, Index, Thumbnails

# Correlation between two thumbnails' pixels from which they show the same.
SAME = 0.97
# A near duplicate shows at least this share of each side of the other; a part shows less.
_WHOLE = 0.985
# Pictures whose grey values deviate by less show nothing that could be the same.
_FLAT = 2.0
_PAIRS_AT_ONCE = 128  # bounds the memory of comparing pixels; some arrays stay in a core's cache
_CHUNKS_AT_ONCE = 4

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Pairs of indices into what was compared, each with the smaller index first.

    Of several that are all the same and of one group, near pairs and parts hold enough to connect
    them, not all. For every picture, clusters and scenes name the smallest index of its own.
    """

    exact: tuple[Pair, ...]  # each copy with the first of its kind
    near: tuple[Pair, ...]
    parts: tuple[Pair, ...]
    clusters: tuple[int, ...]  # connected by exact and near pairs
    scenes: tuple[int, ...]  # connected by parts as well


def thumbnail(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole of a grey picture as 32x32 pixels."""
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def find_duplicates(
    digests: Sequence[str],
    thumbnails: Sequence[NDArray[np.uint8]] | Thumbnails,
    groups: Sequence[str] | None = None,
) -> Duplicates:
    """Find every picture that is another's copy, disguise or part.

    ``groups`` are what may not be mixed, such as labels: every pair across two groups is found,
    also where others connect the two already.
    """
    first: dict[str, int] = {}
    for index, digest in enumerate(digests):
        first.setdefault(digest, index)
    unique = np.array(list(first.values()), int)
    different = np.array([thumbnails[index] for index in unique], np.uint8)
    different = different.reshape(-1, THUMBNAIL, THUMBNAIL)
    shows = _shows(different)
    unique, different = unique[shows], different[shows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups or ()))}
    names = np.array([numbers[groups[index]] if groups else 0 for index in unique], int)
    near, parts = (
        [(int(unique[a]), int(unique[b])) for a, b in sorted(pairs)]
        for pairs in _confirmed(different, names)
    )
    return joined(digests, near, parts)


def joined(digests: Sequence[str], near: Sequence[Pair], parts: Sequence[Pair]) -> Duplicates:
    """Pairs with the clusters and scenes that they amount to, exact copies included."""
    first: dict[str, int] = {}
    pairs = ((first.setdefault(digest, index), index) for index, digest in enumerate(digests))
    exact = [pair for pair in pairs if pair[0] != pair[1]]
    return Duplicates(
        exact=tuple(exact),
        near=tuple(near),
        parts=tuple(parts),
        clusters=_join(len(digests), (*exact, *near)),
        scenes=_join(len(digests), (*exact, *near, *parts)),
    )


def _shows(thumbnails: Thumbnails) -> NDArray[np.bool_]:
    """Whether a picture shows anything [n]."""
    deviations = [
        thumbnails[start : start + AT_ONCE].std(axis=(1, 2), dtype=np.float32)
        for start in range(0, max(len(thumbnails), 1), AT_ONCE)
    ]
    return np.concatenate(deviations) >= _FLAT


def _confirmed(thumbnails: Thumbnails, groups: NDArray[np.int64]) -> tuple[set[Pair], set[Pair]]:
    """Pairs of indices that are the same, and pairs of which one shows a part of the other."""
    near: set[Pair] = set()
    parts: set[Pair] = set()
    index = Index(thumbnails)
    connected = _Connected(len(thumbnails))
    starts = range(0, len(thumbnails), AT_ONCE)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # Always as many at once, so that what is found does not depend on the number of cores.
        for wave in range(0, len(starts), _CHUNKS_AT_ONCE):
            roots = connected.roots()

            def look(start: int, roots: NDArray[np.int64] = roots) -> list[tuple[Pair, bool]]:
                found = index.candidates(start)
                # Of thousands of copies the first ones connect all; across groups each pair counts.
                apart = roots[found.one] != roots[found.other]
                apart |= groups[found.one] != groups[found.other]
                return _compared(thumbnails, found.some(apart))

            for found in pool.map(look, starts[wave : wave + _CHUNKS_AT_ONCE]):
                for pair, whole in found:
                    (near if whole else parts).add(pair)
                    if whole:
                        connected.join(*pair)
    return near, parts - near


def _compared(thumbnails: Thumbnails, pairs: Candidates) -> list[tuple[Pair, bool]]:
    """The pairs that show the same, each with whether both show all of it."""
    found = []
    for start in range(0, len(pairs.one), _PAIRS_AT_ONCE):
        some = pairs.some(slice(start, start + _PAIRS_AT_ONCE))
        ones = likeness.smooth(hashes.turned(thumbnails[some.one], some.turn))
        others = likeness.smooth(thumbnails[some.other])
        agreed, place = likeness.agreement(ones, others, some.spans, SAME)
        shown = np.minimum(place[:, 1::2], 1) - np.maximum(place[:, ::2], 0)
        scale = place[:, 1::2] - place[:, ::2]
        whole = (np.minimum(shown, shown / scale) >= _WHOLE).all(axis=1)
        for index in np.flatnonzero(agreed >= SAME):
            a, b = int(some.one[index]), int(some.other[index])
            found.append(((min(a, b), max(a, b)), bool(whole[index])))
    return found


class _Connected:
    """Union-find: which indices hang together."""

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def roots(self) -> NDArray[np.int64]:
        """The smallest index that each one hangs together with."""
        while True:
            above = self._parents[self._parents]
            if np.array_equal(above, self._parents):
                return above
            self._parents = above

    def join(self, a: int, b: int) -> None:
        low, high = sorted((self._root(a), self._root(b)))
        self._parents[high] = low

    def _root(self, index: int) -> int:
        while self._parents[index] != index:
            index = int(self._parents[index])
        return index


def _join(count: int, pairs: Iterable[Pair]) -> tuple[int, ...]:
    """The smallest index of each one's cluster."""
    connected = _Connected(count)
    for a, b in pairs:
        connected.join(a, b)
    return tuple(connected.roots().tolist())


def members(clusters: Sequence[int]) -> list[list[int]]:
    """The clusters of more than one, each sorted."""
    by_root = defaultdict(list)
    for index, cluster in enumerate(clusters):
        by_root[cluster].append(index)
    return [found for found in by_root.values() if len(found) > 1]
