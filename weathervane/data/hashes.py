"""Perceptual hashes, and which pictures have nearly the same one without comparing all with all.

In: thumbnails [n, 32, 32]. Out: 64-bit hashes, and pairs whose hashes are near in some disguise.

A hash tells which of the 8x8 lowest cosine coefficients are above zero (after Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, where it is their
median: zero stays where it is when a picture is mirrored). Hashes that differ in no more than
`SURE` bits have, of four pieces of 16 bits, one that differs in at most one bit (Norouzi, Punjani &
Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012). Of those that differ in
`DISTANCE`, nineteen of twenty have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 32
SURE, DISTANCE = 7, 8
_COEFFICIENTS = 8
_PIECES = 4
_BITS = 64 // _PIECES
# A part of a picture is looked for as if it lacked this share of a side, on either end or on both.
CROP = 0.05
_SPANS = ((0.0, 1.0), (0.0, 1 - CROP), (CROP / 2, 1 - CROP / 2), (CROP, 1.0))
_MIRRORED_SPANS = (0, 3, 2, 1)
AT_ONCE = 1024  # pictures; bounds the memory of spectra and of candidates

Thumbnails = NDArray[np.uint8]  # [n, 32, 32]
Hashes = NDArray[np.uint64]
Signs = NDArray[np.bool_]  # of each hash's bits [n, 64]
Pieces = NDArray[np.uint16]  # of each hash [n, 4]
Indices = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Pairs of pictures, the first of them in disguise; all arrays are [k]."""

    one: Indices
    other: Indices
    turn: NDArray[np.int8]  # which of `TURNS` the first one must be put through
    spans: Floats  # left, right, top and bottom of its part, as shares of its sides [k, 4]

    def some(self, which: slice | NDArray[np.bool_]) -> "Candidates":
        """Some of the pairs."""
        return Candidates(
            one=self.one[which],
            other=self.other[which],
            turn=self.turn[which],
            spans=self.spans[which],
        )


# Mirrored across, upside down, axes swapped; the last of them comes first.
TURNS = tuple(product((False, True), repeat=3))


def turned(thumbnails: Thumbnails, turn: NDArray[np.int8]) -> Thumbnails:
    """Each thumbnail put through its own turn."""
    result = thumbnails.copy()
    for number, (across, down, swapped) in enumerate(TURNS):
        chosen = turn == number
        seen = thumbnails[chosen]
        seen = seen.transpose(0, 2, 1) if swapped else seen
        seen = seen[:, ::-1] if down else seen
        result[chosen] = seen[:, :, ::-1] if across else seen
    return result


def perceptual_hashes(thumbnails: Sequence[NDArray[np.uint8]] | Thumbnails) -> Hashes:
    """64-bit hashes [n]."""
    return np.packbits(_signs(thumbnails), axis=1).view(np.uint64)[:, 0]


class Index:
    """Hashes by each of their pieces, and by each piece with one bit changed."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails
        pieces = _pieces(_signs(thumbnails))
        self._tables = [_table(pieces, number) for number in range(_PIECES)]

    def candidates(self, start: int) -> Candidates:
        """Pairs whose first is one of `AT_ONCE` pictures from ``start`` on.

        As they are, turned, mirrored, or a part: each pair once for every disguise in which the
        hashes are near.
        """
        found = []
        for turn, spans, pieces in _disguises(self._thumbnails[start : start + AT_ONCE]):
            queries, other = self._near(pieces)
            one = queries + start
            apart = one != other
            count = int(apart.sum())
            some = Candidates(
                one=one[apart],
                other=other[apart],
                turn=np.full(count, turn, np.int8),
                spans=np.tile(np.array(spans, np.float32), (count, 1)),
            )
            found.append(some)
        return Candidates(
            one=np.concatenate([some.one for some in found]),
            other=np.concatenate([some.other for some in found]),
            turn=np.concatenate([some.turn for some in found]),
            spans=np.concatenate([some.spans for some in found]),
        )

    def _near(self, pieces: Pieces) -> tuple[Indices, Indices]:
        """Which of some pictures are near which of the index: two arrays [k], each pair once."""
        found = []
        for number, (starts, members, hashes) in enumerate(self._tables):
            first = starts[pieces[:, number]]
            counts = starts[pieces[:, number] + np.int64(1)] - first
            # Where each one's members lie, one after the other.
            ends = np.cumsum(counts)
            places = np.arange(counts.sum()) + np.repeat(first - ends + counts, counts)
            differ = np.repeat(_joined(pieces), counts) ^ hashes[places]
            close = np.flatnonzero(np.bitwise_count(differ) <= DISTANCE)
            queries = np.searchsorted(ends, close, side="right")
            found.append(queries * len(self._thumbnails) + members[places[close]])
        pairs = np.unique(np.concatenate(found))
        return np.divmod(pairs, max(len(self._thumbnails), 1))


# By piece, which bits of a hash are its own: two of each row and column of coefficients, because
# neighbours tell much the same.
_OF_A_PIECE = np.concatenate(
    [
        [bit for bit in range(64) if (bit // _COEFFICIENTS - bit) % _PIECES == number]
        for number in range(_PIECES)
    ]
)


def _signs(thumbnails: Sequence[NDArray[np.uint8]] | Thumbnails) -> Signs:
    """Which coefficients are above zero."""
    whole = _basis()[:_COEFFICIENTS]
    found = [np.zeros((0, _COEFFICIENTS**2), np.bool_)]
    for start in range(0, len(thumbnails), AT_ONCE):
        some = np.asarray(thumbnails[start : start + AT_ONCE], np.float32)
        spectrum = whole @ some @ whole.T
        found.append(spectrum.reshape(-1, _COEFFICIENTS**2) > 0)
    return np.concatenate(found)


def _pieces(signs: Signs) -> Pieces:
    """Hashes with their bits sorted by piece."""
    return np.packbits(signs.take(_OF_A_PIECE, axis=1), axis=1).view(np.uint16)


def _joined(pieces: Pieces) -> Hashes:
    return pieces.view(np.uint64)[:, 0]


def _table(pieces: Pieces, number: int) -> tuple[Indices, NDArray[np.int32], Hashes]:
    """By one piece: where each value's members begin [2**16 + 1], the members, their hashes."""
    own = pieces[:, number]
    values = np.concatenate([own, *(own ^ np.uint16(1 << bit) for bit in range(_BITS))])
    order = np.argsort(values, kind="stable")
    counts = np.bincount(values, minlength=2**_BITS)
    starts = np.concatenate([[0], np.cumsum(counts)])
    members = (order % max(len(pieces), 1)).astype(np.int32)
    return starts, members, _joined(pieces)[members]


def _disguises(
    thumbnails: Thumbnails,
) -> Iterator[tuple[int, tuple[float, float, float, float], Pieces]]:
    """For every disguise its turn, its part and the hashes, in pieces, that pictures have in it.

    Straight from the coefficients: mirroring changes the sign of every odd one along its axis,
    turning is mirroring and swapping the axes.
    """
    basis = _basis()
    odd = (-1.0) ** np.arange(_COEFFICIENTS, dtype=np.float32)
    count, spans = len(thumbnails), len(_SPANS)
    both = basis @ thumbnails.astype(np.float32) @ basis.T
    both = both.reshape(count, spans, _COEFFICIENTS, spans, _COEFFICIENTS)
    whole = both[:, 0, :, 0, :]
    for turn, (across, down, swapped) in enumerate(TURNS):
        seen = whole.transpose(0, 2, 1) if swapped else whole
        signs = (odd if down else odd**2)[:, None] * (odd if across else odd**2)
        yield turn, (*_SPANS[0], *_SPANS[0]), _pieces((seen * signs > 0).reshape(count, -1))
    # A part that is upside down or turned as well is not looked for.
    for turn in (0, TURNS.index((True, False, False))):
        signs = odd if turn else odd**2
        for row, column in product(range(1, spans), repeat=2):
            seen = both[:, row, :, _MIRRORED_SPANS[column] if turn else column, :]
            part = (*_SPANS[column], *_SPANS[row])
            yield turn, part, _pieces((seen * signs > 0).reshape(count, -1))


@cache
def _basis() -> Floats:
    """Cosines over the whole side and over each part of it [spans * 8, 32]."""
    fine = 16
    places = (np.arange(THUMBNAIL * fine) + 0.5) / (THUMBNAIL * fine)
    rows = []
    for low, high in _SPANS:
        within = (places >= low) & (places < high)
        for wave in range(_COEFFICIENTS):
            cosine = np.cos(np.pi * wave * (places - low) / (high - low)) * within
            rows.append((cosine / np.sqrt(np.square(cosine).sum())).reshape(-1, fine).sum(axis=1))
    basis: Floats = np.array(rows, np.float32)
    return basis
