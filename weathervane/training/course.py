"""How far a training has come: kept after every epoch, so that a killed one goes on from there.

In: the figures and the weights of each epoch. Out: the curves, the best weights, and a file with
all that the next epoch depends on.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.data.files import write_whole
from weathervane.training.record import Curves

if TYPE_CHECKING:
    import keras

_FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy")


@dataclass(kw_only=True)
class Course:
    """Figures after each epoch, and the weights of the one with the least validation loss."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    best: list[NDArray[Any]] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many have ended."""
        return len(self.loss)

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return self.epochs - self.curves().best_epoch if self.epochs else 0

    def goes_on(self, config: TrainConfig) -> bool:
        """Whether there is another epoch: neither have all ended, nor too many since the best."""
        return self.epochs < config.epochs and self.waited < config.patience

    def add(self, figures: Mapping[str, float], weights: Callable[[], list[NDArray[Any]]]) -> None:
        """Take the figures of an epoch, and the weights when it is the best so far."""
        for name in _FIGURES:
            getattr(self, name).append(float(figures[name]))
        if self.waited == 0:
            self.best = weights()

    def line(self, config: TrainConfig, seconds_an_epoch: float) -> str:
        """How the last epoch went and how much time is left, for people."""
        return (
            f"{config.architecture} epoch {self.epochs}/{config.epochs}: "
            f"loss {self.loss[-1]:.3f}, validation loss {self.validation_loss[-1]:.3f}, "
            f"validation accuracy {self.validation_accuracy[-1]:.3f}, "
            f"{seconds_an_epoch * (config.epochs - self.epochs):.0f} s left"
        )

    def curves(self) -> Curves:
        """The figures, for the record."""
        return Curves(**{name: tuple(getattr(self, name)) for name in _FIGURES})

    def write(self, model: "keras.Model", path: Path | None) -> None:
        """Keep the course and the state of ``model`` in ``path``, whole or not at all."""
        if path is None:
            return
        buffer = io.BytesIO()
        arrays = {f"best {number}": one for number, one in enumerate(self.best)}
        arrays |= {f"now {number}": one.numpy() for number, one in enumerate(_state(model))}
        arrays |= {name: np.array(getattr(self, name)) for name in _FIGURES}
        np.savez(buffer, allow_pickle=False, **arrays)
        write_whole(path, buffer.getvalue())

    @staticmethod
    def resumed(model: "keras.Model", path: Path | None) -> "Course":
        """What `write` kept, with ``model`` as it was then; a new course when there is none."""
        if path is None:
            return Course()
        state, weights = _state(model), model.get_weights()
        try:
            with path.open("rb") as file, np.load(file) as kept:
                course = Course(**{name: kept[name].tolist() for name in _FIGURES})
                course.best = [kept[f"best {number}"] for number in range(len(weights))]
                now = [kept[f"now {number}"] for number in range(len(state))]
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return Course()  # absent, or cut short by a machine that fell
        for variable, value in zip(state, now, strict=True):
            variable.assign(value)
        return course


def _state(model: "keras.Model") -> list[Any]:
    """Everything that an epoch changes: weights, seeds, the optimizer's memory and its steps."""
    return [*model.variables, *model.optimizer.variables]
