"""Figures of a classifier on labelled pictures. Arrays in, plain numbers out.

Definitions are scikit-learn's, except where a source is given. Its import takes seconds, so the
tests compare with it, and steps do without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weathervane.evaluation.confusion import bootstrap, count, rates
from weathervane.evaluation.roc import Roc, roc

_CALIBRATION_BINS = 10
_CHANCE_DRAWS = 200
# Of the intervals.
_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a figure may be, with 95 % confidence: percentiles of the bootstrap."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class against all others."""

    precision: float  # 0 when the class was never predicted
    recall: float
    f1: float
    support: int  # pictures that carry the label
    # By the names above. The bootstrap says nothing about a class without pictures.
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Pictures of like confidence, and how often they were said rightly."""

    confidence: float  # mean
    accuracy: float
    pictures: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How well the labels were found, and how honest the probabilities are."""

    pictures: int
    accuracy: float
    balanced_accuracy: float  # mean recall of the classes
    macro_f1: float  # mean F1 of the classes
    log_loss: float  # natural logarithm
    ece: float  # expected calibration error
    # What it would be of a model as sure as this and rightly so, on as many pictures.
    ece_by_chance: float = 0.0
    unanswered: float = 0.0  # share of the pictures for which a probability was not finite
    classes: Mapping[str, ClassFigures]
    # Rows are labels, columns predictions, both in the order of ``classes``.
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...] = ()  # from the least confidence to the greatest
    roc: Roc | None = None  # None when all pictures carry one label
    # Of accuracy, balanced_accuracy and macro_f1, by these names.
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def measure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> Figures:
    """Measure a classifier.

    Args:
        labels: int64 [n], places in ``classes``.
        probabilities: float32 [n, classes].
        classes: names, in the order of the probabilities.

    Raises:
        ValueError: when there is no picture, or shapes do not fit.
    """
    if probabilities.shape != (len(labels), len(classes)) or not len(labels):
        raise ValueError(
            f"probabilities must be [{len(labels)}, {len(classes)}] for at least one picture, "
            f"got {list(probabilities.shape)}"
        )
    shares = settle(probabilities)
    confusion = count(labels, shares.argmax(axis=1), len(classes))
    found, drawn = rates(confusion), bootstrap(confusion)
    bins = reliability(labels, shares)
    support = confusion.sum(axis=1)
    return Figures(
        pictures=len(labels),
        accuracy=float(found.accuracy),
        balanced_accuracy=float(found.balanced_accuracy),
        macro_f1=float(found.macro_f1),
        log_loss=float(-np.log(shares[np.arange(len(labels)), labels]).mean()),
        ece=calibration_error(bins),
        ece_by_chance=_calibration_error_by_chance(shares),
        unanswered=float(1 - np.isfinite(probabilities).all(axis=1).mean()),
        classes={
            name: ClassFigures(
                precision=float(found.precision[i]),
                recall=float(found.recall[i]),
                f1=float(found.f1[i]),
                support=int(support[i]),
                intervals={
                    "precision": _interval(drawn.precision[:, i]),
                    "recall": _interval(drawn.recall[:, i]),
                    "f1": _interval(drawn.f1[:, i]),
                },
            )
            for i, name in enumerate(classes)
        },
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        reliability=bins,
        roc=roc(labels, shares),
        intervals={
            "accuracy": _interval(drawn.accuracy),
            "balanced_accuracy": _interval(drawn.balanced_accuracy),
            "macro_f1": _interval(drawn.macro_f1),
        },
    )


def _interval(drawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    return Interval(low=float(low), high=float(high))


def settle(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Make the rows of [n, classes] add up to 1, which a float32 softmax misses by 1e-7.

    A row that is not finite becomes one that knows nothing: all classes alike.
    """
    shares = probabilities.astype(np.float64)
    shares[~np.isfinite(shares).all(axis=1)] = 1
    shares = np.clip(shares, 1e-15, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def reliability(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> tuple[Bin, ...]:
    """Bins of equal mass by confidence, which is the probability of the class that was said.

    Bins of equal width are mostly empty for a classifier that is sure (Nixon et al., "Measuring
    Calibration in Deep Learning", 2019). Equal confidences are dealt out by a fixed chance: in
    the order of the pictures, a bin would hold a single class.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    dealt = np.random.default_rng(0).permutation(len(labels))
    parts = np.array_split(np.lexsort((dealt, confidence)), _CALIBRATION_BINS)
    return tuple(
        Bin(
            confidence=float(confidence[part].mean()),
            accuracy=float(right[part].mean()),
            pictures=len(part),
        )
        for part in parts
        if len(part)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of confidence and accuracy over bins, weighed by their pictures.

    The expected calibration error of Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning" (AAAI 2015).
    """
    gaps = [abs(one.confidence - one.accuracy) * one.pictures for one in bins]
    return sum(gaps) / sum(one.pictures for one in bins)


def _calibration_error_by_chance(probabilities: NDArray[np.float64]) -> float:
    """The mean error of a calibrated model: its bins are off because their pictures are few.

    Consistency resampling of Bröcker and Smith, "Increasing the Reliability of Reliability
    Diagrams" (2007): each picture is said rightly with just the probability that was told.
    """
    confidence = np.sort(probabilities.max(axis=1))
    right = np.random.default_rng(0).random((_CHANCE_DRAWS, len(confidence))) < confidence
    gaps = [
        np.abs((right[:, part] - confidence[part]).sum(axis=1))
        for part in np.array_split(np.arange(len(confidence)), _CALIBRATION_BINS)
    ]
    return float(sum(gaps).mean() / len(confidence))
