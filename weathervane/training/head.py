"""A linear head on the features of a frozen backbone.

In: features, as `features.compute` gives them. Out: a kernel and a bias that belong behind the
backbone. It learns from mirror images as well, and is checked on pictures as they are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weathervane.config import TrainConfig
from weathervane.training.course import Course
from weathervane.training.features import Features
from weathervane.training.fit import Labels, batches, steps_an_epoch
from weathervane.training.record import Curves

# Features that hardly vary in training must not explode on a picture in which they do.
LEAST_DEVIATION = 1e-3
# The paper's.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, eq=False)
class Linear:
    """features @ kernel + bias."""

    kernel: NDArray[np.floating]  # [features, outputs]
    bias: NDArray[np.floating]  # [outputs]

    def __call__(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """Outputs [n, outputs] of features [n, features]."""
        outputs: NDArray[np.floating] = features @ self.kernel + self.bias
        return outputs


def train_head(
    training: tuple[Features, Labels],
    validation: tuple[Features, Labels],
    *,
    classes: int,
    config: TrainConfig,
    progress: Callable[[str], None] = lambda line: None,
    watch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> tuple[Linear, Curves]:
    """Train a softmax regression with Adam (Kingma and Ba 2015, arXiv:1412.6980).

    It takes a fifth of a second for a thousand pictures, where Keras would need three to begin:
    heads are what is trained most often.

    Args:
        training: features [n, views, features], and labels.
        validation: likewise; the first view counts.
        classes: how many there are.
        config: as for `fit`.
        progress: told one line an epoch.
        watch: given each epoch's number, from 1, and its loss on ``validation``; may raise.

    Returns:
        The head, from features as they are to logits [n, classes], and its curves.
    """
    features, labels = np.concatenate(training[0]), np.repeat(training[1], training[0].shape[1])
    mean = features.mean(axis=0)
    deviation = np.maximum(features.std(axis=0), LEAST_DEVIATION)
    standard = ((features - mean) / deviation, labels)
    checked = ((validation[0][:, 0] - mean) / deviation, validation[1])
    steps = steps_an_epoch(len(labels), config)
    adam = _Adam((len(mean), classes), config, steps)
    course, started = Course(), time.monotonic()
    while course.goes_on(config):
        seen = [
            adam.step(inputs, truth, weights)
            for inputs, truth, weights in batches(
                standard, config, epoch=course.epochs, steps=steps
            )
        ]
        loss, accuracy = np.mean(seen, axis=0)
        validation_loss, validation_accuracy = _figures(adam.head(checked[0]), checked[1])
        course.add(
            {
                "loss": loss,
                "accuracy": accuracy,
                "validation_loss": validation_loss,
                "validation_accuracy": validation_accuracy,
            },
            lambda: [adam.kernel.copy(), adam.bias.copy()],
        )
        progress(course.line(config, (time.monotonic() - started) / course.epochs))
        watch(course.epochs, validation_loss)
    # What follows does without the standardisation: it is part of the weights.
    kernel, bias = course.best
    kernel = kernel / deviation[:, None]
    return Linear(kernel, bias - mean @ kernel), course.curves()


class _Adam:
    """A softmax regression and the optimizer's memory of its gradients."""

    def __init__(self, shape: tuple[int, int], config: TrainConfig, steps: int) -> None:
        self.kernel = np.zeros(shape, np.float32)
        self.bias = np.zeros(shape[1], np.float32)
        self._config, self._last, self._steps = config, steps * config.epochs, 0
        self._values = [self.kernel, self.bias]
        self._first = [np.zeros_like(value) for value in self._values]
        self._second = [np.zeros_like(value) for value in self._values]

    def head(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = inputs @ self.kernel + self.bias
        return logits

    def step(
        self, inputs: NDArray[np.float32], labels: Labels, weights: NDArray[np.float32]
    ) -> tuple[float, float]:
        """Learn from a batch; returns cross-entropy and accuracy on it before."""
        config, logits = self._config, self.head(inputs)
        truth = np.eye(len(self.bias), dtype=np.float32)[labels]
        truth = truth * (1 - config.label_smoothing) + config.label_smoothing / len(self.bias)
        error = (softmax(logits) - truth) * (weights / len(labels))[:, None]
        gradients = (
            inputs.T @ error + 2 * config.head_penalty * self.kernel,
            error.sum(axis=0),
        )
        rate = config.learning_rate
        if config.schedule == "cosine":
            rate *= (1 + np.cos(np.pi * self._steps / self._last)) / 2
        self._steps += 1
        for place, gradient in enumerate(gradients):
            self._first[place] += (gradient - self._first[place]) * np.float32(1 - _BETA_1)
            self._second[place] += (gradient**2 - self._second[place]) * np.float32(1 - _BETA_2)
            first = self._first[place] / np.float32(1 - _BETA_1**self._steps)
            second = self._second[place] / np.float32(1 - _BETA_2**self._steps)
            change = np.float32(rate) * first / (np.sqrt(second) + np.float32(_EPSILON))
            self._values[place] -= change
        return _figures(logits, labels)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities [n, classes] of logits [n, classes]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.floating] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def cross_entropy(logits: NDArray[np.floating], labels: Labels) -> float:
    """Mean over pictures of -log of the label's probability."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    each = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return float(each.mean())


def _figures(logits: NDArray[np.floating], labels: Labels) -> tuple[float, float]:
    return cross_entropy(logits, labels), float((logits.argmax(axis=1) == labels).mean())
