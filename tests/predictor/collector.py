"""A collector of CloudEvents, for tests: what it is sent can be waited for."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue


@dataclass(frozen=True)
class Received:
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass
class Collector:
    """Answers everything with ``status``, as soon as it may."""

    url: str
    received: Queue[Received] = field(default_factory=Queue)
    status: int = 200
    may_answer: threading.Event = field(default_factory=threading.Event)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.received.put(
                Received({name.lower(): told for name, told in self.headers.items()}, body)
            )
            collector.may_answer.wait(30)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}/events")
        collector.may_answer.set()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.may_answer.set()
            server.shutdown()
            thread.join()
