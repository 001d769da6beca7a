"""Threads for decoding and inference, and a bound on how much may wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from predictor.protocol import ProtocolError

Result = TypeVar("Result")


class Workers:
    """Run jobs off the event loop: ``threads`` at once, ``queue`` waiting, and no more."""

    def __init__(self, *, threads: int, queue: int) -> None:
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="infer")
        self._room = BoundedSemaphore(threads + queue)

    async def run(self, job: Callable[[], Result]) -> Result:
        """What ``job`` returns or raises.

        Raises:
            ProtocolError: 503 at once, when all places are taken. Waiting longer would only make
                every answer late.
        """
        if not self._room.acquire(blocking=False):
            raise ProtocolError(503, "all places are taken; try again in a second")
        try:
            future = self._executor.submit(job)
        except RuntimeError:
            self._room.release()
            raise
        # The place is free when the job ends, not when a client stops waiting for it.
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what has been taken on."""
        self._executor.shutdown()
