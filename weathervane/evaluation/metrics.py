"""Figures of a classifier on labelled pictures. Arrays in, plain numbers out.

Definitions are scikit-learn's, except for the calibration error, whose source is given there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
class Figures:
    """How well the labels were found, and how honest the probabilities are."""

    pictures: int
    accuracy: float
    balanced_accuracy: float  # mean recall of the classes
    macro_f1: float  # mean F1 of the classes
    log_loss: float  # natural logarithm
    ece: float  # expected calibration error
    classes: Mapping[str, ClassFigures]
    # Rows are labels, columns predictions, both in the order of ``classes``.
    confusion: tuple[tuple[int, ...], ...]


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
        ValueError: when there is no picture, shapes do not fit, or a probability is not finite.
    """
    from sklearn import metrics

    if probabilities.shape != (len(labels), len(classes)) or not len(labels):
        raise ValueError(
            f"probabilities must be [{len(labels)}, {len(classes)}] for at least one picture, "
            f"got {list(probabilities.shape)}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite")
    every = list(range(len(classes)))
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0.0
    )
    confusion = metrics.confusion_matrix(labels, predicted, labels=every)
    # Rows that add up to one but for rounding; a float32 softmax misses it by 1e-7.
    shares = probabilities.astype(np.float64)
    shares = np.clip(shares, 1e-15, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    return Figures(
        pictures=len(labels),
        accuracy=float((predicted == labels).mean()),
        balanced_accuracy=float(recall[support > 0].mean()),
        macro_f1=float(f1[support > 0].mean()),
        log_loss=float(metrics.log_loss(labels, shares, labels=every)),
        ece=calibration_error(labels, probabilities),
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
    )


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Mean distance of confidence and accuracy over bins of equal mass.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning" (AAAI 2015), with bins of equal mass as in Nixon et al., "Measuring Calibration in
    Deep Learning" (2019): bins of equal width are mostly empty for a classifier that is sure.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    edges = np.linspace(0, len(labels), _CALIBRATION_BINS + 1).round().astype(int)
    gaps = [
        abs(confidence[order[start:end]].mean() - right[order[start:end]].mean()) * (end - start)
        for start, end in pairwise(edges)
        if end > start
    ]
    return float(sum(gaps) / len(labels))
