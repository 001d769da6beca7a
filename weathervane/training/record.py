"""What is kept of a training: how, on what, and how it went. JSON in and out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf, isnan
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weathervane.config import TrainConfig
from weathervane.data.files import write_whole
from weathervane.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Figures after each epoch, first to last. Losses are cross-entropies (natural logarithm)."""

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]

    @property
    def best_epoch(self) -> int:
        """The one with the least validation loss, from 1; a loss that is NaN is none."""
        losses = [inf if isnan(loss) else loss for loss in self.validation_loss]
        return losses.index(min(losses)) + 1

    def followed_by(self, other: "Curves") -> "Curves":
        """These epochs, and then those of ``other``."""
        return Curves(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """One training, from its settings to its curves."""

    settings: TrainConfig
    # What became of ``settings.weights``: "none", "imagenet", or "sha256:…" of the file.
    weights: str
    classes: tuple[str, ...]  # in the order of the model's outputs
    size: int  # pixels a side of the model's input
    data_digest: str
    pictures: Mapping[str, int]  # by split
    parameters: int
    curves: Curves
    best_epoch: int  # from 1; its weights are the model's
    seconds: float  # from pictures to the exported model
    versions: Mapping[str, str]  # of what the figures depend on

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_whole(path, TypeAdapter(TrainingRecord).dump_json(self, indent=1))

    @staticmethod
    def read(path: Path) -> "TrainingRecord":
        """Read what `write` wrote.

        Raises:
            DataError: when it is absent or is no training record.
        """
        try:
            return TypeAdapter(TrainingRecord).validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"cannot read the record {path}: {error.strerror}") from error
        except ValidationError as error:
            raise DataError(f"{path} is not a training record") from error
