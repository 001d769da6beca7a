"""What this revision did, for Prometheus; every series carries model, revision and digest.

Requests are counted by the HTTP status of their answer; gRPC calls by the status that the same
answer has over REST.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from weathervane.rollout.counts import LATENCY_BOUNDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OURS = ("model", "revision", "digest")


class Metrics:
    """Counters of one revision."""

    def __init__(
        self, registry: CollectorRegistry, *, model: str, revision: str, digest: str
    ) -> None:
        self._registry = registry
        own = (model, revision, digest)
        self._own = own
        self._requests = Counter(
            "weathervane_requests", "Inference requests by status", (*_OURS, "code"),
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "weathervane_request_seconds", "Time from request to answer", _OURS,
            buckets=LATENCY_BOUNDS, registry=registry,
        ).labels(*own)  # fmt: skip
        self._predictions = Counter(
            "weathervane_predictions", "Pictures by predicted label", (*_OURS, "label"),
            registry=registry,
        )  # fmt: skip

    def answered(self, code: int, seconds: float) -> None:
        """Count one inference request."""
        self._requests.labels(*self._own, str(code)).inc()
        self._seconds.observe(seconds)

    def predicted(self, labels: Iterable[str]) -> None:
        """Count the label of each picture."""
        for label in labels:
            self._predictions.labels(*self._own, label).inc()

    def exposition(self) -> bytes:
        """Everything in the registry, as Prometheus reads it."""
        return bytes(generate_latest(self._registry))
