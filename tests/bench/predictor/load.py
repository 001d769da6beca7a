"""A closed loop of clients in one thread, each asking again as soon as it is answered.

In: a server's port, a request as bytes. Out: a `Spell`. The servers that are compared share two
cores with this client, so it does next to nothing: requests are prepared, answers are not read but
for their status, and nobody else's HTTP client is in between.
"""

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import uvloop
from grpc import aio

from tests.bench.predictor.wires import Wire
from weathervane.errors import DeploymentError
from weathervane.local.ports import LOOPBACK

Result = TypeVar("Result")
Ask = Callable[[], Awaitable[bytes]]

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Spell:
    """What some clients saw in a while; times in milliseconds."""

    p50: float
    p95: float
    p99: float
    per_second: float
    requests: int
    client_share: float  # of one core


def once(wire: Wire, port: int, request: bytes) -> bytes:
    """The answer to one request."""

    async def ask() -> bytes:
        async with _connected(wire, port, request) as asked:
            return await asked()

    return _run(ask())


def spell(wire: Wire, port: int, request: bytes, *, clients: int, seconds: float) -> Spell:
    """Let ``clients`` ask for ``seconds``; each asks once before, uncounted.

    Raises:
        DeploymentError: at the first answer that is not 200.
    """

    async def measure() -> Spell:
        async with AsyncExitStack() as stack:
            asks = [
                await stack.enter_async_context(_connected(wire, port, request))
                for _ in range(clients)
            ]
            await asyncio.gather(*(ask() for ask in asks))
            taken: list[float] = []
            gc.collect()
            gc.disable()
            begun, worked = time.perf_counter(), time.process_time()
            try:
                await asyncio.gather(*(_repeat(ask, begun + seconds, taken) for ask in asks))
            finally:
                gc.enable()
            wall = time.perf_counter() - begun
        p50, p95, p99 = (float(value) for value in np.percentile(taken, (50, 95, 99)) * 1000)
        return Spell(
            p50=p50,
            p95=p95,
            p99=p99,
            per_second=len(taken) / wall,
            requests=len(taken),
            client_share=(time.process_time() - worked) / wall,
        )

    return _run(measure())


async def _repeat(ask: Ask, until: float, taken: list[float]) -> None:
    while (begun := time.perf_counter()) < until:
        await ask()
        taken.append(time.perf_counter() - begun)


@asynccontextmanager
async def _connected(wire: Wire, port: int, request: bytes) -> AsyncIterator[Ask]:
    """A connection of one client's own."""
    if not wire.rest:
        own = (("grpc.use_local_subchannel_pool", 1),)
        async with aio.insecure_channel(f"{LOOPBACK}:{port}", options=own) as channel:
            # Without serializers bytes go out and come in as they are.
            infer = channel.unary_unary(_INFER)

            async def call() -> bytes:
                return bytes(await infer(request, timeout=_TIMEOUT_SECONDS, wait_for_ready=True))

            yield call
        return
    reader, writer = await asyncio.open_connection(LOOPBACK, port)

    async def post() -> bytes:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if not head.startswith(b"HTTP/1.1 200 ") or not body:
            raise DeploymentError(f"port {port} answered {(head + body)[:500]!r}")
        return body

    try:
        yield post
    finally:
        writer.close()


def _run(work: Coroutine[None, None, Result]) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
