"""A linear head on the features of a frozen backbone.

In: features, as `features.compute` gives them. Out: a kernel and a bias that belong behind the
backbone. It learns from mirror images as well, and is checked on pictures as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.training.features import Features
from weathervane.training.fit import Labels, fit
from weathervane.training.record import Curves

# Features that hardly vary in training must not explode on a picture in which they do.
LEAST_DEVIATION = 1e-3


@dataclass(frozen=True, eq=False)
class Linear:
    """features @ kernel + bias."""

    kernel: NDArray[np.float32]  # [features, outputs]
    bias: NDArray[np.float32]  # [outputs]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs [n, outputs] of features [n, features]."""
        outputs: NDArray[np.float32] = features @ self.kernel + self.bias
        return outputs


def train_head(
    training: tuple[Features, Labels],
    validation: tuple[Features, Labels],
    *,
    classes: int,
    config: TrainConfig,
    progress: Callable[[str], None],
    state: Path | None = None,
    watch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> tuple[Linear, Curves]:
    """Train a softmax regression; the arguments are those of `fit`.

    Returns:
        The head, from features as they are to logits [n, classes], and its curves.
    """
    import keras

    views = training[0].shape[1]
    features = np.concatenate(training[0])
    labels = np.repeat(training[1], views)
    mean = features.mean(axis=0)
    deviation = np.maximum(features.std(axis=0), LEAST_DEVIATION)
    head = keras.layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(config.head_penalty),
    )
    curves = fit(
        keras.Sequential([keras.Input(mean.shape), head]),
        ((features - mean) / deviation, labels),
        ((validation[0][:, 0] - mean) / deviation, validation[1]),
        config=config,
        progress=progress,
        state=state,
        watch=watch,
    )
    # What follows does without the standardisation: it is part of the weights.
    kernel, bias = head.get_weights()
    kernel = kernel / deviation[:, None]
    return Linear(kernel, bias - mean @ kernel), curves
