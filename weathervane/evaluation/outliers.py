"""Pictures unlike those of training: how well a score finds them, and where to put the threshold.

In: scores [n], higher for pictures that look familiar. Out: plain numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from weathervane.evaluation.roc import area

_DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class OutlierFigures:
    """A threshold, and how often a familiar picture falls below it."""

    threshold: float
    wanted_false_positives: float  # the share of validation pictures below, when it was chosen
    false_positives: float  # the share of test pictures below


def auroc(familiar: ArrayLike, foreign: ArrayLike) -> float:
    """The chance that a familiar picture scores above a foreign one; ties count half.

    Raises:
        ValueError: when one of the two is empty.
    """
    ours, theirs = np.asarray(familiar, np.float64), np.asarray(foreign, np.float64)
    is_familiar = np.arange(len(ours) + len(theirs)) < len(ours)
    return area(is_familiar, np.concatenate([ours, theirs]))


def threshold_at(familiar: ArrayLike, false_positives: float) -> float:
    """The score that a share of ``false_positives`` of the familiar pictures is below.

    Fitted on pictures that the model was not trained on, it flags the same share of new familiar
    ones, up to chance.
    """
    score = np.quantile(np.asarray(familiar, np.float64), false_positives, method="lower")
    # A package carries it, whose digest must not depend on the order of sums.
    return round(float(score), _DECIMALS)


def outlier_figures(
    validation: ArrayLike, test: ArrayLike, *, false_positives: float
) -> OutlierFigures:
    """Choose the threshold on validation pictures, and see on test pictures what it flags."""
    threshold = threshold_at(validation, false_positives)
    return OutlierFigures(
        threshold=threshold,
        wanted_false_positives=false_positives,
        false_positives=float((np.asarray(test) < threshold).mean()),
    )
