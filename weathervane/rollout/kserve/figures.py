"""A pod's figures. In: what our predictor tells Prometheus. Out: `Counts`. Pure.

The names are those of `predictor.metrics`; a pod that speaks of none of them has not been asked
anything yet.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import isclose

from prometheus_client.parser import text_string_to_metric_families

from weathervane.errors import DeploymentError
from weathervane.rollout.counts import LATENCY_BOUNDS, Counts

_REQUESTS = "weathervane_requests_total"
_SECONDS = "weathervane_request_seconds_bucket"


def read_counts(text: str, pod: str) -> Counts:
    """Add up what one pod has answered.

    Raises:
        DeploymentError: when the text is no exposition, or its latencies are in other buckets.
    """
    requests = errors = 0
    buckets: dict[float, int] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == _REQUESTS:
                    requests += int(sample.value)
                    errors += int(sample.value) if sample.labels["code"].startswith("5") else 0
                elif sample.name == _SECONDS:
                    bound = float(sample.labels["le"])
                    buckets[bound] = buckets.get(bound, 0) + int(sample.value)
    except (ValueError, KeyError) as error:
        raise DeploymentError(f"the figures of pod {pod} cannot be read: {error}") from error
    return Counts(requests=requests, errors=errors, **_latency(buckets, pod))


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
