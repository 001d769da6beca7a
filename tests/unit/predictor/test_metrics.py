"""What is counted, and that every series says of which model, revision and package."""

import numpy as np
from prometheus_client import CollectorRegistry

from predictor.metrics import Families, Metrics
from predictor.protocol import Classification
from weathervane.rollout.counts import LATENCY_BOUNDS

LABELS = ("foggy", "sunny")


def classification(*confidences: float) -> Classification:
    best = np.array(confidences, np.float32)
    return Classification(
        probabilities=np.stack([1 - best, best], axis=1),
        labels=("sunny",) * len(confidences),
        confidences=best,
    )


def values(registry: CollectorRegistry, name: str, label: str) -> dict[str, float]:
    told = {}
    for family in registry.collect():
        for sample in family.samples:
            if sample.name == name:
                assert sample.labels["model"] == "weather"
                assert sample.labels["revision"] == "weather-00007"
                assert sample.labels["digest"] == "d" * 64
                told[sample.labels.get(label, "")] = sample.value
    return told


def metrics(registry: CollectorRegistry, ood_threshold: float | None = None) -> Metrics:
    return Metrics(
        Families(registry),
        model="weather",
        revision="weather-00007",
        digest="d" * 64,
        labels=LABELS,
        ood_threshold=ood_threshold,
    )


def test_every_label_is_there_before_it_was_predicted():
    registry = CollectorRegistry()

    metrics(registry).predicted(classification(0.9, 0.8))

    assert values(registry, "weathervane_predictions_total", "label") == {"foggy": 0, "sunny": 2}


def test_pictures_below_the_threshold_are_counted_when_there_is_one():
    with_one, without = CollectorRegistry(), CollectorRegistry()

    metrics(with_one, 0.5).predicted(classification(0.49, 0.5, 0.51, 0.1))
    metrics(without).predicted(classification(0.1))

    assert values(with_one, "weathervane_out_of_distribution_total", "") == {"": 2}
    assert values(without, "weathervane_out_of_distribution_total", "") == {}


def test_confidences_fall_into_tenths_and_the_sure_ones_finer():
    registry = CollectorRegistry()

    metrics(registry).predicted(classification(0.05, 0.55, 0.97, 0.999, 1.0))

    buckets = values(registry, "weathervane_confidence_bucket", "le")
    assert (buckets["0.1"], buckets["0.6"], buckets["0.95"], buckets["0.99"], buckets["1.0"]) == (
        *(1, 2, 2, 3, 5),
    )


def test_latencies_are_counted_as_the_gateway_counts_them():
    registry = CollectorRegistry()
    counted = metrics(registry)

    counted.answered(200, 0.004)
    counted.staged(queue=0.001, decode=0.002, infer=0.001)

    buckets = values(registry, "weathervane_request_seconds_bucket", "le")
    assert [float(bound) for bound in buckets] == list(LATENCY_BOUNDS)
    assert values(registry, "weathervane_stage_seconds_sum", "stage") == {
        "queue": 0.001,
        "decode": 0.002,
        "infer": 0.001,
    }


def test_errors_are_counted_beside_the_requests_that_had_them():
    registry = CollectorRegistry()
    counted = metrics(registry)

    counted.answered(400, 0.001, "malformed")
    counted.answered(503, 0.001, "busy")

    assert values(registry, "weathervane_requests_total", "code") == {"200": 0, "400": 1, "503": 1}
    assert values(registry, "weathervane_errors_total", "kind") == {"malformed": 1, "busy": 1}


def test_a_rollout_s_own_requests_are_counted_apart():
    registry = CollectorRegistry()

    metrics(registry).answered(400, 0.001, "malformed", traffic=False)

    assert values(registry, "weathervane_requests_total", "code") == {"200": 0}
    assert values(registry, "weathervane_errors_total", "kind") == {}
    assert values(registry, "weathervane_probes_total", "code") == {"400": 1}
