"""A recipe is judged by pictures that its models have not seen; here all folds get one model."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import SIZE
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset
from weathervane.evaluation.folds import cross_validate
from weathervane.saved_model import SavedModel


def test_all_folds_together_are_all_pictures_but_the_probes(
    candidate: Path, dataset: Dataset, manifest: Manifest, pictures: Path
):
    def take(folder: Dataset, out: Path) -> None:
        assert sum(folder.counts["probe"].values()) == 0
        shutil.copytree(candidate, out)

    lines: list[str] = []
    found = cross_validate(manifest, pictures, SIZE, take, folds=3, progress=lines.append)

    model, right, seen = SavedModel(candidate / "model"), 0, 0
    for split in ("train", "validation", "test"):
        asked, labels = dataset.arrays(split)
        right += int((model(np.array(asked)).argmax(axis=1) == labels).sum())
        seen += len(labels)
    assert found.figures.pictures == seen
    assert found.figures.accuracy == pytest.approx(right / seen)
    assert len(found.accuracies) == len(lines) == 3
    assert found.deviation >= 0
