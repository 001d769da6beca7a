from pathlib import Path

import pytest

from weathervane.config import TrainConfig
from weathervane.errors import DataError
from weathervane.training.record import Curves, TrainingRecord

RECORD = TrainingRecord(
    settings=TrainConfig(architecture="mobilenetv2", weights="imagenet"),
    weights="imagenet",
    classes=("neblig", "verschneit ❄"),
    size=96,
    data_digest="d" * 64,
    pictures={"train": 60, "validation": 20, "test": 20},
    parameters=80_565,
    curves=Curves(
        loss=(0.9, 0.5), accuracy=(0.5, 0.8), validation_loss=(1.0, 0.6), validation_accuracy=(0, 1)
    ),
    best_epoch=2,
    seconds=12.5,
    versions={"keras": "3.15.1"},
)


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path):
    RECORD.write(tmp_path / "training.json")

    assert TrainingRecord.read(tmp_path / "training.json") == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]


def test_what_is_no_record_is_refused(tmp_path: Path):
    (tmp_path / "other.json").write_text("{}")

    with pytest.raises(DataError, match="not a training record"):
        TrainingRecord.read(tmp_path / "other.json")
    with pytest.raises(DataError, match="cannot read"):
        TrainingRecord.read(tmp_path / "absent.json")
