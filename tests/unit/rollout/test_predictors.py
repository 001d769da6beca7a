import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from predictor.metrics import Families, Metrics
from predictor.protocol import Classification
from weathervane.errors import DeploymentError
from weathervane.rollout.counts import Answers, Counts, observe_latencies
from weathervane.rollout.predictors import Growth, read_counts


def test_the_predictors_own_metrics_are_read_as_it_counted_them():
    metrics = Metrics(Families(CollectorRegistry()), model="weather", revision="r", digest="d")
    answers = [(200, 0.004), (200, 0.02), (500, 1.2), (503, 0.001), (429, 0.001), (422, 0.002)]
    answers.append((499, 3.0))
    for code, seconds in answers:
        metrics.answered(code, seconds)

    counts = read_counts(metrics.exposition().decode(), "a process")

    latency = observe_latencies(seconds for _, seconds in answers)
    assert counts == Counts(requests=7, errors=4, latency=latency)


def test_a_process_that_was_asked_nothing_yet_has_zeros():
    metrics = Metrics(Families(CollectorRegistry()), model="weather", revision="r", digest="d")

    assert read_counts(metrics.exposition().decode(), "a process") == Counts()


def test_labels_and_confidences_are_told_by_tenths():
    metrics = Metrics(Families(CollectorRegistry()), model="weather", revision="r", digest="d")
    metrics.predicted(
        Classification(
            probabilities=np.zeros((3, 2), np.float32),
            labels=("sunny", "sunny", "rainy"),
            confidences=np.array([0.55, 0.97, 0.85], np.float32),
            infer_seconds=0.01,
        )
    )

    answers = read_counts(metrics.exposition().decode(), "a process").answers

    assert answers == Answers({"sunny": 2, "rainy": 1}, (0, 0, 0, 0, 0, 1, 0, 0, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        'weathervane_requests_total{code="200"} NaN\n',
        'weathervane_requests_total{code="200"} +Inf\n',
        'weathervane_request_seconds_bucket{le="7"} 1\n',
    ],
)
def test_what_is_no_figure_is_an_error_and_never_a_zero(text):
    with pytest.raises(DeploymentError):
        read_counts(text, "a process")


def told(labels: dict[str, int]) -> Counts:
    return Counts(requests=sum(labels.values()), answers=Answers(labels))


def test_growth_is_added_up_over_processes_that_restart_and_go():
    growth = Growth()
    growth.add("blue", {"one": told({"sunny": 5}), "two": told({"rainy": 3})})
    # One has started again, two is gone, three is new.
    sums = growth.add("blue", {"one": told({"sunny": 2}), "three": told({"rainy": 4})})

    assert (sums.requests, sums.answers.labels) == (14, {"sunny": 7, "rainy": 7})
    # Two is back where it was.
    assert growth.add("blue", {"two": told({"rainy": 3})}).requests == 14
    assert growth.add("green", {}) == Counts()
