"""A SavedModel on the test pictures. Out: an `Evaluation`, which the gate and the report live on.

Every candidate and the champion answer the same pictures, as they were prepared once.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weathervane.data.prepare import Dataset
from weathervane.errors import DataError, PackageError
from weathervane.evaluation.metrics import Evaluation, measure, settle
from weathervane.saved_model import SavedModel

_BATCH = 64
# Single pictures that are timed, after some that warm the machine up.
_TIMED, _WARMING = 40, 5


def evaluate(model: Path, dataset: Dataset, name: str) -> Evaluation:
    """Let a SavedModel answer the test pictures.

    Raises:
        PackageError: when it is no SavedModel of ours, or has another number of classes.
        DataError: when there are no test pictures.
    """
    pictures, labels = dataset.arrays("test")
    if not len(labels):
        raise DataError(f"there are no test pictures in {dataset.folder}")
    classify = SavedModel(model)
    probabilities = np.concatenate(
        [
            classify(np.ascontiguousarray(pictures[start : start + _BATCH]))
            for start in range(0, len(labels), _BATCH)
        ]
    )
    try:
        figures = measure(labels, probabilities, dataset.classes)
    except ValueError as error:
        raise PackageError(f"{name} cannot be judged on this data: {error}") from error
    p50, p95 = _latency(classify, pictures)
    return Evaluation(
        name=name,
        data_digest=dataset.data_digest,
        figures=figures,
        labels=tuple(map(int, labels)),
        predicted=tuple(map(int, settle(probabilities).argmax(axis=1))),
        latency_p50_seconds=p50,
        latency_p95_seconds=p95,
        size_mebibytes=_size(model),
    )


def _latency(classify: SavedModel, pictures: NDArray[np.uint8]) -> tuple[float, float]:
    seconds = []
    for number in range(_WARMING + _TIMED):
        picture = np.ascontiguousarray(pictures[number % len(pictures)][None])
        begun = time.perf_counter()
        classify(picture)
        seconds.append(time.perf_counter() - begun)
    p50, p95 = np.quantile(seconds[_WARMING:], (0.5, 0.95))
    return float(p50), float(p95)


def _size(folder: Path) -> float:
    # What a package adds for serving is not the model's own size.
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and "assets.extra" not in path.relative_to(folder).parts
    ]
    return sum(path.stat().st_size for path in files) / 1024**2
