"""What is kept of a training: how, on what, and how it went. JSON in and out."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from weathervane.config import TrainConfig, from_mapping


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Figures after each epoch, first to last. Losses are cross-entropies (natural logarithm)."""

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]


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
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> "TrainingRecord":
        """Read what `write` wrote.

        Raises:
            UsageError: when the file does not hold a training record.
        """
        return from_mapping(cls, json.loads(path.read_text(encoding="utf-8")), str(path))
