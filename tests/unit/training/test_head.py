"""Heads on made-up features; numpy alone."""

from dataclasses import replace

import numpy as np
import pytest

from weathervane.config import TrainConfig
from weathervane.training.head import softmax, train_head

RANDOM = np.random.default_rng(0)
CENTRES = RANDOM.normal(0, 1, (3, 10))
CONFIG = TrainConfig(architecture="mobilenetv2", weights="file", seed=4)


def drawn(number: int, views: int):
    labels = RANDOM.integers(0, 3, number)
    features = CENTRES[labels][:, None] + RANDOM.normal(0, 0.7, (number, views, 10))
    # As features are: of very different sizes, one of them always the same.
    features = features * np.logspace(-2, 2, 10)
    features[..., 0] = 7
    return features.astype(np.float32), labels


TRAINING, VALIDATION = drawn(300, 2), drawn(120, 2)


def trained(**settings):
    lines: list[str] = []
    head, curves = train_head(
        TRAINING, VALIDATION, classes=3, config=replace(CONFIG, **settings), progress=lines.append
    )
    return head, curves, lines


HEAD, CURVES, LINES = trained()


def test_a_head_tells_classes_apart_from_features_as_they_are():
    told = HEAD(VALIDATION[0][:, 0]).argmax(axis=1)

    assert (told == VALIDATION[1]).mean() > 0.8
    assert (told == VALIDATION[1]).mean() == pytest.approx(
        CURVES.validation_accuracy[CURVES.best_epoch - 1]
    )


def test_the_head_of_the_best_epoch_is_kept():
    shares = softmax(HEAD(VALIDATION[0][:, 0]))

    loss = -np.log(shares[np.arange(120), VALIDATION[1]]).mean()
    assert loss == pytest.approx(min(CURVES.validation_loss), rel=1e-3)


def test_the_same_seed_gives_the_same_head():
    assert np.array_equal(trained()[0].kernel, HEAD.kernel)
    assert not np.array_equal(trained(seed=5)[0].kernel, HEAD.kernel)


def test_every_epoch_is_told_with_the_time_left():
    assert len(LINES) == len(CURVES.loss)
    assert LINES[0].startswith("mobilenetv2 epoch 1/12: loss ")
    assert all("s left" in line for line in LINES)


def test_a_penalty_and_smooth_labels_make_a_head_less_sure():
    sure = softmax(HEAD(VALIDATION[0][:, 0])).max(axis=1).mean()

    assert softmax(trained(head_penalty=1.0)[0](VALIDATION[0][:, 0])).max(axis=1).mean() < sure
    assert softmax(trained(label_smoothing=0.3)[0](VALIDATION[0][:, 0])).max(axis=1).mean() < sure


def test_a_rate_that_falls_ends_nearer_than_one_that_stays():
    settings = {"learning_rate": 0.1, "patience": 12}

    assert trained(**settings)[1].loss[-1] < trained(**settings, schedule="constant")[1].loss[-1]


def test_training_ends_when_the_validation_loss_does_not_fall():
    assert len(trained(learning_rate=30.0, patience=1, epochs=9)[1].loss) < 9


def test_whoever_watches_may_end_it():
    def watch(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise StopIteration

    with pytest.raises(StopIteration):
        train_head(TRAINING, VALIDATION, classes=3, config=CONFIG, watch=watch)
