"""Requests that are almost right: a seeded generator, and what a predictor makes of them.

In: a seed and a picture. Out: bodies, whole streams of bytes and gRPC messages, each a good one
with something about it changed.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

import grpc

from tests.predictor.running import Running
from tests.predictor.trials import message
from tests.predictor.wire import INFER, Wire, infer, request, wire

ANSWER_SECONDS = 2.0
_CALLS = ("ModelInfer", "ModelReady", "ModelMetadata", "ServerReady", "ServerMetadata")
_OUR_FAULT = {
    *(grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS),
    *(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED),
}
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 0.5, 1e308, -0.0),
    *("", "x", "BYTES", "UINT8", "FP32", "image", "label", "\u0000", "\ud7ff", "9" * 400, "A" * 9),
    *([], {}, [[]], [None], [1, 2, 3], {"binary_data": True}, {"binary_data_size": 3}),
    *([0] * 300, {"a": {"a": {"a": None}}}, {"b64": "AAAA"}),
)
_PATHS = (INFER, "/v1/models/weather:predict", "/predict", f"/v2/models/{'a' * 300}/infer", "/v2")


class Mutations:
    """One stream of cases; the same seed gives the same."""

    def __init__(self, seed: int, picture: bytes) -> None:
        self._random = Random(seed)
        raw = infer(picture)
        self._json = {
            "id": "1",
            "parameters": {"binary_data_output": False},
            "inputs": [
                {
                    "name": "image",
                    "datatype": "UINT8",
                    "shape": [1, 2, 2, 3],
                    "parameters": {"content_type": "raw"},
                    "data": list(range(12)),
                }
            ],
            "outputs": [{"name": "label", "parameters": {"binary_data": False}}],
        }
        self._raw = raw
        self._message = message(picture).SerializeToString()

    def rest(self) -> Iterator[tuple[bytes, bool]]:
        """Bytes for a connection, and whether they are a whole request as far as HTTP goes."""
        while True:
            kind = self._random.randrange(4)
            if kind == 0:
                yield self._with_value(), True
            elif kind == 1:
                text = self._changed(json.dumps(self._json).encode())
                yield request(text, path=self._random.choice(_PATHS)), True
            elif kind == 2:
                yield self._binary(), True
            else:
                yield self._changed(self._raw), False

    def grpc(self) -> Iterator[tuple[str, bytes]]:
        """A method and a serialized message."""
        while True:
            yield self._random.choice(_CALLS), self._changed(self._message)

    def _with_value(self) -> bytes:
        """Another value, or none, somewhere in the JSON."""
        whole: Any = {"": deepcopy(self._json)}
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            place: Any = whole
            while True:
                keys = list(place) if isinstance(place, dict) else list(range(len(place)))
                if not keys:
                    break
                key = self._random.choice(keys)
                inner = place[key]
                if isinstance(inner, dict | list) and self._random.random() < 0.75:
                    place = inner
                    continue
                if self._random.random() < 0.2 and place is not whole:
                    del place[key]
                else:
                    # A copy: the next turn may change what is in it.
                    place[key] = deepcopy(self._random.choice(_VALUES))
                break
        return request(json.dumps(whole[""]).encode(), path=self._random.choice(_PATHS[:2]))

    def _binary(self) -> bytes:
        """The binary extension, with head, length or tail changed."""
        start = self._raw.index(b"\r\n\r\n") + 4
        body = self._raw[start:]
        end = body.index(b"}]}") + 3
        text, tail = body[:end], body[end:]
        length: Any = len(text)
        which = self._random.randrange(3)
        if which == 0:
            length = self._random.choice((0, 1, -1, length - 1, length + 1, "", "x", "1_0", 2**70))
        elif which == 1:
            text = self._changed(text)
        else:
            tail = self._changed(tail)
        return request(text + tail, f"inference-header-content-length: {length}")

    def _changed(self, data: bytes) -> bytes:
        """A few bytes other, gone, doubled or added."""
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 1, 2, 8))):
            at = self._random.randrange(len(changed)) if changed else 0
            end = at + self._random.choice((1, 1, 4, 40))
            which = self._random.randrange(5)
            if which == 0:
                changed[at:end] = self._random.randbytes(end - at)
            elif which == 1:
                del changed[at:end]
            elif which == 2:
                changed[at:at] = changed[at:end]
            elif which == 3:
                changed[at:at] = self._random.randbytes(end - at)
            else:
                del changed[at:]
        return bytes(changed)


async def fuzz_rest(server: Running, mutations: Mutations, cases: int) -> Counter[str]:
    """Send so many; counted by status, and ``no answer``, ``late``, ``bad form``."""
    seen: Counter[str] = Counter()
    stream = mutations.rest()
    one: Wire | None = None
    for _ in range(cases):
        data, whole = next(stream)
        if one is None:
            one = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(10):
                if whole:
                    answer = await one.ask(data)
                    seen[str(answer.status)] += 1
                    if answer.status != 200 and set(answer.told) != {"error"}:
                        seen["bad form"] += 1
                    if answer.closes:
                        one.leave()
                        one = None
                else:
                    # Nobody knows what it waits for; that we send no more it must understand.
                    await one.send(data)
                    one.writer.write_eof()
                    await one.reader.read()
                    seen["ended"] += 1
                    one.leave()
                    one = None
        except (EOFError, ConnectionError):
            seen["no answer" if whole else "ended"] += 1
            one = None
        except TimeoutError:
            one = None
        if time.perf_counter() - begun > ANSWER_SECONDS:
            seen["late"] += 1
    if one is not None:
        one.leave()
    return seen


async def fuzz_grpc(server: Running, mutations: Mutations, cases: int) -> Counter[str]:
    """Send so many; counted by status, and ``our fault``, ``late``."""
    seen: Counter[str] = Counter()
    stream = mutations.grpc()
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        for _ in range(cases):
            name, data = next(stream)
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
            begun = time.perf_counter()
            try:
                await call(data, timeout=10)
                code = grpc.StatusCode.OK
            except grpc.aio.AioRpcError as error:
                code = error.code()
            seen[code.name] += 1
            seen["our fault"] += code in _OUR_FAULT
            seen["late"] += time.perf_counter() - begun > ANSWER_SECONDS
    return seen


async def is_healthy(server: Running, picture: bytes) -> bool:
    """Whether a good request is answered as ever."""
    async with wire(server.port) as one:
        return (await one.ask(infer(picture))).status == 200
