"""A client that sees every byte: HTTP/1.1 by hand, and open-loop load made of it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

INFER = "/v2/models/weather/infer"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"

    @property
    def told(self) -> Any:
        return json.loads(self.body)


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: predictor", *headers, "", "")).encode()


def request(body: bytes, *headers: str, path: str = INFER) -> bytes:
    return head(path, f"content-length: {len(body)}", *headers) + body


def infer(*pictures: bytes) -> bytes:
    """A whole request with binary pictures: what costs the client least."""
    raw = b"".join(len(picture).to_bytes(4, "little") + picture for picture in pictures)
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [len(pictures)],
        "parameters": {"binary_data_size": len(raw)},
    }
    text = json.dumps({"inputs": [tensor]}).encode()
    return request(text + raw, f"inference-header-content-length: {len(text)}")


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """The next answer; an `EOFError` when the connection ends before."""
        told = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        status = int(told[0].split()[1])
        headers = dict(line.lower().split(": ", 1) for line in told[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def ended(self) -> bool:
        """Whether the other side closes, with nothing more to say."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def leave(self) -> None:
        """Go without a word more."""
        self.writer.transport.abort()


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


@dataclass(frozen=True)
class Outcome:
    """Of one request; status 0: no answer."""

    status: int
    seconds: float
    retry_after: bool = False


class Clients:
    """Any number of clients that keep their connections, as a gateway does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[Wire] = []

    async def ask(self, data: bytes) -> Outcome:
        begun = time.perf_counter()
        try:
            one = self._kept() or await self._connect()
            answer = await one.ask(data)
        except (OSError, EOFError):
            return Outcome(0, time.perf_counter() - begun)
        if answer.closes:
            one.leave()
        else:
            self._free.append(one)
        took = time.perf_counter() - begun
        return Outcome(answer.status, took, "retry-after" in answer.headers)

    def _kept(self) -> Wire | None:
        """The connection used last; one that the server has closed meanwhile is none."""
        while self._free:
            if not (one := self._free.pop()).reader.at_eof():
                return one
            one.leave()
        return None

    async def _connect(self) -> Wire:
        return Wire(*await asyncio.open_connection("127.0.0.1", self._port))

    async def steadily(self, data: bytes, rate: float, seconds: float) -> list[Outcome]:
        """Open loop: so many requests a second, whatever becomes of them."""
        loop, tasks = asyncio.get_running_loop(), []
        begun = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
            tasks.append(loop.create_task(self.ask(data)))
        return await asyncio.gather(*tasks)

    async def closely(self, data: bytes, clients: int, requests: int) -> list[Outcome]:
        """Closed loop: each client sends its next request when the last one is answered."""

        async def client() -> list[Outcome]:
            return [await self.ask(data) for _ in range(requests // clients)]

        parts = await asyncio.gather(*(client() for _ in range(clients)))
        return [outcome for part in parts for outcome in part]

    def close(self) -> None:
        for one in self._free:
            one.leave()
