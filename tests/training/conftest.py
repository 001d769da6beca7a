"""A data set and a candidate, small enough to be made once for all tests with TensorFlow."""

from pathlib import Path

import cv2
import pytest

from tests.conftest import made_once
from weathervane.config import SplitConfig, TrainConfig, ValidationConfig
from weathervane.data.manifest import Manifest, build
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.scenes import render
from weathervane.data.validation import validate
from weathervane.lean import import_tensorflow
from weathervane.training.record import TrainingRecord
from weathervane.training.train import train

SIZE = 32
CLASSES = ("foggy", "rainy", "sunny")
# One after the other, as the first import of TensorFlow takes most of the time.
CONFIG = TrainConfig(epochs=3, learning_rate=3e-3, seed=5)


@pytest.fixture(scope="session", autouse=True)
def _tensorflow() -> None:
    import_tensorflow()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for label in CLASSES:
        (folder / label).mkdir()
        for seed in range(24 if label == "sunny" else 16):
            scene = cv2.cvtColor(render(label, seed, 80, 60), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / label / f"{seed}.png"), scene)
    return folder


@pytest.fixture(scope="session")
def manifest(pictures: Path) -> Manifest:
    return build(validate(pictures, ValidationConfig()), SplitConfig(seed=1))


@pytest.fixture(scope="session")
def dataset(
    pictures: Path, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> Dataset:
    return prepare(manifest, pictures, SIZE, tmp_path_factory.mktemp("prepared") / "dataset")


@pytest.fixture(scope="session")
def candidate(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        train(dataset, CONFIG, folder / "cnn")

    return made_once(tmp_path_factory, "candidate", make) / "cnn"


@pytest.fixture(scope="session")
def record(candidate: Path) -> TrainingRecord:
    return TrainingRecord.read(candidate / "training.json")
