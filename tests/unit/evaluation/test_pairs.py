"""Two models on the same pictures."""

import numpy as np
import pytest
from scipy.stats import binomtest

from weathervane.evaluation.pairs import chance_of_losses, macro_f1_loss


def answers(pictures: int, losses: int, gains: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and two models that differ on so many pictures, spread over the classes."""
    labels = np.arange(pictures) % 4
    ours, theirs = labels.copy(), labels.copy()
    ours[:losses] = (labels[:losses] + 1) % 4
    theirs[losses : losses + gains] = (labels[losses : losses + gains] + 1) % 4
    return labels, ours, theirs


@pytest.mark.parametrize(("losses", "gains"), [(0, 7), (3, 3), (9, 2), (40, 12)])
def test_the_chance_is_that_of_the_exact_test(losses: int, gains: int):
    expected = binomtest(losses, losses + gains, 0.5, alternative="greater").pvalue

    assert chance_of_losses(*answers(200, losses, gains)) == pytest.approx(expected)


def test_models_that_find_the_same_are_equal():
    labels, ours, _ = answers(100, 10, 0)

    assert chance_of_losses(labels, ours, ours) == 1
    lost = macro_f1_loss(labels, ours, ours, classes=4, significance=0.01)
    assert (lost.loss, lost.low, lost.high) == (0, 0, 0)


def test_a_loss_of_macro_f1_has_an_interval_around_it():
    lost = macro_f1_loss(*answers(1000, 60, 20), classes=4, significance=0.025)

    assert lost.loss == pytest.approx(0.04, abs=0.002)
    # The deviation of the difference of paired shares is sqrt(80 - 40²/1000)/1000.
    assert (lost.loss - lost.low, lost.high - lost.loss) == pytest.approx(
        (1.96 * 0.0089, 1.96 * 0.0089), rel=0.15
    )


def test_a_class_that_no_picture_shows_does_not_matter():
    labels, ours, theirs = answers(400, 20, 0)

    four = macro_f1_loss(labels, ours, theirs, classes=4, significance=0.01)
    assert macro_f1_loss(labels, ours, theirs, classes=9, significance=0.01) == four
