"""Threads for decoding and inference, and bounds on how much may wait for them."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from predictor.protocol import ProtocolError

Result = TypeVar("Result")

# How fast the expected time of a job follows the last one: after ten jobs two thirds of it.
_SMOOTHING = 0.1


class Workers:
    """Run jobs off the event loop, ``threads`` at once, and no more waiting than can be served.

    Args:
        threads: jobs in work at the same time.
        queue: jobs that may wait, whatever they cost.
        max_wait_seconds: a job that would wait longer, as jobs have lasted lately, is turned away.
            What counts for a client is how long it waits, and 64 quick jobs are less than one slow.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        *,
        threads: int,
        queue: int,
        max_wait_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.threads = threads
        self._queue = queue
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="infer")
        self._lock = Lock()
        self._taken = 0
        self._job_seconds = 0.0

    async def run(self, job: Callable[[], Result]) -> Result:
        """What ``job`` returns or raises.

        Raises:
            ProtocolError: 503 at once, when it would wait too long. Waiting longer would only make
                every answer late.
        """
        self._take()
        try:
            future = self._executor.submit(self._timed, job)
        except RuntimeError:
            self._give_back()
            raise
        # The place is free when the job ends, not when a client stops waiting for it.
        future.add_done_callback(lambda _: self._give_back())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what has been taken on."""
        self._executor.shutdown()

    def _take(self) -> None:
        with self._lock:
            before = self._taken - self.threads + 1  # jobs to end before this one begins
            wait = before * self._job_seconds / self.threads
            if before > self._queue or (before > 0 and wait > self._max_wait_seconds):
                raise ProtocolError(503, "too much waits already; try again in a second")
            self._taken += 1

    def _give_back(self) -> None:
        with self._lock:
            self._taken -= 1

    def _timed(self, job: Callable[[], Result]) -> Result:
        begun = self._clock()
        try:
            return job()
        finally:
            took = self._clock() - begun
            with self._lock:
                self._job_seconds += _SMOOTHING * (took - self._job_seconds)
