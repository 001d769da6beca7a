"""REST connections that cannot be held open, filled up, or used to hold up others.

uvicorn's HTTP protocol and what it leaves out: deadlines for the head and the body of a request;
bounds on its head, its chunks, on requests sent ahead of their answers, on connections and on what
all of them hold in memory; and work that ends when its client leaves. What is refused here, before
it is a request, is answered as everywhere: ``{"error": "…"}``, after the answers that are due
before it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from predictor.limits import Limits
from predictor.protocol import LEFT

# A client that is still sending must be listened to for a while, or the system throws away the
# answer with what it had no time to read (RFC 9112, section 9.6).
_LINGER_SECONDS = 2.0

Application = Callable[..., Awaitable[None]]


class Connections:
    """What the connections of one server know in common."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held_bytes = 0
        # Those whose client has sent no whole request, the one that has been so for longest first.
        self.listening: dict[Connection, None] = {}
        # Set: every answer says that its connection closes, and clients go elsewhere by themselves.
        self.leaving = False


class _RefusedError(Exception):
    """Ends the parsing of a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Connection(HttpToolsProtocol):
    """One connection: in the head or the body of a request that is coming in, or between two.

    Besides it may be busy: answering that request or an earlier one.
    """

    def __init__(self, *args: Any, connections: Connections, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._all = connections
        self._limits = connections.limits
        self._in_head = self._in_body = False
        self._head_bytes = self._chunks = self._held_bytes = 0
        # When the head or the body must be whole; None while the client owes us nothing.
        self._deadline: float | None = None
        # What is being answered, and by which task.
        self._answering: RequestResponseCycle | None = None
        self._task: asyncio.Task[Any] | None = None
        # The last words on this connection; nothing is read any more.
        self._refusal: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection on; when there are too many, in the place of one that owes us."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.head_seconds
        self._all.listening[self] = None
        if len(self.connections) > self._limits.connections:
            longest = next(iter(self._all.listening))
            if longest is self:
                self._refuse(503, "there are too many connections; try again in a second")
            else:
                longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back all that it held; what nobody waits for any more is not done."""
        busy = self._busy
        super().connection_lost(exc)
        self._all.listening.pop(self, None)
        self._release()
        self.pipeline.clear()
        if busy and self._answering:
            # Who leaves in mid-body asked nothing yet; who leaves later got nothing for it.
            asked = not (self._in_body and self.cycle is self._answering)
            self._abandon(self._answering, LEFT if asked else 400)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless the last word has been said."""
        self._unset_keepalive_if_required()
        if self._refusal is not None:
            return
        head = self.headers if self._in_head else None
        # It may have its answer already, so that nothing is busy when its end has come.
        of_a_body = self._in_body
        rest = memoryview(data)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as offer:
                    rest = memoryview(self._declined() + rest[offer.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, _RefusedError):
                self._refuse(cause.status, str(cause))
            else:
                self._refuse(400, f"this is not HTTP: {error}")
            return
        if self._in_head and self.headers is head:
            # All of it was head. Of a header that goes on and on the parser tells nothing.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(431, f"a head has at most {self._limits.head_bytes} bytes")
        elif not (of_a_body or self._in_head or self._in_body or self._busy or self._deadline):
            # Bytes between requests are no sign of life.
            self._deadline = self.loop.time() + self._limits.head_seconds

    def on_message_begin(self) -> None:
        """From now on there is a deadline."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._chunks = 0
        if self._deadline is None:
            self._deadline = self.loop.time() + self._limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """A part of the head."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A part of the head, or of what may follow a body in chunks."""
        self._count_head(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, or to wait for the answers before."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _RefusedError(405, "this is no proxy")
            return
        if len(self.pipeline) >= self._limits.ahead:
            raise _RefusedError(503, f"at most {self._limits.ahead} requests can be sent ahead")
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        self._deadline = self.loop.time() + self._limits.body_seconds
        # A client that was refused before it sent its body may send it or not: whatever comes next
        # could be either (RFC 9110, section 10.1.1).
        if self._all.leaving or self.expect_100_continue:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """Every chunk costs time, however little is in it."""
        self._chunks += 1
        if self._chunks > self._limits.chunks:
            raise _RefusedError(413, f"a body has at most {self._limits.chunks} chunks")

    def on_body(self, body: bytes) -> None:
        """Keep it for who reads the request; dropped when that has been answered already."""
        if not self.cycle.response_complete:
            self._held_bytes += len(body)
            self._all.held_bytes += len(body)
            if self._all.held_bytes > self._limits.held_bytes:
                raise _RefusedError(503, "too much is being sent to us; try again in a second")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The client owes us nothing more."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._in_body = False
        self._deadline = None
        if self._busy:
            self._all.listening.pop(self, None)

    def on_response_complete(self) -> None:
        """Go on with the next request, or rest."""
        super().on_response_complete()
        if self._busy or self.transport.is_closing():
            return
        self._release()
        if self._refusal is not None:
            self._say_refusal()
        else:
            self._all.listening[self] = None

    def shutdown(self) -> None:
        """Close, unless a request is coming in or being answered: that closes it at its end."""
        if not (self._busy or self._in_head):
            self.transport.close()

    def cut_if_late(self, now: float) -> None:
        """Refuse a request whose head or body takes too long. To be called every now and then."""
        if self._deadline is None or now < self._deadline:
            return
        if self.flow.read_paused:
            # It is us who do not read.
            self._deadline = now + self._limits.body_seconds
        elif self._in_head:
            self._refuse(408, f"no whole head within {self._limits.head_seconds:g} s")
        elif self._in_body:
            self._refuse(408, f"no whole body within {self._limits.body_seconds:g} s")
        else:
            self.transport.close()

    @property
    def _busy(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes:
            raise _RefusedError(431, f"a head has at most {self._limits.head_bytes} bytes")

    def _declined(self) -> bytes:
        """The head of a request without its offer to change the protocol, for a parser anew.

        Clients offer HTTP/2 in passing, with a body (Java's does by default). The parser would take
        that body for the other protocol, although an offer may be ignored (RFC 9110, section 7.8).
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join((*lines, b"", b""))

    def _release(self) -> None:
        self._all.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        self._answering = cycle
        super()._start_asgi_task(cycle, partial(self._attended, cycle, app))

    async def _attended(
        self,
        cycle: RequestResponseCycle,
        app: Application,
        *asgi: Any,  # noqa: ANN401
    ) -> None:
        """Answer; cancelled, end without a word to a client that has left."""
        if cycle.disconnected:
            return
        self._task = asyncio.current_task()
        # Who answers may be another than when the head came.
        cycle.default_headers = self.server_state.default_headers
        try:
            await app(*asgi)
        except asyncio.CancelledError:
            if not (cycle.disconnected or cycle.response_started):
                # The server ends before the answer is there.
                cycle.disconnected = True
                self.transport.write(self._answer(503, "this server has stopped; ask another"))
                self.transport.close()

    def _abandon(self, cycle: RequestResponseCycle, status: int) -> None:
        """End the work on a request that gets no answer of its own; ``status`` is for its task."""
        cycle.disconnected = True
        self._answering = None
        if self._task is not None:
            self._task.cancel(status)

    def _refuse(self, status: int, message: str) -> None:
        """Say so after the answers that are due before, and read no more."""
        self._refusal = self._answer(status, message)
        self._deadline = None
        self._unset_keepalive_if_required()
        if self._in_body:
            unfinished = self.cycle
            if unfinished is not self._answering:
                self.pipeline.popleft()
            elif unfinished.response_complete:
                # It has its answer.
                self._refusal = b""
            elif unfinished.response_started:
                # It is getting its answer; the connection ends with it.
                unfinished.keep_alive = False
            else:
                self._abandon(unfinished, status)
        if not self._busy:
            self._say_refusal()

    def _say_refusal(self) -> None:
        self._all.listening.pop(self, None)
        self._release()
        if self.transport.is_closing():
            return
        self.transport.write(self._refusal or b"")
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _answer(self, status: int, message: str) -> bytes:
        body = orjson.dumps({"error": message})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return STATUS_LINE[status] + lines + b"\r\n" + body
