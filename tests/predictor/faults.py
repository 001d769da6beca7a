"""A network between a predictor and its store that fails as networks and stores do."""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.predictor.running import command
from weathervane.config import StoreConfig
from weathervane.registry.package import Package

FAULTS = ("down", "slow", "resetting", "forbidding")
_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"


class Between:
    """Forwards connections to ``store``, unless ``fault`` says otherwise; None: nothing is wrong.

    Its port is its own from the beginning, listened on or not.
    """

    def __init__(self, store: StoreConfig, fault: str | None) -> None:
        self._upstream = int(store.endpoint.rpartition(":")[2])
        self._fault = fault
        self.met = threading.Event()  # somebody met the fault
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listener = socket.create_server(("127.0.0.1", 0))
        self._port = listener.getsockname()[1]
        self.store = replace(store, endpoint=f"http://127.0.0.1:{self._port}")
        if fault == "down":
            listener.close()
            self.met.set()
        else:
            self._listen(listener)

    def heal(self) -> None:
        """Nothing is wrong any more, for connections that are open as well."""
        was_down = self._fault == "down"
        self._fault = None
        if was_down:
            self._listen(socket.create_server(("127.0.0.1", self._port)))

    def close(self) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _listen(self, listener: socket.socket) -> None:
        async def serve() -> None:
            async with await asyncio.start_server(self._client, sock=listener) as server:
                await server.serve_forever()

        asyncio.run_coroutine_threadsafe(serve(), self._loop)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError):
                if self._fault == "forbidding":
                    await self._forbid(reader, writer)
                else:
                    await self._forward(reader, writer)
        finally:
            writer.transport.abort()

    async def _forbid(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = f"content-length: {len(_DENIED)}\r\nconnection: close\r\n\r\n".encode()
        head = b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/xml\r\n"
        writer.write(head + length + _DENIED)
        self.met.set()
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            await asyncio.gather(
                self._pass_on(reader, up_writer), self._pass_back(up_reader, writer)
            )
        finally:
            up_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.write_eof()

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(64 if self._fault else 65536):
            writer.write(data)
            await writer.drain()
            passed += len(data)
            if self._fault == "slow":
                self.met.set()
                await asyncio.sleep(0.05)
            elif self._fault == "resetting" and passed > 2048:
                self.met.set()
                raise ConnectionResetError
        writer.write_eof()


@dataclass
class Loading:
    """A predictor that fetches its package."""

    process: "subprocess.Popen[str]"
    port: int
    said: list[str]

    def answers(self) -> bool:
        """Whether anybody can connect."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def await_said(self, words: str, seconds: float) -> float:
        """Seconds until the predictor says this."""
        begun = time.monotonic()
        while not any(words in line for line in self.said):
            assert self.process.poll() is None, "".join(self.said)
            assert time.monotonic() < begun + seconds, "".join(self.said)
            time.sleep(0.02)
        return time.monotonic() - begun


@contextmanager
def loading(place: str, package: Package, store: StoreConfig, cache: Path) -> Iterator[Loading]:
    """Start a predictor without waiting for it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--package", place, "--digest", package.digest, "--cache", str(cache))
    with subprocess.Popen(
        command("--http-port", str(port), "--grpc-port", "0", "--store-seconds", "600", *options),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **store.as_environment()},
    ) as process:
        assert process.stderr
        said: list[str] = []
        reader = threading.Thread(target=said.extend, args=(process.stderr,))
        reader.start()
        try:
            yield Loading(process, port, said)
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()
                reader.join()


def seconds_to_load(
    fault: str, package: Package, place: str, store: StoreConfig, cache: Path, *, lasts: float
) -> float:
    """Seconds from the end of a fault, that has lasted a while, until the predictor serves."""
    between = Between(store, fault)
    try:
        with loading(place, package, between.store, cache) as predictor:
            if fault != "slow":
                predictor.await_said("asking again", 60)
            assert between.met.wait(60)
            until = time.monotonic() + lasts
            while time.monotonic() < until:
                assert not predictor.answers(), "it was ready without a package"
                time.sleep(0.1)
            between.heal()
            return predictor.await_said("serves", 90)
    finally:
        between.close()
