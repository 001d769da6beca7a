"""Two engines' answers to the same pictures."""

import numpy as np
import pytest

from weathervane.evaluation.evaluate import parity

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4]], np.float32)


def test_the_same_answers_are_no_distance_apart():
    found = parity(ANSWERS, ANSWERS)

    assert (found.largest_difference, found.labels_differing) == (0, 0)


def test_the_largest_difference_counts_and_so_does_every_label_that_differs():
    served = ANSWERS.copy()
    served[1] = (0.1, 0.44, 0.46)

    found = parity(ANSWERS, served)

    assert found.largest_difference == pytest.approx(0.06)
    assert found.labels_differing == 1


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_as_far_as_can_be(broken: float):
    served = ANSWERS.copy()
    served[2, 0] = broken

    assert parity(ANSWERS, served).largest_difference == 1
