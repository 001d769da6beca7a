"""Steps that run again into the output paths of an earlier try, which ended or was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kfp import dsl

from components.preprocess import preprocess
from components.train import train
from components.validate import validate
from weathervane.data.prepare import Dataset
from weathervane.data.scenes import write_sample
from weathervane.saved_model import SavedModel
from weathervane.training.record import TrainingRecord

SETTINGS = {"train": {"epochs": 1}}
PIXELS = 32


def at(kind: type[dsl.Artifact], path: Path) -> dsl.Artifact:
    return kind(name=path.name, uri=str(path), metadata={})


def run_training(folder: Path) -> None:
    train.python_func(
        architecture="cnn-small",
        weights="",
        settings=SETTINGS,
        dataset=at(dsl.Dataset, folder / "dataset"),
        candidate=at(dsl.Model, folder / "step" / "candidate"),
    )


def killed_training(folder: Path) -> None:
    """The same, of a process that dies when the model is written and its record is not."""

    def look(event: str, about: tuple[object, ...]) -> None:
        if event == "open" and str(about[0]).endswith(".training.json.part"):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    run_training(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set that was prepared twice, as a retried step does it."""
    monkeypatch.setenv("WEATHERVANE_STATE", str(tmp_path / "state"))
    write_sample(tmp_path / "pictures", 60, seed=0)
    given = {"data": str(tmp_path / "pictures"), "settings": SETTINGS}
    report = at(dsl.Artifact, tmp_path / "report")
    validate.python_func(
        **given,
        report=report,
        page=at(dsl.HTML, tmp_path / "page"),
        counts=at(dsl.Metrics, tmp_path / "counts"),
    )
    for _ in range(2):
        preprocess.python_func(
            **given,
            image_size=PIXELS,
            report=report,
            manifest=at(dsl.Artifact, tmp_path / "manifest"),
            dataset=at(dsl.Dataset, tmp_path / "dataset"),
        )
    return tmp_path


def test_a_training_that_was_killed_while_it_wrote_is_not_seen_and_is_run_again(folder: Path):
    program = f"from {__name__} import *; killed_training(Path({str(folder)!r}))"

    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)

    step, pictures = folder / "step", Dataset.open(folder / "dataset").arrays("test")[0]
    (left,) = step.iterdir()
    assert ended.returncode == -signal.SIGKILL
    assert left.name.startswith(".candidate.partial-")
    assert (left / "model" / "saved_model.pb").exists()
    run_training(folder)
    assert [path.name for path in step.iterdir()] == ["candidate"]
    assert TrainingRecord.read(step / "candidate" / "training.json").curves.best_epoch == 1
    assert np.isfinite(SavedModel(step / "candidate" / "model")(pictures)).all()
