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
    bins = reliability(np.tile(labels, 1000), sure([0] * 10_000))

    assert calibration_error(bins) == pytest.approx(0, abs=0.01)


def test_equal_confidences_are_not_binned_by_the_order_of_the_pictures():
    # All mistakes are on the pictures of one class, which come last.
    bins = reliability(np.repeat([0, 1], [900, 100]), sure([0] * 1000))

    assert calibration_error(bins) < 0.05


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


def drawn(pictures: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that are often right."""
    random = np.random.default_rng(3)
    labels = random.choice(3, pictures, p=(0.5, 0.3, 0.2))
    logits = random.normal(size=(pictures, 3)) + 1.5 * np.eye(3)[labels]
    shares = np.exp(logits)
    return labels, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def test_figures_are_those_of_scikit_learn():
    from sklearn import metrics

    labels, probabilities = drawn()

    figures = measure(labels, probabilities, CLASSES)

    said = probabilities.argmax(axis=1)
    settled = settle(probabilities)
    each = metrics.precision_recall_fscore_support(labels, said, zero_division=0.0)
    for place, one in enumerate(figures.classes.values()):
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
            tuple(column[place] for column in each)
        )
    assert figures.macro_f1 == pytest.approx(metrics.f1_score(labels, said, average="macro"))
    assert figures.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, said))
    assert figures.log_loss == pytest.approx(metrics.log_loss(labels, settled))
    assert np.array_equal(figures.confusion, metrics.confusion_matrix(labels, said))
    assert figures.roc
    assert figures.roc.area == pytest.approx(
        metrics.roc_auc_score(labels, settled, multi_class="ovr", average="macro")
    )
    drawn_area = np.trapezoid(figures.roc.true_positive_rate, figures.roc.false_positive_rate)
    pooled = metrics.roc_auc_score(np.eye(3)[labels].ravel(), settled.ravel())
    assert drawn_area == pytest.approx(pooled, abs=0.005)


def test_a_curve_begins_with_nothing_and_ends_with_everything():
    curve = measure(*drawn(), CLASSES).roc

    assert curve
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert np.isfinite(curve.threshold).all()


def test_pictures_of_one_class_have_no_curve():
    assert measure(np.array([0, 0]), sure([0, 1]), CLASSES).roc is None


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        labels = random.integers(0, 3, 150)
        said = np.where(random.random(150) < 0.8, labels, (labels + 1) % 3)
        interval = measure(labels, sure(said), CLASSES).intervals["macro_f1"]
        held += interval.low <= 0.8 <= interval.high

    assert 0.9 <= held / 200 <= 0.99


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
