"""Figures of a classifier on labelled pictures. Arrays in, plain numbers out.

Definitions are scikit-learn's, except for the calibration error, whose source is given there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CALIBRATION_BINS = 10


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class against all others."""

    precision: float  # 0 when the class was never predicted
    recall: float
    f1: float
    support: int  # pictures that carry the label


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
    unanswered: float = 0.0  # share of the pictures for which a probability was not finite
    classes: Mapping[str, ClassFigures]
    # Rows are labels, columns predictions, both in the order of ``classes``.
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...] = ()  # from the least confidence to the greatest


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One model on the test pictures of one version of the data."""

    name: str
    data_digest: str
    figures: Figures
    # Places in the list of classes, in the order of the test pictures: what pairs two models.
    labels: tuple[int, ...]
    predicted: tuple[int, ...]
    # Of one picture through the SavedModel's signature, in seconds. The predictor's engine is
    # quicker; a graph that is slow here is slow there.
    latency_p50_seconds: float
    latency_p95_seconds: float
    size_mebibytes: float  # of the SavedModel's files


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
    from sklearn import metrics

    if probabilities.shape != (len(labels), len(classes)) or not len(labels):
        raise ValueError(
            f"probabilities must be [{len(labels)}, {len(classes)}] for at least one picture, "
            f"got {list(probabilities.shape)}"
        )
    every = list(range(len(classes)))
    shares = settle(probabilities)
    predicted = shares.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0.0
    )
    confusion = metrics.confusion_matrix(labels, predicted, labels=every)
    bins = reliability(labels, shares)
    return Figures(
        pictures=len(labels),
        accuracy=float((predicted == labels).mean()),
        balanced_accuracy=float(recall[support > 0].mean()),
        macro_f1=float(f1[support > 0].mean()),
        log_loss=float(metrics.log_loss(labels, shares, labels=every)),
        ece=calibration_error(bins),
        unanswered=float(1 - np.isfinite(probabilities).all(axis=1).mean()),
        classes={
            name: ClassFigures(
                precision=float(precision[i]),
                recall=float(recall[i]),
                f1=float(f1[i]),
                support=int(support[i]),
            )
            for i, name in enumerate(classes)
        },
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        reliability=bins,
    )


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
    Calibration in Deep Learning", 2019).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(confidence, kind="stable"), _CALIBRATION_BINS)
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
