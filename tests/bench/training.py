"""``python -m tests.bench.training``: how good a candidate gets on photographs, and how soon.

On the pictures below ``WEATHER_PHOTOS`` with the backbone of ``WEATHER_WEIGHTS``: five fixed seeds
of stratified splits, near duplicates together, a candidate for each; the first is also evaluated,
packaged and served as a pipeline does it. The pictures of ``ood`` are read once, after everything
has been fitted.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictor.engines import start
from tests.bench.figures import Figure, at_least, at_most, noted, publish
from weathervane.config import SplitConfig, TrainConfig, ValidationConfig
from weathervane.data import images
from weathervane.data.manifest import Manifest, build
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.validation import validate
from weathervane.evaluation.contest import hold_contest
from weathervane.evaluation.metrics import measure
from weathervane.evaluation.outliers import auroc
from weathervane.registry.package import Package
from weathervane.registry.packaging import build_package
from weathervane.saved_model import SavedModel
from weathervane.training.cache import Cache
from weathervane.training.record import TrainingRecord
from weathervane.training.train import train

SIZE = 224
_SEEDS = range(5)
# As large as the pipeline's, but for the probes, of which a bench has no need.
_SHARES = {"validation": 0.10, "test": 0.20, "probe": 0.01}
# Chosen by cross-validation of training and validation pictures: a head learns better in many small
# steps than by the defaults, which are for whole networks too.
_HEAD = {"learning_rate": 5e-4, "epochs": 40, "patience": 40}
_OTHER_HEAD = {"learning_rate": 1e-3, "head_penalty": 0.1, "label_smoothing": 0.05}
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One seed's candidate, and its answers to the test pictures."""

    record: TrainingRecord
    folder: Path
    model: SavedModel
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    learning_seconds: float  # from the pictures to the figures of the last epoch
    training_seconds: float  # and the exported model


def run_fold(dataset: Dataset, settings: TrainConfig, folder: Path, cache: Path) -> Fold:
    """Train, and answer the test pictures."""
    said: list[float] = []

    def progress(line: str) -> None:
        said.append(time.monotonic() - begun)
        print(line, flush=True)

    begun = time.monotonic()
    record = train(dataset, settings, folder, progress, cache=Cache.at(cache))
    seconds = time.monotonic() - begun
    model = SavedModel(folder / "model")
    pictures, labels = dataset.arrays("test")
    return Fold(
        record=record,
        folder=folder,
        model=model,
        labels=labels,
        probabilities=answers(model, pictures),
        learning_seconds=said[-1],
        training_seconds=seconds,
    )


def answers(model: SavedModel, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities, some pictures at a time."""
    return np.concatenate(
        [
            model(np.ascontiguousarray(pictures[start : start + _BATCH]))
            for start in range(0, len(pictures), _BATCH)
        ]
    )


def released(fold: Fold, dataset: Dataset, manifest: Manifest) -> tuple[float, Package]:
    """Evaluate and package as a pipeline does; the seconds of that, and the package."""
    begun = time.monotonic()
    name = fold.record.settings.architecture
    hold_contest({name: fold.folder}, None, dataset, manifest=manifest, data="")
    package = build_package(
        fold.folder / "model",
        fold.folder / "package",
        model="weather",
        labels=fold.record.classes,
        size=fold.record.size,
        data_digest=fold.record.data_digest,
        code_version=fold.record.versions["weathervane"],
    )
    return time.monotonic() - begun, package


def served(fold: Fold, dataset: Dataset, package: Package) -> list[Figure]:
    """How the predictor's engine answers the test pictures."""
    engine = start(package, threads=1)
    each, apart = [], 0.0
    for picture, wanted in zip(dataset.arrays("test")[0], fold.probabilities, strict=True):
        asked = time.perf_counter()
        told = engine.probabilities(np.ascontiguousarray(picture))
        each.append(time.perf_counter() - asked)
        apart = max(apart, float(np.abs(told - wanted).max()))
    p50, p95 = np.quantile(each, (0.5, 0.95)) * 1000
    return [
        noted("one picture in the predictor's engine, one core, p50", f"{p50:.1f} ms"),
        noted("the same, p95", f"{p95:.1f} ms"),
        at_most("LiteRT from the SavedModel, all test pictures", float(f"{apart:.1e}"), 1e-4),
    ]


def quality(folds: list[Fold]) -> list[Figure]:
    """Means over the seeds, and calibration over all their test pictures together."""
    classes = tuple(map(str, range(folds[0].probabilities.shape[1])))
    figures = [measure(fold.labels, fold.probabilities, classes) for fold in folds]
    together = measure(
        np.concatenate([fold.labels for fold in folds]),
        np.concatenate([fold.probabilities for fold in folds]),
        classes,
    )
    accuracies = [one.accuracy for one in figures]
    return [
        at_least("accuracy, mean of five seeds", round(float(np.mean(accuracies)), 4), 0.90),
        at_least(
            "macro F1, mean", round(float(np.mean([one.macro_f1 for one in figures])), 4), 0.885
        ),
        noted("accuracy by seed", ", ".join(f"{one:.3f}" for one in accuracies)),
        at_most("calibration error, test pictures of all seeds", round(together.ece, 4), 0.04),
    ]


def familiarity(folds: list[Fold], foreign: Path) -> Figure:
    """How well the confidence tells test pictures from those of a class that nobody trained on."""
    paths = sorted(path for path in foreign.rglob("*") if path.is_file())
    pictures = np.stack([images.load(path.read_bytes(), SIZE) for path in paths])
    areas = []
    for fold in folds:
        ours, theirs = fold.probabilities.max(axis=1), answers(fold.model, pictures).max(axis=1)
        areas.append(auroc(ours, theirs))
    shown = round(float(np.mean(areas)), 3)
    return at_least("AUROC of the confidence, unknown class, mean", shown, 0.80)


def run(photographs: Path, weights: str, folder: Path) -> list[Figure]:
    """Everything, in one process: libraries are imported before the clock starts."""
    import tensorflow  # noqa: F401
    from keras import export  # noqa: F401

    report = validate(photographs / "photos", ValidationConfig())
    settings = TrainConfig(architecture="mobilenetv2", weights=weights, **_HEAD)
    folds, costs = [], []
    for seed in _SEEDS:
        manifest = build(report, SplitConfig(seed=seed, **_SHARES))
        dataset = prepare(manifest, photographs / "photos", SIZE, folder / f"dataset {seed}")
        place = folder / f"candidate {seed}"
        folds.append(run_fold(dataset, replace(settings, seed=seed), place, folder / "cache"))
        if seed == _SEEDS[0]:
            first, package = released(folds[0], dataset, manifest)
            other = replace(settings, **_OTHER_HEAD)
            again = run_fold(dataset, other, folder / "another head", folder / "cache")
            second, _ = released(again, dataset, manifest)
            costs = [*_costs(folds[0], first, again, second), *served(folds[0], dataset, package)]
    return [*quality(folds), familiarity(folds, photographs / "ood"), *costs]


def _costs(first: Fold, first_released: float, again: Fold, again_released: float) -> list[Figure]:
    """Seconds of the first training, and what the cache spares the second."""
    whole = first.training_seconds + first_released
    learning = again.learning_seconds / first.learning_seconds
    all_of_it = (again.training_seconds + again_released) / whole
    return [
        at_most("a training whole: features, head, export, evaluation, package", round(whole), 180),
        noted("features and head, seconds", f"{first.learning_seconds:.1f}"),
        noted("export, seconds", f"{first.training_seconds - first.learning_seconds:.1f}"),
        noted("evaluation and package, seconds", f"{first_released:.1f}"),
        at_most("features and head again with another head, share", round(learning, 3), 0.2),
        at_most("all of it again with another head, share", round(all_of_it, 3), 0.75),
    ]


def main() -> int:
    """Run, print the table, write the figures."""
    photographs, weights = os.environ.get("WEATHER_PHOTOS"), os.environ.get("WEATHER_WEIGHTS")
    if not photographs or not weights:
        print("skipped: training on photographs (WEATHER_PHOTOS and WEATHER_WEIGHTS name none)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(photographs), weights, Path(folder))
    return publish("make bench-training", figures)


if __name__ == "__main__":
    sys.exit(main())
