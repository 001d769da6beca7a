"""``python -m tests.bench.training``: how good a candidate gets on photographs, and how soon.

On the pictures below ``WEATHER_PHOTOS`` with the backbone of ``WEATHER_WEIGHTS``: five fixed seeds
of stratified splits, near duplicates together; each trained, evaluated and packaged as a pipeline
does it. The pictures of ``ood`` are read once, after everything has been fitted.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.figures import Figure, at_least, at_most, noted, publish
from weathervane.config import SplitConfig, TrainConfig, ValidationConfig
from weathervane.data import images
from weathervane.data.manifest import build
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.report import Report
from weathervane.data.validation import validate

SIZE = 224
_SEEDS = range(5)
# As large as the pipeline's, but for the probes, of which a bench has no need.
_SHARES = {"validation": 0.10, "test": 0.20, "probe": 0.01}
_OTHER_HEAD = {"learning_rate": 1e-3, "head_penalty": 0.1, "label_smoothing": 0.05}
_LATENCY_PICTURES = 200


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One seed's candidate on its test pictures, as the package answers."""

    seed: int
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    package: Path
    training_seconds: float  # features, head, export
    whole_seconds: float  # those, evaluation and packaging


def data(report: Report, photographs: Path, seed: int, folder: Path) -> Dataset:
    """Split and prepare the photographs."""
    manifest = build(report, SplitConfig(seed=seed, **_SHARES))
    return prepare(manifest, photographs, SIZE, folder / f"dataset {seed}")


def run_fold(dataset: Dataset, settings: TrainConfig, folder: Path) -> Fold:
    """Train, evaluate and package; then ask the package about the test pictures."""
    from weathervane.evaluation.evaluate import evaluate
    from weathervane.registry.packaging import build_package
    from weathervane.training.cache import Cache
    from weathervane.training.train import train

    begun = time.monotonic()
    candidate = folder / f"candidate {settings.seed}"
    record = train(dataset, settings, candidate, print, cache=Cache.at(folder / "cache"))
    trained = time.monotonic() - begun
    evaluate(candidate / "model", dataset, settings.architecture)
    package = build_package(
        candidate / "model",
        folder / f"package {settings.seed}",
        model="weather",
        labels=record.classes,
        size=record.size,
        data_digest=record.data_digest,
        code_version=record.versions["weathervane"],
    )
    whole = time.monotonic() - begun
    pictures, labels = dataset.arrays("test")
    return Fold(
        seed=settings.seed,
        labels=labels,
        probabilities=answers(package.folder, pictures)[0],
        package=package.folder,
        training_seconds=trained,
        whole_seconds=whole,
    )


def answers(package: Path, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[float]]:
    """Probabilities by the predictor's engine on one core, and the seconds that each took."""
    from predictor.engines import start
    from weathervane.registry.package import read_package

    engine = start(read_package(package), threads=1)
    rows, seconds = [], []
    for picture in pictures:
        begun = time.perf_counter()
        rows.append(engine.probabilities(np.ascontiguousarray(picture)))
        seconds.append(time.perf_counter() - begun)
    return np.stack(rows), seconds


def quality(folds: list[Fold]) -> list[Figure]:
    """Means over the seeds, and calibration over all their test pictures together."""
    from weathervane.evaluation.metrics import measure

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
    from sklearn.metrics import roc_auc_score

    paths = sorted(path for path in foreign.rglob("*") if path.is_file())
    pictures = np.stack([images.load(path.read_bytes(), SIZE) for path in paths])
    areas = []
    for fold in folds:
        ours, theirs = (
            fold.probabilities.max(axis=1),
            answers(fold.package, pictures)[0].max(axis=1),
        )
        known = np.arange(len(ours) + len(theirs)) < len(ours)
        areas.append(roc_auc_score(known, np.concatenate([ours, theirs])))
    shown = round(float(np.mean(areas)), 3)
    return at_least("AUROC of the confidence, unknown class, mean", shown, 0.80)


def run(photographs: Path, weights: str, folder: Path) -> list[Figure]:
    """Everything, in one process; TensorFlow is imported before the clock starts."""
    import weathervane.registry.packaging
    import weathervane.training.train  # noqa: F401
    import tensorflow as tf  # noqa: F401  isort:skip

    report = validate(photographs / "photos", ValidationConfig())
    settings = TrainConfig(architecture="mobilenetv2", weights=weights)
    folds = []
    for seed in _SEEDS:
        dataset = data(report, photographs / "photos", seed, folder)
        folds.append(run_fold(dataset, replace(settings, seed=seed), folder / "all"))
        if seed == _SEEDS[0]:
            again = run_fold(dataset, replace(settings, seed=100, **_OTHER_HEAD), folder / "all")
            _, seconds = answers(folds[0].package, dataset.arrays("test")[0])
    first = folds[0]
    share = again.training_seconds / first.training_seconds
    p50, p95 = np.quantile(seconds, (0.5, 0.95)) * 1000
    return [
        *quality(folds),
        familiarity(folds, photographs / "ood"),
        at_most(
            "a training whole: features, head, evaluation, package",
            round(first.whole_seconds),
            180,
            " s",
        ),
        noted("of it, features, head and export", f"{first.training_seconds:.1f} s"),
        at_most("again with another head, share of that time", round(share, 3), 0.2),
        noted(
            "one picture in the predictor's engine on one core, p50 and p95",
            f"{p50:.1f} and {p95:.1f} ms",
        ),
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
