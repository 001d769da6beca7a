import numpy as np
import pytest

from weathervane.evaluation.metrics import calibration_error, measure, reliability, settle

CLASSES = ("cloudy", "rainy", "sunny")


def sure(predictions: list[int], confidence: float = 0.9) -> np.ndarray:
    rest = (1 - confidence) / (len(CLASSES) - 1)
    probabilities = np.full((len(predictions), len(CLASSES)), rest, np.float32)
    probabilities[np.arange(len(predictions)), predictions] = confidence
    return probabilities


def test_a_perfect_classifier_has_perfect_figures():
    labels = np.array([0, 1, 2, 2])

    figures = measure(labels, sure([0, 1, 2, 2]), CLASSES)

    assert (figures.accuracy, figures.balanced_accuracy, figures.macro_f1) == (1, 1, 1)
    assert figures.confusion == ((1, 0, 0), (0, 1, 0), (0, 0, 2))


def test_figures_of_a_case_worked_by_hand():
    # cloudy: 2 of 3 found, 2 of 3 said rightly; rainy: 1 of 2 found; sunny: all of 1.
    figures = measure(np.array([0, 0, 0, 1, 1, 2]), sure([0, 0, 1, 0, 1, 2]), CLASSES)

    assert figures.accuracy == pytest.approx(4 / 6)
    assert figures.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert figures.classes["cloudy"].precision == pytest.approx(2 / 3)
    assert figures.classes["rainy"].f1 == pytest.approx(1 / 2)
    assert figures.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert figures.classes["sunny"].support == 1


def test_a_class_without_test_pictures_does_not_pull_the_means_down():
    figures = measure(np.array([0, 1]), sure([0, 1]), CLASSES)

    assert (figures.balanced_accuracy, figures.macro_f1) == (1, 1)
    assert figures.classes["sunny"].support == 0


def test_confidence_that_is_as_high_as_accuracy_is_calibrated():
    labels = np.array([0] * 9 + [1])

    # Nine of ten are right, and each is said with 90 %.
    bins = reliability(np.tile(labels, 100), sure([0] * 1000))

    assert calibration_error(bins) == pytest.approx(0, abs=0.01)


def test_confidence_without_reason_is_a_calibration_error():
    assert calibration_error(reliability(np.array([1] * 100), sure([0] * 100))) == pytest.approx(
        0.9
    )


def test_bins_of_reliability_hold_every_picture_from_the_least_confidence_on():
    rng = np.random.default_rng(0)
    bins = reliability(rng.integers(0, 3, 57), rng.dirichlet((1, 1, 1), 57))

    assert sum(one.pictures for one in bins) == 57
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)


def test_an_answer_that_is_no_number_is_counted_and_takes_nothing_else_with_it():
    probabilities = sure([0, 1, 2, 2])
    probabilities[1, 0], probabilities[2, 2] = np.nan, np.inf

    figures = measure(np.array([0, 1, 2, 2]), probabilities, CLASSES)

    assert figures.unanswered == 0.5
    assert figures.accuracy == 0.5
    assert np.isfinite((figures.log_loss, figures.ece, figures.macro_f1)).all()
    assert settle(probabilities)[1] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("probabilities", "told"),
    [
        (sure([0, 1])[:, :2], r"must be \[2, 3\]"),
        (np.zeros((0, 3), np.float32), "at least one picture|must be"),
    ],
)
def test_what_cannot_be_measured_is_refused(probabilities: np.ndarray, told: str):
    with pytest.raises(ValueError, match=told):
        measure(np.array([0, 1]), probabilities, CLASSES)
