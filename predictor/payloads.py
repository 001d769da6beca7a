"""A sample of requests and their answers, sent to a collector as KServe's agent sends them all.

In: answered requests. Out: two CloudEvents each, in binary form, POSTed by a thread of their own.
Never in anybody's way: what finds no room in memory, or no collector, is dropped and counted.
https://github.com/kserve/kserve/blob/master/pkg/logger/worker.go and
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from queue import SimpleQueue
from threading import Lock, Thread

from predictor.metrics import Metrics

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
# Payloads that wait, in bytes: twice the largest request.
MAX_WAITING_BYTES = 16 * 1024 * 1024
SECONDS = 2.0  # for each step of a delivery

_log = logging.getLogger("weathervane.predictor")


@dataclass(frozen=True)
class Payload:
    """A body, and how it is to be read."""

    body: bytes
    content_type: str
    # Bytes of JSON before the binary tensors, when the body has such.
    json_length: str | None = None


# The id of an answered request, the request, the answer: see `PayloadLog.offer`.
Offer = Callable[[str, Payload, Payload], None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who answered, and where what becomes of its payloads is counted.

    Args:
        service: the model's name; KServe names the InferenceService so.
        revision: of this copy.
        digest: of the package.
        metrics: of the two.
    """

    service: str
    revision: str
    digest: str
    metrics: Metrics

    def attributes(self) -> dict[str, str]:
        """Headers that all its events have in common."""
        return {
            "ce-specversion": "1.0",
            "ce-source": f"/v2/models/{self.service}/versions/{self.digest}",
            "ce-inferenceservicename": self.service,
            "ce-component": "predictor",
            "ce-revision": self.revision,
        }


@dataclass(frozen=True)
class _Event:
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Pair:
    """A request and its answer, on their way."""

    events: tuple[_Event, _Event]
    metrics: Metrics

    @property
    def size(self) -> int:
        return sum(len(event.body) for event in self.events)


def sampled(request_id: str, share: float) -> bool:
    """Whether a request is of the sample; the same at every revision, replica and restart."""
    return int.from_bytes(sha256(request_id.encode()).digest()[:8]) < share * 2**64


class PayloadLog:
    """Sends a share of what is answered to ``url``, and never waits for it.

    Args:
        url: the collector's.
        share: of the requests, above 0 and at most 1.
    """

    def __init__(self, url: str, *, share: float) -> None:
        self._url = url
        self._share = share
        self._waiting: SimpleQueue[_Pair | None] = SimpleQueue()
        self._waiting_bytes = 0
        self._lock = Lock()
        self._silent = False
        self._sender = Thread(target=self._send_all, name="payloads", daemon=True)
        self._sender.start()

    def offer(self, source: Source, request_id: str, request: Payload, response: Payload) -> None:
        """Take an answered request if it is of the sample."""
        if not sampled(request_id, self._share):
            return
        size = len(request.body) + len(response.body)
        with self._lock:
            if self._waiting_bytes + size > MAX_WAITING_BYTES:
                source.metrics.payload("dropped")
                return
            self._waiting_bytes += size
        events = (
            _event(source, REQUEST, request_id, request),
            _event(source, RESPONSE, request_id, response),
        )
        self._waiting.put(_Pair(events, source.metrics))

    def close(self) -> None:
        """Send what waits, for as long as one delivery may take; drop the rest."""
        self._waiting.put(None)
        self._sender.join(2 * SECONDS)

    def _send_all(self) -> None:
        import httpx

        # The collector is the cluster's own: no proxy of the environment lies on the way.
        with httpx.Client(timeout=SECONDS, trust_env=False) as client:
            while (pair := self._waiting.get()) is not None:
                try:
                    for event in pair.events:
                        client.post(
                            self._url, content=event.body, headers=dict(event.headers)
                        ).raise_for_status()
                except httpx.HTTPError as error:
                    pair.metrics.payload("failed")
                    self._complain(error)
                else:
                    self._silent = False
                    pair.metrics.payload("sent")
                with self._lock:
                    self._waiting_bytes -= pair.size

    def _complain(self, error: Exception) -> None:
        # Once for each time it goes away, not for each request.
        if not self._silent:
            _log.warning("payloads cannot be sent: %s", str(error) or type(error).__name__)
            self._silent = True


def _event(source: Source, kind: str, request_id: str, payload: Payload) -> _Event:
    headers = {
        **source.attributes(),
        "ce-id": request_id,
        "ce-type": kind,
        "ce-time": datetime.now(UTC).isoformat(),
        "content-type": payload.content_type,
    }
    if payload.json_length is not None:
        headers["ce-jsonlength"] = payload.json_length
    return _Event(headers, payload.body)
