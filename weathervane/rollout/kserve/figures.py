"""A pod's figures. In: what our predictor tells Prometheus. Out: `Counts`. Pure.

The names are those of `predictor.metrics`; a pod that speaks of none of them has not been asked
anything yet.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from math import isclose

from prometheus_client.parser import text_string_to_metric_families

from weathervane.errors import DeploymentError
from weathervane.rollout.counts import LATENCY_BOUNDS, Answers, Counts

_REQUESTS = "weathervane_requests_total"
_SECONDS = "weathervane_request_seconds_bucket"
_PREDICTIONS = "weathervane_predictions_total"
_CONFIDENCE = "weathervane_confidence_bucket"
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))


def read_counts(text: str, pod: str) -> Counts:
    """Add up what one pod has answered.

    Raises:
        DeploymentError: when the text is no exposition, or its latencies are in other buckets.
    """
    requests = errors = 0
    buckets = Counter[float]()
    labels = Counter[str]()
    confidence = Counter[float]()
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == _REQUESTS:
                    requests += int(sample.value)
                    errors += int(sample.value) if _is_failure(sample.labels["code"]) else 0
                elif sample.name == _SECONDS:
                    buckets[float(sample.labels["le"])] += int(sample.value)
                elif sample.name == _PREDICTIONS:
                    labels[sample.labels["label"]] += int(sample.value)
                elif sample.name == _CONFIDENCE:
                    confidence[float(sample.labels["le"])] += int(sample.value)
    except (ValueError, KeyError, OverflowError) as error:
        raise DeploymentError(f"the figures of pod {pod} cannot be read: {error}") from error
    below = [0, *(confidence[tenth] for tenth in _TENTHS)]
    answers = Answers(labels, tuple(b - a for a, b in pairwise(below)))
    return Counts(requests=requests, errors=errors, answers=answers, **_latency(buckets, pod))


def _is_failure(code: str) -> bool:
    # 429: it had too much to do, and the client got nothing. 499: the client waited in vain, be it
    # a gateway at its own deadline.
    return code.startswith("5") or code in {"429", "499"}


def _latency(cumulative: Mapping[float, int], pod: str) -> dict[str, tuple[int, ...]]:
    if not cumulative:
        return {}
    bounds = sorted(cumulative)
    if len(bounds) != len(LATENCY_BOUNDS) or not all(map(isclose, bounds, LATENCY_BOUNDS)):
        raise DeploymentError(
            f"pod {pod} counts latencies in other buckets than this version of ours; "
            "serve with a predictor of the same version"
        )
    below = [0, *(cumulative[bound] for bound in bounds)]
    return {"latency": tuple(b - a for a, b in pairwise(below))}
