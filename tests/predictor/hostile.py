"""Requests that want to fill memory or time: each one whole, and the status that it deserves.

``python -m tests.predictor.hostile PORT GRPC SECONDS`` says that it has begun, sends all of them,
again and again, and says how many were answered otherwise: a process of its own, so that it holds
up nobody but the server.
"""

import asyncio
import gzip
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import grpc
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.predictor.trials import message
from tests.predictor.wire import INFER, head, request, wire

MEBIBYTE = 1024 * 1024
BEGUN = "begun\n"


class Target(Protocol):
    """A predictor, as far as an attacker knows it."""

    @property
    def port(self) -> int: ...
    @property
    def grpc(self) -> str: ...


@dataclass(frozen=True)
class Addresses:
    """See `Target`."""

    port: int
    grpc: str


_CHUNKED = head(INFER, "transfer-encoding: chunked")


def long_body() -> Iterator[bytes]:
    yield head(INFER, f"content-length: {64 * MEBIBYTE}")
    yield from [bytes(MEBIBYTE)] * 64


def long_body_in_chunks() -> Iterator[bytes]:
    yield _CHUNKED
    yield from [b"10000\r\n" + bytes(65536) + b"\r\n"] * 1024
    yield b"0\r\n\r\n"


def million_chunks() -> Iterator[bytes]:
    yield _CHUNKED
    yield from [b"1\r\n \r\n" * 10_000] * 100
    yield b"0\r\n\r\n"


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(128 * MEBIBYTE), 1)


def compressed() -> Iterator[bytes]:
    yield request(_bomb(), "content-encoding: gzip")


def deep_nesting() -> Iterator[bytes]:
    yield request(b'{"inputs":' + b"[" * 250_000)


# What is sent, and the status that it is answered.
BODIES: dict[Callable[[], Iterator[bytes]], int] = {
    long_body: 413,
    long_body_in_chunks: 413,
    million_chunks: 413,
    compressed: 415,
    deep_nesting: 400,
}


async def send(server: Target, body: Callable[[], Iterator[bytes]]) -> int:
    """Send all of it, whatever is said meanwhile; returns the status of the answer."""

    parts = body()
    # Made before the clock of the connection starts.
    first = next(parts)

    async def sending() -> None:
        with suppress(ConnectionError):
            await one.send(first)
            for part in parts:
                await one.send(part)

    async with wire(server.port) as one:
        task = asyncio.create_task(sending())
        status = (await one.answer()).status
        await task
    return status


async def send_compressed_message(server: Target) -> grpc.StatusCode:
    """A gRPC message that would be 128 mebibytes."""
    async with grpc.aio.insecure_channel(
        server.grpc, options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        try:
            await GRPCInferenceServiceStub(channel).ModelInfer(
                message(bytes(128 * MEBIBYTE)), compression=grpc.Compression.Gzip, timeout=30
            )
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@asynccontextmanager
async def slow_senders(server: Target, number: int) -> AsyncIterator[None]:
    """So many clients that send a byte now and then, for as long as this is open."""

    async def drip() -> None:
        while True:
            with suppress(OSError):
                async with wire(server.port) as one:
                    await one.send(head(INFER, "content-length: 1000000"))
                    while not one.reader.at_eof():
                        await one.send(b"a")
                        await asyncio.sleep(0.5)

    tasks = [asyncio.create_task(drip()) for _ in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def attack(server: Target, seconds: float) -> int:
    """Everything at once; returns how many requests were not refused as they should."""
    wrong = 0
    async with slow_senders(server, 50):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for body, status in BODIES.items():
                wrong += await send(server, body) != status
                await asyncio.sleep(0.2)
            code = await send_compressed_message(server)
            wrong += code is not grpc.StatusCode.UNIMPLEMENTED
    return wrong


if __name__ == "__main__":
    port, address, lasting = sys.argv[1:]
    # An attacker has a machine of its own. Here it shares the server's, and what it computes for
    # itself must not be taken for what it does to others.
    os.nice(19)
    _bomb()
    print(BEGUN, end="", flush=True)
    print(asyncio.run(attack(Addresses(int(port), address), float(lasting))))
