"""Whether two small grey pictures show the same, when one may be a part of the other.

In: pairs of thumbnails and where in the one the other is supposed to lie. Out: for each pair, how
well they agree at the place where they agree best.

The place is found by the inverse compositional method of Lucas and Kanade (Baker & Matthews,
"Lucas-Kanade 20 Years On", IJCV 56, 2004) for a scale and a shift along each axis, on all pairs at
once; agreement is the correlation of pixels, which no change of brightness or contrast touches.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Pairs that agree less than this before the first step, after the first and so on are of different
# pictures: a hash places within a few pixels, and each step halves what is left or better.
_HOPELESS = (0.65, 0.75, 0.85, 0.9, 0.93, 0.95)
# Beyond these the step is lost: nobody looks for so small a part of a picture.
_SCALES = (0.8, 1.1)
_FLATTEST = 1e-3


def agreement(ones: Floats, others: Floats, spans: Floats, enough: float) -> tuple[Floats, Floats]:
    """How well each of ``others`` agrees with the part of ``ones`` that is most like it, and where.

    Returns the correlation [n], -1 to 1, and the part [n, 4] in the form of ``spans``.

    Args:
        ones: grey values [n, side, side].
        others: the same.
        spans: where to begin: left, right, top, bottom [n, 4], as shares of the sides of ``ones``.
        enough: pairs that agree so well are not looked at further.
    """
    side = ones.shape[-1]
    at = ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5).astype(np.float32)
    template = _normal(others)
    left, right, top, bottom = spans.T
    # Places in ``ones``: scale times a place in ``others``, and the middle; along x and along y.
    place = np.stack([right - left, (left + right) / 2, bottom - top, (top + bottom) / 2], axis=1)
    best, error = _correlation(ones, template, place, at)
    best_place = place.copy()
    active = np.flatnonzero((best < enough) & (best > _HOPELESS[0]))
    ones, template, place, error = ones[active], template[active], place[active], error[active]
    descents, hessians = _descents(template, at, side)
    for hopeless in _HOPELESS[1:]:
        if not len(active):
            break
        slopes = np.einsum("nkij,nij->nk", descents, error)
        step = np.linalg.solve(hessians, slopes[..., None])[..., 0].astype(np.float32)
        place = _moved(place, step)
        found, error = _correlation(ones, template, place, at)
        sane = ((place[:, ::2] > _SCALES[0]) & (place[:, ::2] < _SCALES[1])).all(axis=1)
        better = sane & (found > best[active])
        best[active[better]], best_place[active[better]] = found[better], place[better]
        on = sane & (found < enough) & (found > hopeless)
        active, ones, template, place = active[on], ones[on], template[on], place[on]
        error, descents, hessians = error[on], descents[on], hessians[on]
    return best, _as_spans(best_place)


def _as_spans(place: Floats) -> Floats:
    half = place[:, ::2] / 2
    low, high = place[:, 1::2] - half, place[:, 1::2] + half
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)


def smooth(thumbnails: NDArray[np.uint8]) -> Floats:
    """Weights of 1, 2, 1 along each axis: what decoding and resizing leave of the finest detail."""
    seen = np.pad(thumbnails.astype(np.float32), ((0, 0), (1, 1), (1, 1)), "edge")
    seen = seen[:, :-2] + 2 * seen[:, 1:-1] + seen[:, 2:]
    smoothed = (seen[..., :-2] + 2 * seen[..., 1:-1] + seen[..., 2:]) / 16
    return smoothed.astype(np.float32)


def _normal(pictures: Floats) -> Floats:
    """Mean 0 and length 1, each; flat ones become 0."""
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt(np.square(centred).sum(axis=(1, 2), keepdims=True))
    normal: Floats = np.asarray(centred / np.maximum(length, _FLATTEST), np.float32)
    return normal


def _correlation(
    ones: Floats, template: Floats, place: Floats, at: Floats
) -> tuple[Floats, Floats]:
    """Correlation [n] at a place, and by how much each pixel differs [n, side, side]."""
    part = _normal(_sample(ones, place, at))
    return (part * template).sum(axis=(1, 2)), part - template


def _sample(ones: Floats, place: Floats, at: Floats) -> Floats:
    """The part at ``place``, between pixels linearly; as two small products, one an axis."""
    side = ones.shape[-1]
    across = _weights(place[:, 0], place[:, 1], at, side)
    down = _weights(place[:, 2], place[:, 3], at, side)
    return (down @ ones @ across.transpose(0, 2, 1)).astype(np.float32)


def _weights(scale: Floats, middle: Floats, at: Floats, side: int) -> Floats:
    """How much of each pixel [n, side out, side in] goes into each place along one axis."""
    where = (scale[:, None] * at + middle[:, None]) * side - 0.5
    weights: Floats = np.clip(where, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32)
    # In place: these are as large as the pictures, and made for each step.
    np.abs(weights, out=weights)
    np.subtract(1, weights, out=weights)
    return np.maximum(0, weights, out=weights)


def _descents(template: Floats, at: Floats, side: int) -> tuple[Floats, Floats]:
    """How pixels change with each of the four numbers of a place, and the normal equations."""
    down, across = np.gradient(template, 1 / side, axis=(1, 2))
    descents = np.stack([across * at, across, down * at[:, None], down], axis=1)
    hessians = np.einsum("nkij,nlij->nkl", descents, descents)
    # A picture without any change along an axis does not tell its place there.
    hessians += np.eye(4, dtype=np.float32) * _FLATTEST
    return descents.astype(np.float32), hessians


def _moved(place: Floats, step: Floats) -> Floats:
    """The place before the inverse of the step."""
    scale = place[:, ::2] / (1 + step[:, ::2])
    middle = place[:, 1::2] - scale * step[:, 1::2]
    return np.stack([scale[:, 0], middle[:, 0], scale[:, 1], middle[:, 1]], axis=1)
