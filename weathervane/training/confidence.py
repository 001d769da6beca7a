"""How sure a classifier may be: calibrated, and less on pictures unlike those it learned from.

In: logits and features of the training and validation pictures. Out: a temperature for each
picture, by which its logits are divided; it leaves every label as it is. So the confidence itself
tells how familiar a picture is, and serving needs no second output.

Strangeness is the relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022): how much
further a picture is from the nearest class than from all classes together. With one covariance W
within classes for both, it needs one number a class only. Let m be the classes' means about the
common one, p their shares, u = m W⁻¹ x. Less x W⁻¹ x, the distance to a class is m W⁻¹ m - 2 u, and
that to all of them -u (diag(1/p) + m W⁻¹ m)⁻¹ u, by Woodbury's identity.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weathervane.training.features import Features
from weathervane.training.fit import Labels
from weathervane.training.head import LEAST_DEVIATION, Linear, cross_entropy

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float64]

# Added to the variance within classes of every standardised feature, which is below 1: there are
# more features than pictures.
_RIDGE = 1.0
# Strangeness is counted from the median of the validation pictures, in steps to their 90th
# percentile. A step multiplies the temperature by e to the power of this …
_SLOPE = 1.0
# … for so many steps at most: what a model says of drawings must still be a decision.
_MOST_STEPS = 2.0
_TEMPERATURES = np.geomspace(0.05, 50, 400)


@dataclass(frozen=True, eq=False)
class Strangeness:
    """The distance above: features [n, features] to float64 [n]."""

    scores: Linear  # features to u
    half: Floats  # [classes], half of m W⁻¹ m of each class
    common: Floats  # [classes, classes]; |u @ common|² is what is subtracted for all classes

    def __call__(self, features: NDArray[np.float32]) -> Floats:
        """Higher for pictures less like those of training."""
        scores = self.scores(features).astype(np.float64)
        distance: Floats = ((scores @ self.common) ** 2).sum(axis=1) - 2 * (scores - self.half).max(
            axis=1
        )
        return distance


@dataclass(frozen=True, kw_only=True, eq=False)
class Confidence:
    """Temperatures: ``base``, and more the stranger a picture is."""

    strangeness: Strangeness
    median: float  # of the strangeness of validation pictures
    step: float  # from there to their 90th percentile
    base: float

    def temperatures(self, features: NDArray[np.float32]) -> Floats:
        """The temperature of each picture [n], from its features [n, features]."""
        steps = (self.strangeness(features) - self.median) / self.step
        temperatures: Floats = self.base * np.exp(_SLOPE * np.clip(steps, 0, _MOST_STEPS))
        return temperatures

    def join(self, head: Linear, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """Probabilities of ``features``, in the graph: softmax(head / temperature)."""
        from keras import layers, ops

        def linear(kernel: NDArray[Any], bias: NDArray[Any], name: str) -> "keras.layers.Dense":
            made = layers.Dense(kernel.shape[1], trainable=False, name=name)
            made.build((None, kernel.shape[0]))
            made.set_weights([kernel, bias])
            return made

        strange = self.strangeness
        nothing = np.zeros(len(strange.half))
        scores = linear(strange.scores.kernel, strange.scores.bias, "scores")(features)
        common = linear(strange.common, nothing, "common")(scores)
        nearest = ops.max(scores - strange.half.astype(np.float32), axis=1, keepdims=True)
        distance = ops.sum(ops.square(common), axis=1, keepdims=True) - 2.0 * nearest
        steps = ops.clip((distance - self.median) / self.step, 0.0, _MOST_STEPS)
        logits = linear(head.kernel / self.base, head.bias / self.base, "logits")(features)
        return layers.Softmax(name="probabilities")(logits * ops.exp(-_SLOPE * steps))


def fit_confidence(
    head: Linear, training: tuple[Features, Labels], validation: tuple[Features, Labels]
) -> Confidence:
    """Fit strangeness on training pictures, and how much it counts on validation pictures.

    The temperature is the one with the least cross-entropy (Guo et al. 2017, arXiv:1706.04599).
    """
    views = training[0].shape[1]
    strangeness = _fit_strangeness(np.concatenate(training[0]), np.repeat(training[1], views))
    features, labels = validation[0][:, 0], validation[1]
    median, high = np.quantile(strangeness(features), [0.5, 0.9])
    relative = Confidence(
        strangeness=strangeness,
        median=float(median),
        step=max(float(high - median), 1e-6),
        base=1.0,
    )
    logits = head(features) / relative.temperatures(features)[:, None]
    base = min(_TEMPERATURES, key=lambda one: cross_entropy(logits / one, labels))
    return Confidence(
        strangeness=strangeness, median=relative.median, step=relative.step, base=float(base)
    )


def _fit_strangeness(features: NDArray[np.float32], labels: Labels) -> Strangeness:
    deviation = np.maximum(features.std(axis=0), LEAST_DEVIATION)
    centre = features.mean(axis=0)
    # Differences of nearly equal numbers follow: float32 would not do.
    standard = ((features - centre) / deviation).astype(np.float64)
    classes, of_class = np.unique(labels, return_inverse=True)
    means = np.stack([standard[of_class == one].mean(axis=0) for one in range(len(classes))])
    within = standard - means[of_class]
    covariance = within.T @ within / len(within) + _RIDGE * np.eye(len(centre))
    inverse = np.linalg.solve(covariance, means.T)  # [features, classes]
    gram = means @ inverse
    shares = np.bincount(of_class) / len(labels)
    common = np.linalg.cholesky(np.linalg.inv(np.diag(1 / shares) + gram))
    kernel = inverse / deviation[:, None]
    return Strangeness(
        scores=Linear(kernel, -centre @ kernel), half=np.diag(gram) / 2, common=common
    )
