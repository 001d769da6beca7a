"""What is learned from pictures: a network that makes features of them, and a head behind it.

A backbone that has weights stays as it is: its features are computed once, and a head is trained on
them; then its last layers may learn on, with the head. Without weights the whole network is
trained. Whatever sees pictures sees them augmented.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.lean import import_tensorflow
from weathervane.training.architectures import ARCHITECTURES
from weathervane.training.augmentation import Pictures, augmenter
from weathervane.training.cache import Cache
from weathervane.training.features import Features, compute, leaf_layers
from weathervane.training.fit import fit
from weathervane.training.head import Linear, train_head
from weathervane.training.record import Curves

if TYPE_CHECKING:
    import keras

# Share of the features that each step of training ignores when a whole network learns.
_DROPOUT = 0.2
_CHUNK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """A classifier in its parts, and what its features are on the pictures that it learned from."""

    network: "keras.Model"  # uint8 [n, size, size, 3] to float32 [n, features]
    head: Linear  # features to logits
    curves: Curves
    training: Features
    validation: Features


def learn(
    dataset: Dataset,
    config: TrainConfig,
    *,
    cache: Cache,
    training: str,
    progress: Callable[[str], None],
    watch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Learned:
    """Learn as ``config`` says.

    Args:
        dataset: splits ``train`` and ``validation`` are used.
        config: how; a head is trained when it has weights.
        cache: for features, and for how far this training has come.
        training: a digest of all that determines the outcome.
        progress: told one line at a time.
        watch: given the epochs of a network that learns whole, as `fit` does.
    """
    import_tensorflow()
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    network = ARCHITECTURES[config.architecture].features(dataset.size, config.weights)
    if config.weights is None:
        head, curves = _fit_whole(
            network,
            dataset,
            config,
            progress=progress,
            state=cache.progress(training),
            watch=watch,
        )
    else:
        features = frozen_features(network, dataset, cache=cache, progress=progress)
        head, curves = train_head(
            *features,
            classes=len(dataset.classes),
            config=config,
            progress=progress,
        )
        if not config.unfrozen_layers:
            (seen, _), (checked, _) = features
            return Learned(
                network=network, head=head, curves=curves, training=seen, validation=checked
            )
        head, curves = _fit_top(
            network,
            head,
            curves,
            dataset,
            config,
            progress=progress,
            state=cache.progress(f"{training}-top"),
        )
    return Learned(
        network=network,
        head=head,
        curves=curves,
        training=_forward(network, dataset.arrays("train")[0]),
        validation=_forward(network, dataset.arrays("validation")[0]),
    )


def frozen_features(
    network: "keras.Model", dataset: Dataset, *, cache: Cache, progress: Callable[[str], None]
) -> tuple[tuple[Features, NDArray[np.int64]], tuple[Features, NDArray[np.int64]]]:
    """Features and labels of the splits train and validation, as `train_head` takes them."""
    splits = [(dataset.arrays(name), dataset.digests(name)) for name in ("train", "validation")]
    # One by one, as they are mapped from the disk.
    pictures = [picture for (pictures, _), _ in splits for picture in pictures]
    digests = [digest for _, digests in splits for digest in digests]
    features = compute(network, pictures, digests, cache=cache, progress=progress)
    (_, learned), (_, checked) = splits[0][0], splits[1][0]
    return (features[: len(learned)], learned), (features[len(learned) :], checked)


def _fit_whole(
    network: "keras.Model",
    dataset: Dataset,
    config: TrainConfig,
    *,
    progress: Callable[[str], None],
    state: Path | None,
    watch: Callable[[int, float], None],
) -> tuple[Linear, Curves]:
    import keras

    thinned = keras.layers.Dropout(_DROPOUT)(network.output)
    head = keras.layers.Dense(len(dataset.classes), activation="softmax")
    curves = fit(
        keras.Model(network.input, head(thinned)),
        dataset.arrays("train"),
        dataset.arrays("validation"),
        config=config,
        progress=progress,
        augment=augmenter(dataset.size, config.seed),
        state=state,
        watch=watch,
    )
    return Linear(*head.get_weights()), curves


def _fit_top(
    network: "keras.Model",
    learned: Linear,
    before: Curves,
    dataset: Dataset,
    config: TrainConfig,
    *,
    progress: Callable[[str], None],
    state: Path | None,
) -> tuple[Linear, Curves]:
    """Let the last layers learn on, and the head with them; what makes it worse is undone."""
    import keras

    learning = [
        layer
        for layer in leaf_layers(network)
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ][-config.unfrozen_layers :]
    for layer in leaf_layers(network):
        # A frozen batch norm also keeps to the averages that it has.
        layer.trainable = layer in learning
    head = keras.layers.Dense(len(learned.bias), activation="softmax")
    model = keras.Model(network.input, head(network.output))
    head.set_weights([learned.kernel, learned.bias])
    untouched = model.get_weights()
    after = fit(
        model,
        dataset.arrays("train"),
        dataset.arrays("validation"),
        config=replace(config, learning_rate=config.unfrozen_learning_rate),
        progress=progress,
        augment=augmenter(dataset.size, config.seed),
        state=state,
    )
    if min(after.validation_loss) >= min(before.validation_loss):
        progress(f"{config.architecture}: its last layers learned nothing more")
        model.set_weights(untouched)
    return Linear(*head.get_weights()), before.followed_by(after)


def _forward(network: "keras.Model", pictures: Pictures) -> Features:
    import tensorflow as tf

    # Not `predict`: it traces the graph again for every last, smaller batch.
    run = tf.function(
        lambda batch: network(batch, training=False),
        input_signature=[tf.TensorSpec((None, *pictures.shape[1:]), tf.uint8)],
    )
    parts = [
        run(tf.constant(pictures[start : start + _CHUNK])).numpy()
        for start in range(0, len(pictures), _CHUNK)
    ]
    return np.concatenate(parts)[:, None]
