"""Cross-validation: every picture is in the test once, of a model that has not seen it.

In: a manifest, its pictures, and how to train. Out: figures of all pictures together, and the
accuracy of each fold. It costs as many trainings as there are folds, and judges a recipe, not a
model: the gate judges models, on a test of their own.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.splits import fold
from weathervane.errors import UsageError
from weathervane.evaluation.evaluate import answer_in_batches
from weathervane.evaluation.metrics import Figures, measure
from weathervane.saved_model import SavedModel

Train = Callable[[Dataset, Path], object]  # writes ``model/`` into a new folder, as `train` does


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """What came of all folds."""

    figures: Figures  # of every picture's answer by the model that had not seen it
    accuracies: tuple[float, ...]  # by fold

    @property
    def deviation(self) -> float:
        """Standard deviation of the folds' accuracies, which share training pictures: a hint."""
        return float(np.std(self.accuracies, ddof=1))


def cross_validate(
    manifest: Manifest,
    root: Path,
    size: int,
    train: Train,
    *,
    folds: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> CrossValidation:
    """Train ``folds`` models, each tested on its share of the pictures.

    Probe pictures stay out of it: they are for the rollout. One more share stops the training.

    Args:
        manifest: whose splits are dealt anew; scenes stay whole.
        root: the folder of its pictures.
        size: pixels a side.
        train: trains one model on a prepared data set.
        folds: how many, from 3 on.
        seed: another one deals otherwise.
        progress: told each fold's accuracy.

    Raises:
        UsageError: for less than 3 folds.
        DataError: when a class has less scenes than there are folds.
    """
    labels, answers, accuracies = [], [], []
    for number, dealt in enumerate(deal(manifest, folds, seed), start=1):
        with tempfile.TemporaryDirectory() as scratch:
            dataset = prepare(dealt, root, size, Path(scratch, "dataset"))
            train(dataset, Path(scratch, "candidate"))
            pictures, wanted = dataset.arrays("test")
            told = answer_in_batches(SavedModel(Path(scratch, "candidate", "model")), pictures)
        labels.append(wanted)
        answers.append(told)
        accuracies.append(measure(wanted, told, dataset.classes).accuracy)
        progress(f"fold {number} of {folds}: accuracy {accuracies[-1]:.3f}")
    figures = measure(np.concatenate(labels), np.concatenate(answers), manifest.classes)
    return CrossValidation(figures=figures, accuracies=tuple(accuracies))


def deal(manifest: Manifest, folds: int, seed: int) -> Iterator[Manifest]:
    """A manifest for each fold: its share is the test, the next one the validation."""
    if folds < 3:
        raise UsageError(
            f"there must be 3 folds at least, for test, validation and training: {folds}"
        )
    rows = [row for row in manifest.rows if row.split != "probe"]
    fold_of = fold(rows, folds, seed)
    for number in range(folds):
        splits = {number: "test", (number + 1) % folds: "validation"}
        yield Manifest(
            tuple(replace(row, split=splits.get(fold_of[row.sha256], "train")) for row in rows)
        )
