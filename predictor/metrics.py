"""What this revision did, for Prometheus; every series carries model, revision and digest.

Requests are counted by the HTTP status of their answer; gRPC calls by the status that the same
answer has over REST. What is counted at each request is looked up once for each package, here.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from predictor.protocol import Classification
from weathervane.rollout.counts import LATENCY_BOUNDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OURS = ("model", "revision", "digest")
_CONFIDENCE_BOUNDS = (*(tenth / 10 for tenth in range(1, 10)), 0.95, 0.99, 1.0)


class Families:
    """The series that a process has, whichever package serves; each process has them once.

    Args:
        registry: where they are exposed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, told: str, *by: str) -> Counter:
            return Counter(name, told, (*_OURS, *by), registry=registry)

        def histogram(name: str, told: str, bounds: tuple[float, ...], *by: str) -> Histogram:
            return Histogram(name, told, (*_OURS, *by), buckets=bounds, registry=registry)

        self.requests = counter("weathervane_requests", "Inference requests by status", "code")
        self.errors = counter(
            "weathervane_errors", "Requests and pictures refused, by kind", "kind"
        )
        self.predictions = counter(
            "weathervane_predictions", "Pictures by predicted label", "label"
        )
        self.probes = counter(
            "weathervane_probes", "A rollout's own requests, counted nowhere else", "code"
        )
        self.payloads = counter(
            "weathervane_payloads", "Sampled payloads by what became of them", "outcome"
        )
        self.outside = counter(
            "weathervane_out_of_distribution",
            "Pictures with a confidence below the package's threshold",
        )
        self.seconds = histogram(
            "weathervane_request_seconds", "Time from request to answer", LATENCY_BOUNDS
        )
        self.stages = histogram(
            "weathervane_stage_seconds",
            "Time of an answered request waiting for a thread, being decoded, in the engine",
            LATENCY_BOUNDS,
            "stage",
        )
        self.confidence = histogram(
            "weathervane_confidence", "Probability of the predicted label", _CONFIDENCE_BOUNDS
        )


class Metrics:
    """Counters of one package at one revision.

    Args:
        families: of the process.
        model: its name.
        revision: of this copy.
        digest: of the package.
        labels: of the package; each is counted from 0 on.
        ood_threshold: the package's; None when it has none, and nothing is counted then.
    """

    def __init__(
        self,
        families: Families,
        *,
        model: str,
        revision: str,
        digest: str,
        labels: tuple[str, ...] = (),
        ood_threshold: float | None = None,
    ) -> None:
        self._registry = families.registry
        self._ood_threshold = ood_threshold
        own = (model, revision, digest)
        self._requests = _Children(families.requests, own)
        self._errors = _Children(families.errors, own)
        self._predictions = _Children(families.predictions, own)
        self._probes = _Children(families.probes, own)
        self._payloads = _Children(families.payloads, own)
        self._seconds = families.seconds.labels(*own)
        self._queue, self._decode, self._infer = (
            families.stages.labels(*own, stage) for stage in ("queue", "decode", "infer")
        )
        self._confidence = families.confidence.labels(*own)
        # A series that begins with its first event has no increase to show for it.
        for label in labels:
            self._predictions[label].inc(0)
        self._requests["200"].inc(0)
        if ood_threshold is not None:
            self._outside = families.outside.labels(*own)

    def answered(self, code: int, seconds: float, kind: str = "", *, traffic: bool = True) -> None:
        """Count one inference request, and the kind of its error when it has one.

        One that is no ``traffic`` but a rollout's own is counted apart, and nowhere else.
        """
        if not traffic:
            self._probes[str(code)].inc()
            return
        self._requests[str(code)].inc()
        self._seconds.observe(seconds)
        if kind:
            self.refused(kind)

    def refused(self, kind: str) -> None:
        """Count one error by its kind, of a request or of one picture in a batch."""
        self._errors[kind].inc()

    def staged(self, *, queue: float, decode: float, infer: float) -> None:
        """Where the seconds of one answered request went, apart from reading and sending it."""
        self._queue.observe(queue)
        self._decode.observe(decode)
        self._infer.observe(infer)

    def predicted(self, answer: Classification) -> None:
        """Count label and confidence of each picture."""
        for label, confidence in zip(answer.labels, answer.confidences.tolist(), strict=True):
            self._predictions[label].inc()
            self._confidence.observe(confidence)
            if self._ood_threshold is not None and confidence < self._ood_threshold:
                self._outside.inc()

    def payload(self, outcome: str) -> None:
        """Count one sampled payload: ``sent``, ``failed``, or ``dropped`` for want of room."""
        self._payloads[outcome].inc()

    def exposition(self) -> bytes:
        """Everything in the registry, as Prometheus reads it."""
        return bytes(generate_latest(self._registry))


class _Children(dict[str, Counter]):
    """A counter's children by the one label that varies; looking one up there costs more."""

    def __init__(self, counter: Counter, own: tuple[str, str, str]) -> None:
        super().__init__()
        self._counter = counter
        self._own = own

    def __missing__(self, value: str) -> Counter:
        child = self[value] = self._counter.labels(*self._own, value)
        return child
