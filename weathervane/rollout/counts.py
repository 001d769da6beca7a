"""What a revision did with its traffic: requests, errors, latency. Pure arithmetic.

Figures come from counters that start again at zero when a process restarts, so they are added up
here as differences between looks, in the manner of Prometheus' ``increase()``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import inf, isnan, nan

# Upper bounds of the latency buckets, in seconds. The gateway and the predictor both count in
# these, so that figures from either can be added. Whole milliseconds up to 10, as Envoy counts
# no finer; then the series E24 of IEC 60063, steps of a tenth, so that a p95 worse by 30 % moves
# by about three buckets.
_E24 = (
    *(10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30),
    *(33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91),
)
LATENCY_BOUNDS = (
    *(milliseconds / 1000 for milliseconds in range(1, 10)),
    *(step / parts for parts in (1000, 100, 10) for step in _E24),
    *(10.0, inf),
)
# A request that has this header is a rollout's own question: it is counted as none of the traffic.
PROBE_HEADER = "x-weathervane-probe"
_NO_LATENCY = (0,) * len(LATENCY_BOUNDS)


_NO_CONFIDENCE = (0,) * 10


@dataclass(frozen=True)
class Answers:
    """What a revision answered: pictures by label, and by confidence in tenths from 0 to 1.

    Empty where the platform does not tell.
    """

    labels: Mapping[str, int] = field(default_factory=dict)
    confidence: tuple[int, ...] = _NO_CONFIDENCE

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(
            {
                label: self.labels.get(label, 0) + other.labels.get(label, 0)
                for label in {**self.labels, **other.labels}
            },
            tuple(a + b for a, b in zip(self.confidence, other.confidence, strict=True)),
        )

    def since(self, earlier: "Answers") -> "Answers":
        """What came on top of ``earlier``; all of it when the counters started again meanwhile."""
        if any(self.labels.get(label, 0) < count for label, count in earlier.labels.items()):
            return self
        grown = tuple(a - b for a, b in zip(self.confidence, earlier.confidence, strict=True))
        if min(grown) < 0:
            return self
        labels = {
            label: count - earlier.labels.get(label, 0) for label, count in self.labels.items()
        }
        return Answers(labels, grown)

    @property
    def total(self) -> int:
        """Number of pictures answered."""
        return sum(self.labels.values())


@dataclass(frozen=True)
class Counts:
    """Requests that ended, those of them that failed, and how many fell into each latency bucket.

    A failed request is one that the platform answered with 5xx or 429 (too much waits already),
    refused, dropped or timed out, whoever's fault it was: proxy errors and refused connections are
    in it. One that was answered at a second try did not fail: its client saw one answer.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = _NO_LATENCY  # not cumulative over buckets; one for each bound
    # Counted by the predictors, whose restarts are none of the gateway's.
    answers: Answers = field(default_factory=Answers)
    # Requests whose first try was lost and whose second was answered.
    retried: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            latency=tuple(a + b for a, b in zip(self.latency, other.latency, strict=True)),
            answers=self.answers + other.answers,
            retried=self.retried + other.retried,
        )

    def since(self, earlier: "Counts") -> "Counts":
        """What came on top of ``earlier``; all of it when the counters started again meanwhile."""
        answers = self.answers.since(earlier.answers)
        grown = tuple(a - b for a, b in zip(self.latency, earlier.latency, strict=True))
        requests, errors = self.requests - earlier.requests, self.errors - earlier.errors
        retried = self.retried - earlier.retried
        if min(*grown, requests, errors, retried) < 0:
            return replace(self, answers=answers)
        return Counts(requests, errors, grown, answers, retried)

    @property
    def error_rate(self) -> float:
        """Share of the requests that failed; 0 when there were none."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def retry_rate(self) -> float:
        """Share of the requests that needed a second try; 0 when there were none."""
        return self.retried / self.requests if self.requests else 0.0

    def latency_quantile(self, share: float) -> float:
        """Seconds within which ``share`` of the requests ended, linear inside a bucket.

        As Prometheus' ``histogram_quantile``: NaN without requests, and the highest finite bound
        when the quantile lies beyond it.
        """
        return quantile(self.latency, share)


def quantile(latency: Sequence[float], share: float) -> float:
    """See `Counts.latency_quantile`; of bucket counts that need not be whole."""
    total = sum(latency)
    if not total:
        return nan
    cumulative = list(accumulate(latency))
    # What was added up in floats may end a hair below their sum.
    bucket = min(bisect_left(cumulative, share * total), len(latency) - 1)
    if LATENCY_BOUNDS[bucket] == inf:
        return LATENCY_BOUNDS[-2]
    lower = LATENCY_BOUNDS[bucket - 1] if bucket else 0.0
    below = cumulative[bucket - 1] if bucket else 0.0
    width = LATENCY_BOUNDS[bucket] - lower
    return lower + width * (share * total - below) / latency[bucket]


def slower_than(seconds: float, latency: Sequence[float]) -> float:
    """How many requests took longer, linear inside a bucket; those beyond the last bound all do."""
    bucket = bisect_left(LATENCY_BOUNDS, seconds)
    beyond = sum(latency[bucket + 1 :])
    upper = LATENCY_BOUNDS[bucket]
    if upper == inf:
        return beyond + latency[bucket]
    lower = LATENCY_BOUNDS[bucket - 1] if bucket else 0.0
    return beyond + latency[bucket] * (upper - seconds) / (upper - lower)


def observe_latencies(seconds: Iterable[float]) -> tuple[int, ...]:
    """Bucket counts of single latencies."""
    buckets = list(_NO_LATENCY)
    for value in seconds:
        if isnan(value) or value < 0:
            raise ValueError(f"a latency is a number of seconds from 0 on, got {value}")
        buckets[bisect_left(LATENCY_BOUNDS, value)] += 1
    return tuple(buckets)
