"""The predictors' own figures. In: what each process tells Prometheus. Out: `Counts`. Pure.

The names are those of `predictor.metrics`; a process that speaks of none of them has not been asked
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


def read_counts(text: str, whose: str) -> Counts:
    """Add up what one process has answered; ``whose`` is its name, for people.

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
        raise DeploymentError(f"the figures of {whose} cannot be read: {error}") from error
    below = [0, *(confidence[tenth] for tenth in _TENTHS)]
    answers = Answers(labels, tuple(b - a for a, b in pairwise(below)))
    latency = _latency(buckets, whose)
    return Counts(requests=requests, errors=errors, latency=latency, answers=answers)


class Growth:
    """Adds up what processes count that come, go, and start again at zero.

    One that goes takes its counters along. The sum of all would fall and look like a restart of
    everything, so growth is added up process by process. A new `Growth` begins with the sums as
    they are.
    """

    def __init__(self) -> None:
        self._last: dict[str, Counts] = {}  # by process
        self._sums: dict[str, Counts] = {}  # by revision

    def add(self, revision: str, read: Mapping[str, Counts]) -> Counts:
        """What a revision has counted, after a reading of each of its processes, by its name."""
        total = self._sums.get(revision, Counts())
        for process, now in read.items():
            total = total + now.since(self._last.get(process, Counts()))
        self._last.update(read)
        self._sums[revision] = total
        return total


def _is_failure(code: str) -> bool:
    # 429: it had too much to do, and the client got nothing. 499: the client waited in vain, be it
    # a gateway at its own deadline.
    return code.startswith("5") or code in {"429", "499"}


def _latency(cumulative: Mapping[float, int], whose: str) -> tuple[int, ...]:
    """Zeros before the first request."""
    if not cumulative:
        return Counts().latency
    bounds = sorted(cumulative)
    if len(bounds) != len(LATENCY_BOUNDS) or not all(map(isclose, bounds, LATENCY_BOUNDS)):
        raise DeploymentError(
            f"{whose} counts latencies in other buckets than this version of ours; "
            "serve with a predictor of the same version"
        )
    below = [0, *(cumulative[bound] for bound in bounds)]
    return tuple(b - a for a, b in pairwise(below))
