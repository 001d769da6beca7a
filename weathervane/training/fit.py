"""The one way to fit: batches in, the weights of the best epoch left in the model.

Used alike for whole networks and for the top of a backbone; heads take the same batches.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.training.course import Course
from weathervane.training.record import Curves

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Inputs = NDArray[Any]  # pictures or features, [n, …]
Labels = NDArray[np.int64]  # [n]
# Changes one batch; the number says how, and the same number changes it in the same way.
Augment = Callable[[Inputs, int], Inputs]

# An epoch of few pictures goes through them several times, each time changed otherwise: it takes
# hundreds of steps to learn anything, however few the pictures are.
_LEAST_STEPS = 32
_WEIGHT_DECAY = 0.01
# What Keras calls the figures of an epoch.
_LOGS = {
    "cross_entropy": "loss",
    "accuracy": "accuracy",
    "val_cross_entropy": "validation_loss",
    "val_accuracy": "validation_accuracy",
}
# Batches that are made while the network learns from another.
_AHEAD = 2


def fit(
    model: "keras.Model",
    training: tuple[Inputs, Labels],
    validation: tuple[Inputs, Labels],
    *,
    config: TrainConfig,
    progress: Callable[[str], None],
    augment: Augment | None = None,
    state: Path | None = None,
    watch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Curves:
    """Fit ``model`` (inputs to probabilities) with AdamW and early stopping.

    On return the model has the weights of the epoch with the lowest cross-entropy on
    ``validation``. What an epoch sees follows from ``config.seed`` and its number, all else from
    Keras' seed: a training that goes on from its ``state`` ends as if it had never stopped.

    Args:
        model: probabilities over the classes as its only output.
        training: inputs and labels.
        validation: likewise.
        config: how.
        progress: told one line an epoch.
        augment: changes each training batch.
        state: a file that says after each epoch how far this training has come; begun from it
            when it is there. Its name must stand for everything that determines the training.
        watch: given each epoch's number, from 1, and its loss on ``validation``; may raise.
    """
    inputs, labels = training
    steps = steps_an_epoch(len(labels), config)
    _compile(model, config, steps)
    course = Course.resumed(model, state)
    shown = _dataset(
        # Asked anew at each epoch.
        lambda: batches(training, config, epoch=course.epochs, steps=steps, augment=augment),
        (inputs, labels, class_weights(labels)),
        steps,
    )
    checked = _dataset(
        lambda: _in_order(validation, config.batch_size),
        validation,
        -(-len(validation[1]) // config.batch_size),
    )
    begun, started = course.epochs, time.monotonic()
    while course.goes_on(config):
        logs = model.fit(
            shown,
            steps_per_epoch=steps,
            shuffle=False,  # `batches` has shuffled
            validation_data=checked,
            verbose=0,
        ).history
        figures = {
            figure: values[0] for name, values in logs.items() if (figure := _LOGS.get(name))
        }
        course.add(figures, model.get_weights)
        course.write(model, state)
        progress(course.line(config, (time.monotonic() - started) / (course.epochs - begun)))
        watch(course.epochs, course.validation_loss[-1])
    model.set_weights(course.best)
    return course.curves()


def _compile(model: "keras.Model", config: TrainConfig, steps: int) -> None:
    import keras

    rate = (
        keras.optimizers.schedules.CosineDecay(config.learning_rate, steps * config.epochs)
        if config.schedule == "cosine"
        else config.learning_rate
    )
    classes = model.output_shape[1]
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY),
        _cross_entropy(classes, config.label_smoothing),
        # The loss weighs classes and holds penalties; curves are of the plain cross-entropy.
        # Not by name: what Keras makes while it traces the step, it traces the step again for.
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy"),
        ],
        jit_compile=False,  # compiling costs more than it saves in a training of minutes
    )
    model.optimizer.build(model.trainable_variables)  # so that its state can be put back


def _cross_entropy(classes: int, smoothing: float) -> Callable[[Any, Any], Any]:
    """With ``smoothing``, that share of each label is spread over all classes.

    Szegedy et al., "Rethinking the Inception Architecture", 2016. Keras smooths labels of one
    column a class only.
    """
    import keras

    def loss(labels: Any, probabilities: Any) -> Any:  # noqa: ANN401  Keras' tensors
        shares = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), classes)
        return keras.losses.categorical_crossentropy(
            shares, probabilities, label_smoothing=smoothing
        )

    return loss


def _dataset(
    batches: Callable[[], Iterator[tuple[NDArray[Any], ...]]],
    like: tuple[NDArray[Any], ...],
    count: int,
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


def steps_an_epoch(pictures: int, config: TrainConfig) -> int:
    """How many batches an epoch has."""
    return max(-(-pictures // config.batch_size), _LEAST_STEPS)


def batches(
    data: tuple[Inputs, Labels],
    config: TrainConfig,
    *,
    epoch: int,
    steps: int,
    augment: Augment | None = None,
) -> Iterator[tuple[Inputs, Labels, NDArray[np.float32]]]:
    """The batches of one epoch, which follow from the seed and its number."""
    inputs, labels = data
    weights = class_weights(labels)
    if config.balance != "weights":
        weights = np.ones_like(weights)
    random = np.random.default_rng([config.seed, epoch])
    step = 0
    while True:
        order = _order(labels, config, random)
        for start in range(0, len(order), config.batch_size):
            if step == steps:
                return
            chosen = order[start : start + config.batch_size]
            batch = inputs[chosen]
            if augment:
                batch = augment(batch, epoch * steps + step)
            yield batch, labels[chosen], weights[labels[chosen]]
            step += 1


def _order(labels: Labels, config: TrainConfig, random: np.random.Generator) -> NDArray[np.int64]:
    """Places of pictures, one pass: each once, or, when sampled, each class as often as any."""
    if config.balance != "sampling":
        return random.permutation(len(labels))
    share = class_weights(labels)[labels].astype(np.float64)
    # numpy's own dice, not the module of that name.
    return random.choice(len(labels), len(labels), p=share / share.sum())  # nosec B311


def class_weights(labels: Labels) -> NDArray[np.float32]:
    """By label; the pictures of each class weigh the same together, and a picture 1 on average."""
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)
