"""A client that sends pictures all the time and writes down what became of each request.

In: an address, pictures, a rate. Out: one JSON line a request: ``at`` (unix seconds when it was
sent), ``seconds`` until its answer, ``status`` (null: no answer at all), ``revision`` that
answered, ``label``, ``error``. It ends at SIGTERM or SIGINT, when all that it sent has come back.

The schedule is fixed (an open loop): a slow server does not slow the client down until as many
requests are under way as it may have at once.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from weathervane.client import decode_answer, encode_request
from weathervane.errors import DeploymentError, UsageError, WeathervaneError
from weathervane.local.routes import REVISION_HEADER

# Longer than any route of the gateway: whoever gives up first must be the gateway, which counts.
_TIMEOUT_SECONDS = 20.0
_AT_ONCE = 64
# They are kept in memory; more variety would not make the servers work more.
_MAX_PICTURES = 200
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


async def send(
    address: str, model: str, pictures: Sequence[bytes], rate: float, out: TextIO
) -> None:
    """Send ``rate`` requests a second, one picture each, until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    requests = [encode_request(picture) for picture in pictures]
    url = f"{address}/v2/models/{model}/infer"
    slots = asyncio.Semaphore(_AT_ONCE)
    begun = loop.time()
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
            connector=aiohttp.TCPConnector(limit=_AT_ONCE),
        ) as session,
        asyncio.TaskGroup() as under_way,
    ):
        for count, (body, headers) in enumerate(cycle(requests)):
            pause = begun + count / rate - loop.time()
            if pause > 0:
                await _wait(stop, pause)
            await slots.acquire()
            if stop.is_set():
                return
            task = under_way.create_task(_request(session, url, body, headers, out))
            task.add_done_callback(lambda _: slots.release())


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def _request(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], out: TextIO
) -> None:
    line: dict[str, Any] = {"at": time.time(), "seconds": None, "status": None}
    line |= {"revision": None, "label": None, "error": None}
    begun = time.perf_counter()
    try:
        async with session.post(url, data=body, headers=headers) as response:
            line |= {"status": response.status, "revision": response.headers.get(REVISION_HEADER)}
            answer = await response.read()
        if line["status"] == 200:
            line["label"] = decode_answer(json.loads(answer)).label
        else:
            line["error"] = answer[:200].decode(errors="replace")
    except (aiohttp.ClientError, TimeoutError, ValueError, DeploymentError) as error:
        line["error"] = str(error) or type(error).__name__
    line["seconds"] = round(time.perf_counter() - begun, 6)
    out.write(json.dumps(line) + "\n")


def read_pictures(folder: Path) -> list[bytes]:
    """Picture files of a folder and its subfolders, at most 200 of them evenly taken.

    Raises:
        UsageError: when there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise UsageError(f"no JPEG, PNG or WebP pictures in {folder}")
    step = -(-len(files) // _MAX_PICTURES)
    return [path.read_bytes() for path in files[::step]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Send until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m weathervane.local.traffic")
    parser.add_argument("--address", required=True, help="http://host:port")
    parser.add_argument("--model", required=True, help="the name that is served")
    parser.add_argument("--pictures", required=True, type=Path, help="folder of picture files")
    parser.add_argument("--rate", type=float, default=80.0, help="requests a second")
    parser.add_argument("--out", required=True, type=Path, help="JSON lines; begun anew")
    options = parser.parse_args(arguments)
    try:
        if options.rate <= 0:
            raise UsageError(f"--rate must be above 0, got {options.rate}")
        pictures = read_pictures(options.pictures)
        # A line is in the file as soon as its request has ended.
        with options.out.open("w", buffering=1) as out:
            asyncio.run(send(options.address, options.model, pictures, options.rate, out))
    except WeathervaneError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
