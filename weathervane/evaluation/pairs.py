"""Two models on the same pictures: what one loses against the other, and whether by chance.

In: labels and both models' predictions [n], places in the list of classes, picture by picture. Out:
exact p-values, and losses with intervals. Pure: the bootstrap draws the same samples each time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weathervane.evaluation.confusion import rates, resample


@dataclass(frozen=True, kw_only=True)
class Loss:
    """How much lower a figure is than the other model's, and between which bounds it may be."""

    loss: float
    low: float
    high: float


def chance_of_losses(labels: ArrayLike, ours: ArrayLike, theirs: ArrayLike) -> float:
    """Exact one-sided McNemar (1947): of the pictures that only one finds, who finds how many.

    The chance of as many losses or more, if neither model is better; 1 when they find the same.
    """
    from scipy.stats import binom

    wanted = np.asarray(labels)
    found, theirs_found = np.asarray(ours) == wanted, np.asarray(theirs) == wanted
    losses, gains = int((theirs_found & ~found).sum()), int((found & ~theirs_found).sum())
    return float(binom.sf(losses - 1, losses + gains, 0.5)) if losses else 1.0


def macro_f1_loss(
    labels: ArrayLike, ours: ArrayLike, theirs: ArrayLike, *, classes: int, significance: float
) -> Loss:
    """What ``ours`` loses of macro F1, by paired bootstrap over the pictures.

    Args:
        labels: [n].
        ours: [n], predictions.
        theirs: [n], the other model's.
        classes: how many there are.
        significance: the chance that the true loss is below ``low``, and that it is above
            ``high``. Percentiles of the bootstrap (Efron and Tibshirani, 1993, chapter 13).
    """
    places = np.asarray(labels), np.asarray(ours), np.asarray(theirs)
    shape = (classes,) * 3
    cells, counts = np.unique(np.ravel_multi_index(places, shape), return_counts=True)

    def macro_f1(number: NDArray[np.integer], whose: int) -> NDArray[np.float64]:
        label, *answers = np.unravel_index(cells, shape)
        into = np.zeros((len(cells), classes**2), np.int64)
        into[np.arange(len(cells)), label * classes + answers[whose]] = 1
        return rates((number @ into).reshape(*number.shape[:-1], classes, classes)).macro_f1

    drawn = resample(counts)
    losses = macro_f1(drawn, 1) - macro_f1(drawn, 0)
    low, high = np.quantile(losses, (significance, 1 - significance))
    return Loss(
        loss=float(macro_f1(counts, 1) - macro_f1(counts, 0)), low=float(low), high=float(high)
    )
