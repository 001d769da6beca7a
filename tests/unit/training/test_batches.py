"""What `fit` feeds to a network, which needs none to be looked at."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from weathervane.config import TrainConfig
from weathervane.training.fit import _batches, _class_weights

LABELS = np.array([0] * 6 + [1] * 3 + [2] * 1)
INPUTS = np.arange(10, dtype=np.float32)[:, None]
CONFIG = TrainConfig(batch_size=4, seed=3)


def test_each_pass_gives_every_picture_once_and_another_order():
    passes = _batches(INPUTS, LABELS, CONFIG, None)
    first, second = ([int(x[0]) for b in islice(passes, 3) for x in b[0]] for _ in range(2))

    assert Counter(first) == Counter(second) == Counter(range(10))
    assert first != second


def test_labels_and_weights_stay_with_their_pictures():
    for inputs, labels, weights in islice(_batches(INPUTS, LABELS, CONFIG, None), 6):
        chosen = inputs[:, 0].astype(int)
        assert np.array_equal(labels, LABELS[chosen])
        assert np.array_equal(weights, _class_weights(LABELS)[labels])


def test_the_order_follows_from_the_seed():
    one, same = (_batches(INPUTS, LABELS, CONFIG, None) for _ in range(2))

    assert all(np.array_equal(next(one)[0], next(same)[0]) for _ in range(5))


def test_only_the_pictures_are_augmented():
    (inputs, labels, _), *_ = islice(_batches(INPUTS, LABELS, CONFIG, lambda batch: -batch), 1)

    assert np.array_equal(labels, LABELS[-inputs[:, 0].astype(int)])


def test_classes_weigh_the_same_together_and_a_picture_one_on_average():
    weights = _class_weights(LABELS)[LABELS]

    totals = [weights[label == LABELS].sum() for label in range(3)]
    assert totals == pytest.approx([10 / 3] * 3)
    assert weights.mean() == pytest.approx(1)


def test_a_class_without_pictures_takes_no_weight_from_the_others():
    weights = _class_weights(np.array([0, 0, 2, 2]))

    assert weights[[0, 2]] == pytest.approx(1)
