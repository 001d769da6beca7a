"""What a predictor is put through: each trial once for the tests, many times for the soak.

In: a running predictor. Out: what became of it, to be held against a bound by the caller.
"""

import asyncio
import re
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cache

import cv2
import grpc
import httpx
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.predictor.running import Running
from tests.predictor.seen import Drained, Left
from tests.predictor.wire import INFER, Clients, Wire, head, infer, request, wire

READY = head("/v2/health/ready", method="GET")


@cache
def plain(side: int) -> bytes:
    """A picture that is small to send and takes long to decode: 4,000 pixels about 0.1 s."""
    return cv2.imencode(".png", np.zeros((side, side, 3), np.uint8))[1].tobytes()


def message(*pictures: bytes) -> pb.ModelInferRequest:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(pictures)]}
    return pb.ModelInferRequest(
        model_name="weather", inputs=[{**tensor, "contents": {"bytes_contents": pictures}}]
    )


def classified(server: Running) -> int:
    """How many pictures it has worked on."""
    text = httpx.get(server.rest + "/metrics").text
    return sum(
        int(float(value))
        for value in re.findall(r"^weathervane_predictions_total\{.*\} (\S+)$", text, re.MULTILINE)
    )


# --- The end -------------------------------------------------------------------------------------


async def drain(server: Running, *, in_flight: int, picture: bytes) -> Drained:
    """SIGTERM with so many requests under way, and new ones coming until readiness has fallen.

    The clients behave as a gateway does: they ask whether it is ready, and send to it as long as it
    is; a tenth of them speak gRPC.
    """
    data, call = infer(picture), message(picture)
    clients = Clients(server.port)
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)

        async def ask_grpc() -> int:
            try:
                return len((await stub.ModelInfer(call, timeout=60)).outputs)
            except grpc.RpcError:
                return 0

        async def ask() -> int:
            return (await clients.ask(data)).status == 200

        under_way = [
            asyncio.create_task(ask_grpc() if number % 10 == 0 else ask())
            for number in range(in_flight)
        ]
        # The server has read them when it answers one that came later.
        await clients.ask(READY)
        begun = time.perf_counter()
        server.process.send_signal(signal.SIGTERM)
        ready = True
        while ready:
            # Nobody is told at once: the first of these comes after the signal in any case.
            under_way.append(asyncio.create_task(ask_grpc() if len(under_way) % 10 == 0 else ask()))
            await asyncio.sleep(0.002)
            ready = (await clients.ask(READY)).status == 200
        ready_fell = time.perf_counter() - begun
        while await _accepts(server.port):
            await asyncio.sleep(0.01)
        refused = time.perf_counter() - begun
        answered = await asyncio.gather(*under_way)
    clients.close()
    exit_code = await asyncio.to_thread(server.process.wait, 30)
    return Drained(
        sent=len(answered),
        lost=sum(not one for one in answered),
        ready_fell=ready_fell,
        refused=refused,
        exit_code=exit_code,
    )


async def _accepts(port: int) -> bool:
    try:
        async with wire(port):
            return True
    except OSError:
        return False


# --- Clients that leave --------------------------------------------------------------------------


async def leave(server: Running, *, times: int, queue: int, picture: bytes, blocking: int) -> Left:
    """Fill the queue of a predictor with one thread, and leave; again and again.

    Half of the clients leave in the middle of their bodies. ``queue`` is the predictor's own;
    ``blocking`` large pictures keep its thread meanwhile.
    """
    whole, blocks = infer(picture), infer(*[plain(4000)] * blocking)
    before, left, lost = classified(server), 0, 0
    async with wire(server.port) as blocker, wire(server.port) as other:
        blocked = asyncio.create_task(blocker.ask(blocks))
        await thread_is_taken(server)
        while left < times:
            assert not blocked.done(), "the predictor was faster than the trial"
            async with AsyncExitStack() as stack:
                both = [
                    await stack.enter_async_context(wire(server.port)) for _ in range(2 * queue)
                ]
                # Accepted, so that what is sent next is read in the order of sending.
                await asyncio.gather(*(one.ask(READY) for one in both))
                waiting, half = both[:queue], both[queue:]
                for one in waiting:
                    await one.send(whole)
                for one in half:
                    await one.send(whole[: len(whole) // 2])
                await _caught_up(other)
                # None of them was turned away, and whoever comes now is.
                answers = [asyncio.create_task(one.answer()) for one in waiting]
                turned_away, _ = await asyncio.wait(answers, timeout=0.01)
                lost += len(turned_away) + ((await other.ask(whole)).status != 429)
                for answer in answers:
                    answer.cancel()
            left += 2 * queue
            await _caught_up(other)
        assert (await blocked).status == 200
    return Left(left, lost, classified(server) - before - blocking)


async def thread_is_taken(server: Running) -> None:
    """Return when a request has to wait; it is taken back."""
    while True:
        async with wire(server.port) as one:
            try:
                async with asyncio.timeout(0.3):
                    await one.ask(request(b"{}"))
            except TimeoutError:
                return


async def _caught_up(other: Wire) -> None:
    """Return when the server has read what was sent before, and begun with it."""
    for _ in range(3):
        await other.ask(READY)


# --- Good requests after bad ones ----------------------------------------------------------------


async def good_after_bad(
    server: Running, bad: Sequence[bytes], good: bytes, times: int
) -> tuple[int, int]:
    """A good request after each bad one on one connection: how many were sent, and lost."""
    lost = 0
    async with wire(server.port) as one:
        for number in range(times):
            try:
                refused = await one.ask(bad[number % len(bad)])
                assert 400 <= refused.status < 500, refused
                lost += (await one.ask(good)).status != 200
            except (EOFError, ConnectionError):
                lost += 1
                # The rest of them still has a chance.
                one.reader, one.writer = await asyncio.open_connection("127.0.0.1", server.port)
    return times, lost


def bad_requests(picture: bytes, *, over: int) -> list[bytes]:
    """Requests that are HTTP and nothing else; ``over`` is the size of a body that is too large."""
    good = infer(picture)
    tensor = b'{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["%s"]}]}'
    return [
        request(b"{}"),
        request(b""),
        request(b"["),
        request(b'{"inputs": ' + b"[" * 100_000),
        request(tensor % b"????"),
        request(tensor % b"AAAA"),
        request(tensor % b"AAAA", "inference-header-content-length: 4000"),
        request(tensor % b"AAAA", "content-encoding: gzip"),
        request(b"{}", path="/v2/models/other/infer"),
        request(b"{}", path="/nowhere"),
        head(INFER, method="GET"),
        head(INFER, "content-length: 0", method="DELETE"),
        good.replace(b"BYTES", b"INT64"),
        request(bytes(over)),
        head(INFER, "transfer-encoding: chunked") + b"3\r\n{}\n\r\n0\r\n\r\n",
        head("/v2", "upgrade: h2c", "connection: upgrade", method="PUT"),
    ]
