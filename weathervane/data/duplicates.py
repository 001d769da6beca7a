"""Pictures that are the same: byte for byte, or after re-encoding, resizing, turning or mirroring.

In: digests and 32x32 grey thumbnails, both in any order. Out: pairs of indices, and clusters.

Near hashes only nominate a pair; its pixels decide. Where they agree only once the one is laid over
a part of the other, the two are no duplicates but of one scene: both are used, within one split.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data import hashes, likeness
from weathervane.data.hashes import THUMBNAIL, Candidates, Thumbnails
from weathervane.data.images import Picture

# Correlation between two thumbnails' pixels from which they show the same.
SAME = 0.97
# A near duplicate shows at least this share of each side of the other; a part shows less.
_WHOLE = 0.98
# Pictures whose grey values deviate by less show nothing that could be the same.
_FLAT = 2.0
_PAIRS_AT_ONCE = 2048  # bounds the memory of comparing pixels

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


def thumbnail(picture: Picture) -> NDArray[np.uint8]:
    """The whole picture as 32x32 grey pixels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def find_duplicates(
    digests: Sequence[str], thumbnails: Thumbnails, groups: Sequence[str] | None = None
) -> Duplicates:
    """Find every picture that is another's copy, disguise or part.

    ``groups`` are what may not be mixed, such as labels: every pair across two groups is found,
    also where others connect the two already.
    """
    first: dict[str, int] = {}
    exact = []
    for index, digest in enumerate(digests):
        if first.setdefault(digest, index) != index:
            exact.append((first[digest], index))
    unique = np.array([i for i in sorted(first.values()) if thumbnails[i].std() >= _FLAT], int)
    names = np.unique(np.array(groups if groups else [""] * len(digests)), return_inverse=True)[1]
    near, parts = (
        [(int(unique[a]), int(unique[b])) for a, b in sorted(pairs)]
        for pairs in _confirmed(thumbnails[unique], names[unique])
    )
    return Duplicates(
        exact=tuple(exact),
        near=tuple(near),
        parts=tuple(parts),
        clusters=_join(len(digests), (*exact, *near)),
        scenes=_join(len(digests), (*exact, *near, *parts)),
    )


def _confirmed(thumbnails: Thumbnails, groups: NDArray[np.int64]) -> tuple[set[Pair], set[Pair]]:
    """Pairs of indices that are the same, and pairs of which one shows a part of the other."""
    near: set[Pair] = set()
    parts: set[Pair] = set()
    connected = _Connected(len(thumbnails))
    for found in hashes.candidates(thumbnails):
        for start in range(0, len(found.one), _PAIRS_AT_ONCE):
            some = found.some(slice(start, start + _PAIRS_AT_ONCE))
            # Thousands of copies of one picture are connected by the first thousands of pairs.
            roots = connected.roots()
            one, other = some.one, some.other
            some = some.some((roots[one] != roots[other]) | (groups[one] != groups[other]))
            for pair, whole in _compared(thumbnails, some):
                (near if whole else parts).add(pair)
                if whole:
                    connected.join(*pair)
    return near, parts - near


def _compared(thumbnails: Thumbnails, pairs: Candidates) -> Iterable[tuple[Pair, bool]]:
    """The pairs that show the same, each with whether both show all of it."""
    if not len(pairs.one):
        return
    ones = likeness.smooth(hashes.turned(thumbnails[pairs.one], pairs.turn))
    others = likeness.smooth(thumbnails[pairs.other])
    agreed, place = likeness.agreement(ones, others, pairs.spans, SAME)
    shown = np.minimum(place[:, 1::2], 1) - np.maximum(place[:, ::2], 0)
    scale = place[:, 1::2] - place[:, ::2]
    whole = (np.minimum(shown, shown / scale) >= _WHOLE).all(axis=1)
    for index in np.flatnonzero(agreed >= SAME):
        a, b = int(pairs.one[index]), int(pairs.other[index])
        yield (min(a, b), max(a, b)), bool(whole[index])


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
