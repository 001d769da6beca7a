"""How sure a classifier may be: calibrated, and less on pictures unlike those it learned from.

In: logits and features of the training and validation pictures. Out: a temperature for each
picture, by which its logits are divided; it leaves every label as it is. So the confidence itself
tells how familiar a picture is, and serving needs no second output.

Two distances make a picture strange. One is how much further it is from the nearest class than from
all classes together (`Relative`), which finds what lies between the classes or beside them. The
other is how unusual its shallow features are (`Unusual`), colours and textures that no class has.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from weathervane.training.features import Features
from weathervane.training.fit import Labels
from weathervane.training.head import LEAST_DEVIATION, Linear, cross_entropy

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float64]

# Added to the variance of every standardised feature, which is 1 at most: there are more features
# than pictures.
_RIDGE = 1.0
# A distance is counted from the median of the validation pictures, in steps to their 90th
# percentile. A step of both together multiplies the temperature by e to the power of this …
_SLOPE = 0.7
# … within these bounds: what a model says of drawings must still be a decision.
_LEAST_STEPS, _MOST_STEPS = -1.0, 3.0
_TEMPERATURES = np.geomspace(0.05, 50, 400)


class Distance(Protocol):
    """A number for each picture, higher for those less like the pictures of training."""

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """Of features [n, features]: float64 [n]."""

    def join(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """The same in the graph: [n, 1]."""


@dataclass(frozen=True, eq=False)
class Relative:
    """The relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022).

    With one covariance W within classes for both of its parts it needs one number a class only. Let
    m be the classes' means about the common one, p their shares, u = m W⁻¹ x. Less x W⁻¹ x, the
    distance to a class is m W⁻¹ m - 2 u, and that to all of them -u (diag(1/p) + m W⁻¹ m)⁻¹ u, by
    Woodbury's identity.
    """

    scores: Linear  # features to u
    half: Floats  # [classes], half of m W⁻¹ m of each class
    common: Floats  # [classes, classes]; |u @ common|² is what is subtracted for all classes

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """As the protocol says."""
        scores = self.scores(features).astype(np.float64)
        to_all: Floats = ((scores @ self.common) ** 2).sum(axis=1)
        nearest: Floats = (scores - self.half).max(axis=1)
        return to_all - 2 * nearest

    def join(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """As the protocol says."""
        from keras import ops

        scores = _dense(self.scores)(features)
        common = _dense(Linear(self.common, np.zeros(len(self.half))))(scores)
        nearest = ops.max(scores - self.half.astype(np.float32), axis=1, keepdims=True)
        return ops.sum(ops.square(common), axis=1, keepdims=True) - 2.0 * nearest


@dataclass(frozen=True, eq=False)
class Unusual:
    """The Mahalanobis distance of the first features from those of all training pictures."""

    white: Linear  # from the first features to as many without correlations

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """As the protocol says."""
        white = self.white(features[:, : len(self.white.kernel)]).astype(np.float64)
        distance: Floats = np.sqrt((white**2).sum(axis=1))
        return distance

    def join(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """As the protocol says."""
        from keras import ops

        white = _dense(self.white)(features[:, : len(self.white.kernel)])
        return ops.sqrt(ops.sum(ops.square(white), axis=1, keepdims=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaled:
    """A distance in steps."""

    distance: Distance
    median: float  # of validation pictures
    step: float  # from there to their 90th percentile


@dataclass(frozen=True, kw_only=True, eq=False)
class Confidence:
    """Temperatures: ``base``, and more the stranger a picture is."""

    distances: tuple[Scaled, ...]
    base: float

    def temperatures(self, features: NDArray[np.floating]) -> Floats:
        """The temperature of each picture [n], from its features [n, features]."""
        steps = sum((one.distance(features) - one.median) / one.step for one in self.distances)
        temperatures: Floats = self.base * np.exp(
            _SLOPE * np.clip(steps, _LEAST_STEPS, _MOST_STEPS)
        )
        return temperatures

    def join(self, head: Linear, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """Probabilities of ``features``, in the graph: softmax(head / temperature)."""
        from keras import layers, ops

        steps = sum((one.distance.join(features) - one.median) / one.step for one in self.distances)
        cooled = ops.exp(-_SLOPE * ops.clip(steps, _LEAST_STEPS, _MOST_STEPS))
        logits = _dense(Linear(head.kernel / self.base, head.bias / self.base))(features)
        return layers.Softmax()(logits * cooled)


def fit_confidence(
    head: Linear,
    training: tuple[Features, Labels],
    validation: tuple[Features, Labels],
    *,
    shallow: int = 0,
) -> Confidence:
    """Fit distances on training pictures, and how much they count on validation pictures.

    The temperature is the one with the least cross-entropy (Guo et al. 2017, arXiv:1706.04599).

    Args:
        head: features to logits.
        training: features [n, views, features], and labels.
        validation: likewise; the first view counts.
        shallow: how many of the features, the first ones, are near to colour and texture.
    """
    features, labels = np.concatenate(training[0]), np.repeat(training[1], training[0].shape[1])
    checked = validation[0][:, 0]
    distances: list[Distance] = [_fit_relative(features, labels)]
    if shallow:
        distances.append(_fit_unusual(features[:, :shallow]))
    plain = Confidence(distances=tuple(_scaled(one, checked) for one in distances), base=1.0)
    logits = head(checked) / plain.temperatures(checked)[:, None]

    def loss(base: float) -> float:
        return cross_entropy(logits / base, validation[1])

    return replace(plain, base=float(min(_TEMPERATURES, key=loss)))


def _scaled(distance: Distance, features: NDArray[np.floating]) -> Scaled:
    median, high = np.quantile(distance(features), [0.5, 0.9])
    return Scaled(distance=distance, median=float(median), step=max(float(high - median), 1e-6))


def _fit_relative(features: NDArray[np.float32], labels: Labels) -> Relative:
    standard, destandardised = _standard(features)
    classes, of_class = np.unique(labels, return_inverse=True)
    means = np.stack([standard[of_class == one].mean(axis=0) for one in range(len(classes))])
    inverse = np.linalg.solve(_covariance(standard - means[of_class]), means.T)
    gram = means @ inverse
    shares = np.bincount(of_class) / len(labels)
    common = np.linalg.cholesky(np.linalg.inv(np.diag(1 / shares) + gram))
    return Relative(scores=destandardised(inverse), half=np.diag(gram) / 2, common=common)


def _fit_unusual(features: NDArray[np.float32]) -> Unusual:
    standard, destandardised = _standard(features)
    return Unusual(white=destandardised(np.linalg.cholesky(np.linalg.inv(_covariance(standard)))))


def _standard(features: NDArray[np.float32]) -> tuple[Floats, Callable[[Floats], Linear]]:
    """Features without mean and of variance 1, and what a kernel for them is for plain ones."""
    deviation = np.maximum(features.std(axis=0), LEAST_DEVIATION)
    centre = features.mean(axis=0)

    def destandardised(kernel: Floats) -> Linear:
        plain = kernel / deviation[:, None]
        return Linear(plain, -centre @ plain)

    # Differences of nearly equal numbers follow: float32 would not do.
    return ((features - centre) / deviation).astype(np.float64), destandardised


def _covariance(about: Floats) -> Floats:
    covariance: Floats = about.T @ about / len(about) + _RIDGE * np.eye(about.shape[1])
    return covariance


def _dense(linear: Linear) -> "keras.layers.Dense":
    from keras import layers

    made = layers.Dense(len(linear.bias), trainable=False)
    made.build((None, len(linear.kernel)))
    made.set_weights([linear.kernel, linear.bias])
    return made
