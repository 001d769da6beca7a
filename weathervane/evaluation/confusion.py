"""Figures that follow from who was taken for whom, for one confusion matrix or for thousands.

In: counts [..., k, k], rows are labels, columns predictions. Out: arrays with the same leading
shape. Also the bootstrap: counts of samples drawn with replacement, which are multinomial.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_SEED = 0  # the same pictures and answers have the same intervals everywhere


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Shares from 0 to 1; those of a class without pictures stay out of every mean."""

    accuracy: NDArray[np.float64]  # [...]
    balanced_accuracy: NDArray[np.float64]  # [...], mean recall
    macro_f1: NDArray[np.float64]  # [...]
    precision: NDArray[np.float64]  # [..., k], 0 when the class was never predicted
    recall: NDArray[np.float64]  # [..., k]
    f1: NDArray[np.float64]  # [..., k]


def count(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """The confusion matrix [k, k] of labels and predictions [n], places in the list of classes."""
    cells = np.bincount(labels * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def rates(confusion: NDArray[np.integer]) -> Rates:
    """The figures of counts [..., k, k], as scikit-learn defines them with ``zero_division=0``."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    support, said = confusion.sum(axis=-1), confusion.sum(axis=-2)
    recall, precision = right / np.maximum(support, 1), right / np.maximum(said, 1)
    f1 = 2 * right / np.maximum(support + said, 1)
    present = support > 0
    number = np.maximum(present.sum(axis=-1), 1)
    return Rates(
        accuracy=right.sum(axis=-1) / np.maximum(support.sum(axis=-1), 1),
        balanced_accuracy=(recall * present).sum(axis=-1) / number,
        macro_f1=(f1 * present).sum(axis=-1) / number,
        precision=precision,
        recall=recall,
        f1=f1,
    )


def resample(cells: NDArray[np.integer], draws: int = DRAWS) -> NDArray[np.int64]:
    """Counts [draws, m] of as many pictures drawn with replacement from ``cells`` [m].

    The bootstrap of Efron (1979): where a picture falls is all that figures of counts see of it, so
    one multinomial draw stands for drawing every picture.
    """
    total = int(cells.sum())
    drawn: NDArray[np.int64] = np.random.default_rng(_SEED).multinomial(
        total, cells / total, size=draws
    )
    return drawn


def bootstrap(confusion: NDArray[np.int64]) -> Rates:
    """The figures of `DRAWS` bootstrap samples of one confusion matrix [k, k]."""
    cells = np.flatnonzero(confusion)
    drawn = np.zeros((DRAWS, confusion.size), np.int64)
    drawn[:, cells] = resample(confusion.ravel()[cells])
    return rates(drawn.reshape(DRAWS, *confusion.shape))
