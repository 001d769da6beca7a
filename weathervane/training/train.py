"""A dataset in, one candidate out: a SavedModel and the record of its training.

A backbone that has weights stays as it is, and a head is trained on its features. Without weights
the whole network is trained, on augmented pictures.
"""

import hashlib
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.errors import UsageError
from weathervane.folders import new_folder
from weathervane.training.architectures import ARCHITECTURES
from weathervane.training.architectures.backbone import IMAGENET
from weathervane.training.augmentation import augmenter
from weathervane.training.export import export
from weathervane.training.fit import fit
from weathervane.training.head import train_head
from weathervane.training.record import Curves, TrainingRecord

if TYPE_CHECKING:
    import keras

# Share of the features that each step of training ignores when a whole network learns.
_DROPOUT = 0.2

# What the figures depend on. TensorFlow has one of two names.
_VERSIONED = (
    *("weathervane", "tensorflow-cpu", "tensorflow", "keras", "numpy"),
    *("opencv-python-headless", "albumentations"),
)


def train(
    dataset: Dataset,
    config: TrainConfig,
    out: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> TrainingRecord:
    """Train ``config.architecture`` and write ``out/model/`` and ``out/training.json``.

    ``out`` appears when all of it is there. The same seed on the same machine gives the same
    weights. ``progress`` gets a line for each epoch.

    Raises:
        UsageError: for an architecture that is not known, weights that do not fit it, or an
            ``out`` that is taken.
    """
    if config.architecture not in ARCHITECTURES:
        raise UsageError(
            f"there is no architecture {config.architecture!r}; there are "
            f"{', '.join(ARCHITECTURES)}"
        )
    architecture = ARCHITECTURES[config.architecture]
    if config.weights and not architecture.takes_weights:
        progress(f"{architecture.name} is trained from scratch: it takes no weights")
        config = replace(config, weights=None)
    elif architecture.takes_weights and not config.weights:
        progress(f"{architecture.name} has no weights to start from: trained from scratch")
    with new_folder(out) as folder:
        started = time.monotonic()
        model, curves = _trained(dataset, config, progress)
        export(model, dataset.size, folder / "model")
        record = TrainingRecord(
            settings=config,
            weights=_describe_weights(config.weights),
            classes=tuple(dataset.classes),
            size=dataset.size,
            data_digest=dataset.data_digest,
            pictures={
                split: len(dataset.arrays(split)[1]) for split in ("train", "validation", "test")
            },
            parameters=model.count_params(),
            curves=curves,
            best_epoch=int(np.argmin(curves.validation_loss)) + 1,
            seconds=time.monotonic() - started,
            versions=_versions(),
        )
        record.write(folder / "training.json")
    return record


def _trained(
    dataset: Dataset, config: TrainConfig, progress: Callable[[str], None]
) -> tuple["keras.Model", Curves]:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    network = ARCHITECTURES[config.architecture].features(dataset.size, config.weights)
    training, validation = dataset.arrays("train"), dataset.arrays("validation")
    classes = len(dataset.classes)
    if config.weights is not None:
        return train_head(
            network, training, validation, classes=classes, config=config, progress=progress
        )
    thinned = keras.layers.Dropout(_DROPOUT)(network.output)
    probabilities = keras.layers.Dense(classes, activation="softmax")(thinned)
    model = keras.Model(network.input, probabilities)
    curves = fit(
        model,
        training,
        validation,
        config=config,
        progress=progress,
        augment=augmenter(dataset.size, config.seed),
    )
    return model, curves


def _describe_weights(weights: str | None) -> str:
    if weights is None or weights == IMAGENET:
        return weights or "none"
    with Path(weights).open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
