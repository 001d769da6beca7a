"""Pods that answer: our predictor's metrics and predictions, each pod at an address of its own.

In: a package's behaviour. Out: an HTTP server on loopback. Traffic is not sent through sockets:
it is counted as the predictor counts it, so that thousands of requests cost nothing.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry

from predictor.metrics import Families, Metrics
from tests.platform.listening import Listener
from weathervane.rollout.counts import PROBE_HEADER


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the pods of one package behave."""

    error_share: float = 0.0
    latency_seconds: float = 0.005
    ready_after_seconds: float = 0.02
    # What the container said when it died; it is never ready then.
    fails_to_load: str | None = None
    label: Callable[[bytes], str] = bytes.decode


class PodServer:
    """One running container ``kserve-container``."""

    def __init__(self, model: str, revision: str, digest: str, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._about = {"model": model, "revision": revision, "digest": digest}
        self._owed_errors = 0.0
        self.readable = True
        # What it tells Prometheus passes through here; an OSError is an endpoint that fails.
        self.said: Callable[[bytes], bytes] = bytes
        self.restart()
        self._server = Listener(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def restart(self) -> None:
        """The container starts again: its counters begin at zero."""
        self._metrics = Metrics(Families(CollectorRegistry()), **self._about)

    def take(self, requests: int) -> int:
        """Answer so many requests of clients; how many were answered well."""
        self._owed_errors += requests * self.behaviour.error_share
        failed = int(self._owed_errors)
        self._owed_errors -= failed
        for number in range(requests):
            code = 500 if number < failed else 200
            self._metrics.answered(code, self.behaviour.latency_seconds)
        return requests - failed

    @property
    def taken(self) -> int:
        """Requests that it has answered, by its own figures."""
        name = "weathervane_request_seconds_count"
        return int(self._metrics._registry.get_sample_value(name, self._about) or 0)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pod = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body in one piece: two would wait for each other on a kept connection.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.path != "/metrics" or not pod.readable:
                    self._answer(503, b"")
                    return
                try:
                    self._answer(200, pod.said(pod._metrics.exposition()))
                except OSError:
                    self._answer(503, b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                head = int(self.headers["Inference-Header-Content-Length"])
                (size,) = struct.unpack_from("<I", body, head)
                picture = body[head + 4 : head + 4 + size]
                outputs: list[dict[str, Any]] = [
                    {"name": "label", "data": [pod.behaviour.label(picture)]},
                    {"name": "confidence", "data": [0.9]},
                ]
                if not self.headers.get(PROBE_HEADER):
                    pod._metrics.answered(200, pod.behaviour.latency_seconds)
                self._answer(200, json.dumps({"outputs": outputs}).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
