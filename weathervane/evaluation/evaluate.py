"""A model on the test pictures. Out: an `Evaluation`, which the gate and the report live on.

Every candidate and the champion answer the same pictures, as they were prepared once: the
SavedModel for its figures, the engine that serves for everything that is about serving.
"""

import os
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weathervane.config import EvaluationConfig
from weathervane.data.prepare import Dataset
from weathervane.errors import DataError, PackageError
from weathervane.evaluation.disturbances import DISTURBANCES
from weathervane.evaluation.evaluation import Evaluation, Origin, Parity, Share
from weathervane.evaluation.explain import explain
from weathervane.evaluation.metrics import measure, settle
from weathervane.evaluation.outliers import OutlierFigures, outlier_figures
from weathervane.evaluation.slices import Slices
from weathervane.litert_model import LiteRtModel
from weathervane.saved_model import SavedModel

Pictures = NDArray[np.uint8]
Answer = Callable[[Pictures], NDArray[np.float32]]  # [n, size, size, 3] to [n, classes]

_BATCH = 64
# Single pictures that are timed, after some that warm the machine up.
_TIMED, _WARMING = 40, 5


def evaluate(
    model: Path,
    dataset: Dataset,
    name: str,
    *,
    litert: Path | None = None,
    temperature: float = 1.0,
    slices: Slices | None = None,
    config: EvaluationConfig | None = None,
    origin: Callable[[Callable[[str], Share]], Origin] | None = None,
) -> Evaluation:
    """Let a model answer the test pictures.

    Args:
        model: the folder of its SavedModel.
        dataset: prepared at the size that it takes.
        name: what it is called in reports.
        litert: the same model as it is served; None: TensorFlow serves it.
        temperature: what the package divides logits by.
        slices: places of the test pictures, by name.
        config: how closely to look.
        origin: finds out where it comes from, when it is told how many pictures of a split the
            model finds.

    Raises:
        PackageError: when it is no SavedModel of ours, or has another number of classes.
        DataError: when there are no test pictures.
    """
    config = config or EvaluationConfig()
    pictures, labels = dataset.arrays("test")
    if not len(labels):
        raise DataError(f"there are no test pictures in {dataset.folder}")
    classify = SavedModel(model)
    reference = _tempered(partial(answer_in_batches, classify), temperature)
    single: Answer = classify
    served = reference
    if litert:
        engine = LiteRtModel(litert, threads=os.cpu_count() or 1)
        single, served = engine.alone, _tempered(engine, temperature)
    probabilities = reference(pictures)
    try:
        figures = measure(labels, probabilities, dataset.classes)
    except ValueError as error:
        raise PackageError(f"{name} cannot be judged on this data: {error}") from error

    @cache
    def told(split: str) -> NDArray[np.float32]:
        if split == "test" and not litert:
            return probabilities
        asked = dataset.arrays(split)[0]
        return served(asked) if len(asked) else np.zeros((0, classify.classes), np.float32)

    def share(split: str) -> Share:
        right = settle(told(split)).argmax(axis=1) == dataset.arrays(split)[1]
        return Share(right=int(right.sum()), pictures=len(right))

    p50, p95 = _latency(single, pictures)
    return Evaluation(
        name=name,
        data_digest=dataset.data_digest,
        figures=figures,
        labels=tuple(map(int, labels)),
        predicted=tuple(map(int, settle(probabilities).argmax(axis=1))),
        latency_p50_seconds=p50,
        latency_p95_seconds=p95,
        size_mebibytes=_size(model, litert),
        parity=parity(probabilities, told("test")) if litert else None,
        origin=origin(share) if origin else None,
        slices=slices or {},
        robustness=_robustness(served, told("test"), pictures, labels, config.disturbed),
        outliers=_outliers(told("validation"), told("test"), config.false_positives),
        explanations=explain(
            classify,
            pictures,
            labels,
            probabilities,
            classes=dataset.classes,
            number=config.explained,
        ),
    )


def parity(reference: NDArray[np.float32], served: NDArray[np.float32]) -> Parity:
    """Compare two engines' probabilities [n, classes] of the same pictures."""
    apart = np.abs(reference - served)
    return Parity(
        largest_difference=float(np.where(np.isfinite(apart), apart, 1.0).max()),
        labels_differing=int(
            (settle(reference).argmax(axis=1) != settle(served).argmax(axis=1)).sum()
        ),
    )


def answer_in_batches(answer: Answer, pictures: Pictures) -> NDArray[np.float32]:
    """Probabilities [n, classes] of however many pictures, a few at a time."""
    starts = range(0, len(pictures), _BATCH)
    parts = [answer(np.ascontiguousarray(pictures[at : at + _BATCH])) for at in starts]
    return np.concatenate(parts)


def _tempered(answer: Answer, temperature: float) -> Answer:
    """As the predictor does it: softmax(log p / T), Guo et al. 2017."""
    if temperature == 1:
        return answer

    def tempered(pictures: Pictures) -> NDArray[np.float32]:
        powers = answer(pictures) ** np.float32(1 / temperature)
        softened: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return softened

    return tempered


def _latency(answer: Answer, pictures: Pictures) -> tuple[float, float]:
    seconds = []
    for number in range(_WARMING + _TIMED):
        picture = np.ascontiguousarray(pictures[number % len(pictures)][None])
        begun = time.perf_counter()
        answer(picture)
        seconds.append(time.perf_counter() - begun)
    p50, p95 = np.quantile(seconds[_WARMING:], (0.5, 0.95))
    return float(p50), float(p95)


def _size(folder: Path, litert: Path | None) -> float:
    # What a package adds for people is not the model's own size.
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and "assets.extra" not in path.relative_to(folder).parts
    ]
    return sum(path.stat().st_size for path in (*files, *filter(None, [litert]))) / 1024**2


def _robustness(
    answer: Answer,
    told: NDArray[np.float32],
    pictures: Pictures,
    labels: NDArray[np.int64],
    number: int,
) -> dict[str, float]:
    if not number:
        return {}
    # Evenly spread: the pictures lie in the order of their classes.
    places = np.unique(np.linspace(0, len(labels) - 1, number).astype(int))
    some, wanted = np.ascontiguousarray(pictures[places]), labels[places]

    def accuracy(answers: NDArray[np.float32]) -> float:
        return float((settle(answers).argmax(axis=1) == wanted).mean())

    return {"none": accuracy(told[places])} | {
        name: accuracy(answer(disturb(some))) for name, disturb in DISTURBANCES.items()
    }


def _outliers(
    validation: NDArray[np.float32], test: NDArray[np.float32], false_positives: float
) -> OutlierFigures | None:
    if not len(validation):
        return None
    confidence = [settle(answers).max(axis=1) for answers in (validation, test)]
    return outlier_figures(*confidence, false_positives=false_positives)
