"""What `fit` feeds to a network, which needs none to be looked at."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from weathervane.config import TrainConfig
from weathervane.training import fit
from weathervane.training.fit import class_weights

LABELS = np.array([0] * 6 + [1] * 3 + [2] * 1)
INPUTS = np.arange(10, dtype=np.float32)[:, None]
CONFIG = TrainConfig(batch_size=4, seed=3)


def batches(*, epoch=0, steps=6, augment=None, **settings):
    config = replace(CONFIG, **settings)
    return list(fit.batches((INPUTS, LABELS), config, epoch=epoch, steps=steps, augment=augment))


def places(**settings):
    return [int(x[0]) for batch in batches(**settings) for x in batch[0]]


def test_each_pass_gives_every_picture_once_and_another_order():
    both = places(steps=6)

    assert Counter(both[:10]) == Counter(both[10:]) == Counter(range(10))
    assert both[:10] != both[10:]


def test_an_epoch_has_as_many_batches_as_it_is_told():
    assert len(batches(steps=5)) == 5


def test_labels_and_weights_stay_with_their_pictures():
    for inputs, labels, weights in batches():
        chosen = inputs[:, 0].astype(int)
        assert np.array_equal(labels, LABELS[chosen])
        assert np.array_equal(weights, class_weights(LABELS)[labels])


def test_the_order_follows_from_the_seed_and_the_epoch():
    assert places(epoch=2) == places(epoch=2)
    assert places(epoch=2) != places(epoch=1)
    assert places(epoch=2) != places(epoch=2, seed=4)


def test_only_the_pictures_are_augmented_each_batch_by_another_number():
    changed = batches(epoch=2, augment=lambda batch, number: batch + 100 * number)

    for step, (inputs, labels, _) in enumerate(changed):
        assert np.array_equal(labels, LABELS[inputs[:, 0].astype(int) - 100 * (12 + step)])


def test_sampling_shows_classes_alike_instead_of_weighing_them():
    shown = batches(steps=400, balance="sampling")

    seen = Counter(int(label) for _, labels, _ in shown for label in labels)
    assert [seen[label] / seen.total() for label in range(3)] == pytest.approx(
        [1 / 3] * 3, abs=0.05
    )
    assert all(np.all(weights == 1) for _, _, weights in shown)


def test_without_balance_every_picture_is_itself():
    assert all(np.all(weights == 1) for _, _, weights in batches(balance="none"))
    assert Counter(places(steps=3, balance="none")) == Counter(range(10))


def test_classes_weigh_the_same_together_and_a_picture_one_on_average():
    weights = class_weights(LABELS)[LABELS]

    totals = [weights[label == LABELS].sum() for label in range(3)]
    assert totals == pytest.approx([10 / 3] * 3)
    assert weights.mean() == pytest.approx(1)


def test_a_class_without_pictures_takes_no_weight_from_the_others():
    weights = class_weights(np.array([0, 0, 2, 2]))

    assert weights[[0, 2]] == pytest.approx(1)
