"""The one way to fit: batches in, the weights of the best epoch left in the model.

Used alike for whole networks on pictures and for heads on features.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.training.record import Curves

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Inputs = NDArray[Any]  # pictures or features, [n, …]
Labels = NDArray[np.int64]  # [n]

# An epoch of few pictures goes through them several times, each time changed otherwise: it takes
# hundreds of steps to learn anything, however few the pictures are.
_LEAST_STEPS = 32
_WEIGHT_DECAY = 0.01
# Batches that are made while the network learns from another.
_AHEAD = 2


def fit(
    model: "keras.Model",
    training: tuple[Inputs, Labels],
    validation: tuple[Inputs, Labels],
    *,
    config: TrainConfig,
    progress: Callable[[str], None],
    augment: Callable[[Inputs], Inputs] | None = None,
) -> Curves:
    """Fit ``model`` (inputs to probabilities) with AdamW, cosine decay and early stopping.

    Classes weigh the same, however many pictures each has. On return the model has the weights of
    the epoch with the lowest cross-entropy on ``validation``. The order of the pictures follows
    from ``config.seed``, all else from Keras' seed.
    """
    import keras

    inputs, labels = training
    steps = max(-(-len(labels) // config.batch_size), _LEAST_STEPS)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(config.learning_rate, steps * config.epochs),
            weight_decay=_WEIGHT_DECAY,
        ),
        "sparse_categorical_crossentropy",
        # The loss weighs classes and holds penalties; curves are of the plain cross-entropy.
        metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")],
        jit_compile=False,  # compiling costs more than it saves in a training of minutes
    )
    started = time.monotonic()

    def report(epoch: int, logs: dict[str, float]) -> None:
        left = (time.monotonic() - started) / (epoch + 1) * (config.epochs - epoch - 1)
        progress(
            f"{config.architecture} epoch {epoch + 1}/{config.epochs}: "
            f"loss {logs['cross_entropy']:.3f}, validation loss {logs['val_cross_entropy']:.3f}, "
            f"validation accuracy {logs['val_accuracy']:.3f}, {left:.0f} s left"
        )

    history = model.fit(
        _dataset(
            lambda: _batches(inputs, labels, config, augment),
            (inputs, labels, _class_weights(labels)),
        ),
        steps_per_epoch=steps,
        shuffle=False,  # `_batches` has shuffled
        epochs=config.epochs,
        validation_data=_dataset(
            lambda: _in_order(validation, config.batch_size),
            validation,
            -(-len(validation[1]) // config.batch_size),
        ),
        callbacks=[
            keras.callbacks.EarlyStopping(
                "val_cross_entropy",
                mode="min",
                patience=config.patience,
                restore_best_weights=True,
            ),
            keras.callbacks.LambdaCallback(on_epoch_end=report),
        ],
        verbose=0,
    ).history
    return Curves(
        loss=tuple(map(float, history["cross_entropy"])),
        accuracy=tuple(map(float, history["accuracy"])),
        validation_loss=tuple(map(float, history["val_cross_entropy"])),
        validation_accuracy=tuple(map(float, history["val_accuracy"])),
    )


def _dataset(
    batches: Callable[[], Iterator[tuple[NDArray[Any], ...]]],
    like: tuple[NDArray[Any], ...],
    count: int = -1,  # tf.data.INFINITE_CARDINALITY
) -> "tf.data.Dataset":
    """What Keras makes of a generator or of arrays, but for the tuning of its buffers.

    The end of a dataset waits for its tuner, which sleeps for up to a minute at a time
    (TensorFlow's core/data/root_dataset.cc and core/framework/model.cc).
    """
    import tensorflow as tf

    signature = tuple(tf.TensorSpec((None, *one.shape[1:]), one.dtype) for one in like)
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    counted = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return counted.prefetch(_AHEAD).with_options(untuned)


def _in_order(data: tuple[Inputs, Labels], size: int) -> Iterator[tuple[Inputs, Labels]]:
    inputs, labels = data
    for start in range(0, len(labels), size):
        yield inputs[start : start + size], labels[start : start + size]


def _batches(
    inputs: Inputs,
    labels: Labels,
    config: TrainConfig,
    augment: Callable[[Inputs], Inputs] | None,
) -> Iterator[tuple[Inputs, Labels, NDArray[np.float32]]]:
    weights = _class_weights(labels)
    random = np.random.default_rng(config.seed)
    while True:
        order = random.permutation(len(labels))
        for start in range(0, len(order), config.batch_size):
            chosen = order[start : start + config.batch_size]
            batch = inputs[chosen]
            yield augment(batch) if augment else batch, labels[chosen], weights[labels[chosen]]


def _class_weights(labels: Labels) -> NDArray[np.float32]:
    """By label; the pictures of each class weigh the same together, and a picture 1 on average."""
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)
