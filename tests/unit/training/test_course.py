"""How far a training has come, with a model that is nothing but its variables."""

from dataclasses import replace
from math import nan
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from weathervane.config import TrainConfig
from weathervane.training.course import Course

CONFIG = TrainConfig(epochs=6, patience=2)


class Variable:
    """As Keras': a value that can be read and assigned."""

    def __init__(self, value: float) -> None:
        self.value = np.full(3, value, np.float32)

    def numpy(self) -> np.ndarray:
        return self.value.copy()

    def assign(self, value: np.ndarray) -> None:
        self.value = value


class Model:
    """One weight, and an optimizer with one memory."""

    def __init__(self) -> None:
        self.variables = [Variable(0)]
        self.optimizer = SimpleNamespace(variables=[Variable(0)])

    def get_weights(self) -> list[np.ndarray]:
        return [one.numpy() for one in self.variables]


def epoch(course: Course, model: Model, loss: float) -> None:
    model.variables[0].assign(model.variables[0].numpy() + 1)
    model.optimizer.variables[0].assign(model.optimizer.variables[0].numpy() + 10)
    figures = {"loss": 1, "accuracy": 0.5, "validation_loss": loss, "validation_accuracy": 0.4}
    course.add(figures, model.get_weights)


def told(course: Course, losses: list[float]) -> Course:
    model = Model()
    for loss in losses:
        epoch(course, model, loss)
    return course


def test_a_course_is_gone_on_with_as_if_it_had_not_stopped(tmp_path: Path):
    model, course = Model(), Course()
    for loss in (0.9, 0.5, 0.7):
        epoch(course, model, loss)
    course.write(model, tmp_path / "state.npz")

    later = Model()
    resumed = Course.resumed(later, tmp_path / "state.npz")

    assert resumed.curves() == course.curves()
    assert np.array_equal(resumed.best[0], np.full(3, 2))
    assert np.array_equal(later.variables[0].value, np.full(3, 3))
    assert np.array_equal(later.optimizer.variables[0].value, np.full(3, 30))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_state_that_is_not_whole_is_none(tmp_path: Path, share: float):
    model, path = Model(), tmp_path / "state.npz"
    course = told(Course(), [0.9])
    course.write(model, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    assert Course.resumed(model, path) == Course()
    assert np.array_equal(model.variables[0].value, np.zeros(3))


def test_without_a_file_there_is_nothing_to_go_on_with(tmp_path: Path):
    assert Course.resumed(Model(), None) == Course()
    assert Course.resumed(Model(), tmp_path / "absent.npz") == Course()


@pytest.mark.parametrize(
    ("losses", "goes_on", "best"),
    [
        ([], True, None),
        ([0.9, 0.5], True, 2),
        ([0.5, 0.9], True, 1),
        ([0.5, 0.9, 0.9], False, 1),
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], False, 6),
        ([0.5, nan], True, 1),
        ([nan, nan, nan], False, 1),
        ([nan, 0.5], True, 2),
    ],
)
def test_the_best_epoch_is_kept_and_ends_what_comes_long_after_it(losses, goes_on, best):
    course = told(Course(), losses)

    assert course.goes_on(CONFIG) is goes_on
    if best:
        assert course.curves().best_epoch == best
        assert np.array_equal(course.best[0], np.full(3, best))


def test_a_line_tells_the_last_epoch_and_the_time_left():
    line = told(Course(), [0.9, 0.5]).line(replace(CONFIG, architecture="cnn"), 2.0)

    assert line == (
        "cnn epoch 2/6: loss 1.000, validation loss 0.500, validation accuracy 0.400, 8 s left"
    )
