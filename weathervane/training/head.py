"""A linear head on the features of a frozen backbone, which are computed once.

In: a backbone and pictures. Out: the whole classifier, pictures to probabilities. The pictures'
mirror images are trained on as well; other changes are left out, for each would cost a pass through
the backbone.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.training.augmentation import Pictures, mirrored
from weathervane.training.fit import Labels, fit
from weathervane.training.record import Curves

if TYPE_CHECKING:
    import keras

# Penalty on the squared weights over standardised features. On photographs of five weathers, 0.01
# to 0.1 do equally well.
_PENALTY = 0.03
# Features that hardly vary in training must not explode on a picture in which they do.
_LEAST_DEVIATION = 1e-3
_CHUNK = 64


def train_head(
    backbone: "keras.Model",
    training: tuple[Pictures, Labels],
    validation: tuple[Pictures, Labels],
    *,
    classes: int,
    config: TrainConfig,
    progress: Callable[[str], None],
) -> tuple["keras.Model", Curves]:
    """Train a softmax regression on the features of ``backbone``, and join the two.

    Returns:
        The model from pictures to probabilities [n, classes], and the head's curves.
    """
    import keras

    pictures, labels = training
    say = _countdown(2 * len(pictures) + len(validation[0]), config.architecture, progress)
    features = np.concatenate(
        [_features(backbone, pictures, say), _features(backbone, mirrored(pictures), say)]
    )
    checked = _features(backbone, validation[0], say)
    mean = features.mean(axis=0)
    deviation = np.maximum(features.std(axis=0), _LEAST_DEVIATION)

    head = keras.layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(_PENALTY),
    )
    curves = fit(
        keras.Sequential([keras.Input(mean.shape), head]),
        ((features - mean) / deviation, np.concatenate([labels, labels])),
        ((checked - mean) / deviation, validation[1]),
        config=config,
        progress=progress,
    )
    # The joined model does without the standardisation: it is part of the weights.
    kernel, bias = head.get_weights()
    joined = keras.layers.Dense(classes, activation="softmax")
    model = keras.Model(backbone.input, joined(backbone.output))
    kernel = kernel / deviation[:, None]
    joined.set_weights([kernel, bias - mean @ kernel])
    return model, curves


def _features(
    backbone: "keras.Model", pictures: Pictures, say: Callable[[int], None]
) -> NDArray[np.float32]:
    import tensorflow as tf

    # Not `predict`: it traces the graph again for every last, smaller batch.
    run = tf.function(
        lambda batch: backbone(batch, training=False),
        input_signature=[tf.TensorSpec((None, *pictures.shape[1:]), tf.uint8)],
    )
    parts = []
    for start in range(0, len(pictures), _CHUNK):
        chunk = pictures[start : start + _CHUNK]
        parts.append(run(tf.constant(chunk)).numpy())
        say(len(chunk))
    return np.concatenate(parts)


def _countdown(
    total: int, architecture: str, progress: Callable[[str], None]
) -> Callable[[int], None]:
    started = time.monotonic()
    done = 0

    def say(more: int) -> None:
        nonlocal done
        done += more
        left = (time.monotonic() - started) / done * (total - done)
        progress(f"{architecture} features: {done} of {total} pictures, {left:.0f} s left")

    return say
