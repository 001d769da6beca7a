"""Perceptual hashes, and which pictures have nearly the same one without comparing all with all.

In: thumbnails [n, 32, 32]. Out: 64-bit hashes, and pairs whose hashes are near in some disguise.

A hash tells which of the 8x8 lowest cosine coefficients are above zero (after Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, where it is their
median: zero stays where it is when a picture is mirrored). Hashes that differ in no more than
`SURE` bits have, of four pieces of 16 bits, one that differs in at most one bit (Norouzi, Punjani &
Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012). Of those that differ in
`DISTANCE`, nineteen of twenty have.
"""

from collections.abc import Iterator
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


def perceptual_hashes(thumbnails: Thumbnails) -> Hashes:
    """64-bit hashes [n]."""
    whole = _basis()[:_COEFFICIENTS]
    return _bits(whole @ thumbnails.astype(np.float32) @ whole.T)


class Index:
    """Hashes by each of their pieces, and by each piece with one bit changed."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails
        self._hashes = np.concatenate(
            [
                perceptual_hashes(thumbnails[start : start + AT_ONCE])
                for start in range(0, max(len(thumbnails), 1), AT_ONCE)
            ]
        )
        self._tables = [_table(_piece(self._hashes, number)) for number in range(_PIECES)]

    def candidates(self, start: int) -> Candidates:
        """Pairs whose first is one of `AT_ONCE` pictures from ``start`` on.

        As they are, turned, mirrored, or a part: each pair once for every disguise in which the
        hashes are near.
        """
        found = []
        for turn, spans, hashes in _disguises(self._thumbnails[start : start + AT_ONCE]):
            queries, other = self._near(hashes)
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

    def _near(self, hashes: Hashes) -> tuple[Indices, Indices]:
        """Which of ``hashes`` are near which of the index: two arrays [k], each pair once."""
        found = []
        for number, (starts, members) in enumerate(self._tables):
            pieces = _piece(hashes, number)
            first, counts = starts[pieces], starts[pieces + 1] - starts[pieces]
            queries = np.repeat(np.arange(len(hashes)), counts)
            places = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
            others = members[places]
            close = np.bitwise_count(hashes[queries] ^ self._hashes[others]) <= DISTANCE
            found.append(queries[close] * len(self._hashes) + others[close])
        pairs = np.unique(np.concatenate(found))
        return np.divmod(pairs, max(len(self._hashes), 1))


def _piece(hashes: Hashes, number: int) -> Indices:
    """Sixteen bits, two of each row and column of coefficients: neighbours tell much the same."""
    piece = np.zeros(len(hashes), np.int64)
    places = [bit for bit in range(64) if (bit // _COEFFICIENTS + bit) % _PIECES == number]
    for place, bit in enumerate(places):
        piece |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place
    return piece


def _table(pieces: Indices) -> tuple[Indices, Indices]:
    """Where each value's members begin [2**16 + 1], and the members."""
    values = np.concatenate([pieces, *(pieces ^ (1 << bit) for bit in range(_BITS))])
    order = np.argsort(values.astype(np.uint16), kind="stable")
    counts = np.bincount(values, minlength=2**_BITS)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts, order % max(len(pieces), 1)


def _disguises(
    thumbnails: Thumbnails,
) -> Iterator[tuple[int, tuple[float, float, float, float], Hashes]]:
    """For every disguise its turn, its part and the hashes that pictures have in it.

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
        yield turn, (*_SPANS[0], *_SPANS[0]), _bits(np.ascontiguousarray(seen * signs))
    # A part that is upside down or turned as well is not looked for.
    for turn in (0, TURNS.index((True, False, False))):
        signs = odd if turn else odd**2
        for row, column in product(range(1, spans), repeat=2):
            seen = both[:, row, :, _MIRRORED_SPANS[column] if turn else column, :]
            part = (*_SPANS[column], *_SPANS[row])
            yield turn, part, _bits(np.ascontiguousarray(seen * signs))


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


def _bits(spectrum: Floats) -> Hashes:
    flat = spectrum.reshape(len(spectrum), _COEFFICIENTS**2)
    packed: Hashes = np.packbits(flat > 0, axis=1).view(np.uint64)[:, 0]
    return packed
