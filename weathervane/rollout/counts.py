"""What a revision did with its traffic: requests, errors, latency. Pure arithmetic.

Figures come from counters that start again at zero when a process restarts, so they are added up
here as differences between looks, in the manner of Prometheus' ``increase()``.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import inf, isnan, nan

# Upper bounds of the latency buckets, in seconds. The gateway and the predictor both count in
# these, so that figures from either can be added.
LATENCY_BOUNDS = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, inf),
)
_NO_LATENCY = (0,) * len(LATENCY_BOUNDS)


@dataclass(frozen=True)
class Counts:
    """Requests that ended, those of them that failed, and how many fell into each latency bucket.

    A failed request is one that the platform answered with 5xx or 429 (too much waits already),
    refused, dropped or timed out, whoever's fault it was: proxy errors and refused connections are
    in it.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = _NO_LATENCY  # not cumulative over buckets; one for each bound

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            latency=tuple(a + b for a, b in zip(self.latency, other.latency, strict=True)),
        )

    def since(self, earlier: "Counts") -> "Counts":
        """What came on top of ``earlier``; all of it when the counters started again meanwhile."""
        if self.requests < earlier.requests or self.errors < earlier.errors:
            return self
        grown = tuple(a - b for a, b in zip(self.latency, earlier.latency, strict=True))
        if min(grown) < 0:
            return self
        return Counts(self.requests - earlier.requests, self.errors - earlier.errors, grown)

    @property
    def error_rate(self) -> float:
        """Share of the requests that failed; 0 when there were none."""
        return self.errors / self.requests if self.requests else 0.0

    def latency_quantile(self, share: float) -> float:
        """Seconds within which ``share`` of the requests ended, linear inside a bucket.

        As Prometheus' ``histogram_quantile``: NaN without requests, and the highest finite bound
        when the quantile lies beyond it.
        """
        total = sum(self.latency)
        if not total:
            return nan
        cumulative = list(accumulate(self.latency))
        rank = share * total
        bucket = bisect_left(cumulative, rank)
        if LATENCY_BOUNDS[bucket] == inf:
            return LATENCY_BOUNDS[-2]
        lower = LATENCY_BOUNDS[bucket - 1] if bucket else 0.0
        below = cumulative[bucket - 1] if bucket else 0
        width = LATENCY_BOUNDS[bucket] - lower
        return lower + width * (rank - below) / self.latency[bucket]


def observe_latencies(seconds: Iterable[float]) -> tuple[int, ...]:
    """Bucket counts of single latencies."""
    buckets = list(_NO_LATENCY)
    for value in seconds:
        if isnan(value) or value < 0:
            raise ValueError(f"a latency is a number of seconds from 0 on, got {value}")
        buckets[bisect_left(LATENCY_BOUNDS, value)] += 1
    return tuple(buckets)
