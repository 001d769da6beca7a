"""A dataset in, one candidate out: a SavedModel and the record of its training."""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.errors import UsageError
from weathervane.folders import new_folder
from weathervane.training.architectures import ARCHITECTURES
from weathervane.training.architectures.backbone import IMAGENET
from weathervane.training.cache import Cache
from weathervane.training.confidence import fit_confidence
from weathervane.training.export import export
from weathervane.training.features import shallow_features
from weathervane.training.learn import Learned, learn
from weathervane.training.record import TrainingRecord

if TYPE_CHECKING:
    import keras

# What the figures depend on. TensorFlow has one of two names.
_VERSIONED = (
    *("weathervane", "tensorflow-cpu", "tensorflow", "keras", "numpy"),
    *("opencv-python-headless", "albumentations", "ai-edge-litert"),
)


def train(
    dataset: Dataset,
    config: TrainConfig,
    out: Path,
    progress: Callable[[str], None] = lambda line: None,
    *,
    cache: Cache = Cache(None),  # noqa: B008  a frozen value
) -> TrainingRecord:
    """Train ``config.architecture`` and write ``out/model/`` and ``out/training.json``.

    ``out`` appears when all of it is there. The same seed on the same machine gives the same
    weights, also when an earlier training of the same was killed and ``cache`` knows how far it
    came. ``progress`` gets a line for each epoch.

    Raises:
        UsageError: for an architecture that is not known, weights that do not fit it, or an
            ``out`` that is taken.
    """
    config = _checked(config, progress)
    with new_folder(out) as folder:
        started = time.monotonic()
        weights, versions = describe_weights(config.weights), _versions()
        learned = learn(
            dataset,
            config,
            cache=cache,
            training=_digest(dataset, config, weights, versions),
            progress=progress,
        )
        model = _classifier(learned, dataset)
        export(model, dataset.size, folder / "model")
        record = TrainingRecord(
            settings=config,
            weights=weights,
            classes=tuple(dataset.classes),
            size=dataset.size,
            data_digest=dataset.data_digest,
            pictures={
                split: len(dataset.arrays(split)[1]) for split in ("train", "validation", "test")
            },
            parameters=model.count_params(),
            curves=learned.curves,
            best_epoch=learned.curves.best_epoch,
            seconds=time.monotonic() - started,
            versions=versions,
        )
        record.write(folder / "training.json")
    return record


def _checked(config: TrainConfig, progress: Callable[[str], None]) -> TrainConfig:
    if config.architecture not in ARCHITECTURES:
        raise UsageError(
            f"there is no architecture {config.architecture!r}; there are "
            f"{', '.join(ARCHITECTURES)}"
        )
    architecture = ARCHITECTURES[config.architecture]
    if config.weights and not architecture.takes_weights:
        progress(f"{architecture.name} is trained from scratch: it takes no weights")
        return replace(config, weights=None)
    if architecture.takes_weights and not config.weights:
        progress(f"{architecture.name} has no weights to start from: trained from scratch")
    return config


def _classifier(learned: Learned, dataset: Dataset) -> "keras.Model":
    """Pictures to probabilities that are as sure as they may be."""
    import keras

    network = learned.network
    confidence = fit_confidence(
        learned.head,
        (learned.training, dataset.arrays("train")[1]),
        (learned.validation, dataset.arrays("validation")[1]),
        shallow=shallow_features(network),
    )
    return keras.Model(network.input, confidence.join(learned.head, network.output))


def _digest(
    dataset: Dataset, config: TrainConfig, weights: str, versions: Mapping[str, str]
) -> str:
    """Of everything that determines a training."""
    determining = {
        "settings": {**asdict(config), "weights": weights},
        "data": [dataset.data_digest, dataset.size, dataset.preprocessing],
        "versions": versions,
    }
    return hashlib.sha256(json.dumps(determining, sort_keys=True).encode()).hexdigest()[:32]


def describe_weights(weights: str | None) -> str:
    """What weights are, whatever their file is called: "none", "imagenet", or "sha256:…".

    Raises:
        UsageError: when the file cannot be read.
    """
    if weights is None or weights == IMAGENET:
        return weights or "none"
    try:
        with Path(weights).open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise UsageError(f"there is no file of weights {weights}: {error.strerror}") from error


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
