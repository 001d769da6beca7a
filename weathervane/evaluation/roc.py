"""Receiver operating characteristic: labels and probabilities in, a curve and its area out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What is drawn; the area is of all points.
_POINTS = 60


@dataclass(frozen=True, kw_only=True)
class Roc:
    """Every class against the others, all pictures and classes pooled (micro-average)."""

    area: float  # mean over the classes that have pictures, each against all others
    # From the strictest threshold to the loosest, each three equally long.
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    threshold: tuple[float, ...]


def roc(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Roc | None:
    """The curve of labels [n] and probabilities [n, classes]; None when all carry one label."""
    right = np.eye(probabilities.shape[1], dtype=bool)[labels]
    areas = [
        area(right[:, place], probabilities[:, place])
        for place in range(right.shape[1])
        if 0 < right[:, place].sum() < len(labels)
    ]
    if not areas:
        return None
    order = np.argsort(-probabilities, axis=None, kind="stable")
    scores, hits = probabilities.ravel()[order], right.ravel()[order]
    # Equal scores are on one side of every threshold.
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    last = last[np.unique(np.linspace(0, len(last) - 1, _POINTS).astype(int))]
    true, false = np.cumsum(hits)[last], np.cumsum(~hits)[last]
    return Roc(
        area=float(np.mean(areas)),
        false_positive_rate=(0.0, *map(float, false / (~hits).sum())),
        true_positive_rate=(0.0, *map(float, true / hits.sum())),
        threshold=(1.0, *map(float, scores[last])),
    )


def area(right: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The area under the curve: the chance that a right one scores above a wrong one.

    Ties count half. It is Mann and Whitney's U (Hanley and McNeil, 1982).

    Raises:
        ValueError: when there is not one of both.
    """
    from scipy.stats import rankdata

    positives, negatives = int(right.sum()), int((~right).sum())
    if not positives or not negatives:
        raise ValueError(f"an area needs both kinds, got {positives} and {negatives}")
    above = rankdata(scores)[right].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))
