"""Threads for decoding and inference, and bounds on how much may wait for them, and how long."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

from predictor.protocol import ProtocolError

Result = TypeVar("Result")

# How fast the expected time of a job follows the last one: after ten jobs two thirds of it.
_SMOOTHING = 0.1


class Workers:
    """Run jobs off the event loop, ``threads`` at once, and no more waiting than can be served.

    Args:
        threads: jobs in work at the same time.
        queue: jobs that may wait, whatever they cost.
        max_wait_seconds: a job that would wait longer, as jobs have lasted lately, is turned away,
            and so is one that has waited that long after all. What counts for a client is how long
            it waits, and 64 quick jobs are less than one slow.
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
        self._lock = Lock()
        # Oldest first.
        self._waiting: OrderedDict[Future[Any], Callable[[], Any]] = OrderedDict()
        # What wakes each thread that rests, the one that worked last at the end: it is asked first,
        # for its core has the network's weights at hand. An executor's threads take turns, and
        # every picture would wait for them to be fetched again.
        self._resting: list[Lock] = []
        self._working = 0
        self._job_seconds = 0.0
        self._closed = False
        # Daemons, so that a process which fails before `close` can end.
        self._crew = [
            Thread(target=self._serve, name=f"infer-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._crew:
            thread.start()

    @property
    def resting(self) -> int:
        """Threads with nothing to do."""
        return len(self._resting)

    async def run(self, job: Callable[[], Result]) -> Result:
        """What ``job`` returns or raises. Cancelled, it takes along a job that has not begun.

        Raises:
            ProtocolError: 429 at once, when as many wait as may. 503 at once, when the job would
                wait too long: waiting would only make every answer late; 503 as well when it has
                waited too long, and after `close`.
        """
        future: Future[Result] = Future()
        future.add_done_callback(self._forget)
        self._admit(future, job)
        late = False

        def give_up() -> None:
            nonlocal late
            late = future.cancel()  # noqa: F821 - not called any more when it is deleted

        timer = asyncio.get_running_loop().call_later(self._max_wait_seconds, give_up)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if late and not (task and task.cancelling()):
                raise self._too_long() from None
            raise
        finally:
            timer.cancel()
            # As in `_work`.
            del future

    def close(self) -> None:
        """Finish what is in work and take on nothing more; what waits still is dropped."""
        with self._lock:
            self._closed = True
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()
        with self._lock:
            while self._resting:
                self._resting.pop().release()
        for thread in self._crew:
            thread.join()

    def _admit(self, future: Future[Any], job: Callable[[], Any]) -> None:
        with self._lock:
            if self._closed:
                raise ProtocolError(503, "this server is stopping; ask another")
            # Jobs to end before this one begins.
            before = len(self._waiting) + self._working - self.threads + 1
            if before > self._queue:
                raise ProtocolError(429, "too much waits already; try again in a second")
            if before > 0 and before * self._job_seconds / self.threads > self._max_wait_seconds:
                raise self._too_long()
            self._waiting[future] = job
            if self._resting:
                self._resting.pop().release()

    def _serve(self) -> None:
        """Be one of the threads: do what waits, rest when nothing does, end when closed."""
        awake = Lock()
        awake.acquire()
        while True:
            while self._work():
                pass
            with self._lock:
                if self._waiting:
                    continue
                if self._closed:
                    return
                self._resting.append(awake)
            awake.acquire()

    def _work(self) -> bool:
        """Do the job that has waited longest; False when there is none."""
        with self._lock:
            while self._waiting:
                future, job = self._waiting.popitem(last=False)
                if future.set_running_or_notify_cancel():
                    break
            else:
                return False
            self._working += 1
        begun = self._clock()
        result, failure = None, None
        try:
            result = job()
        except BaseException as error:  # whatever it is, it is the caller's
            failure = error
        took = self._clock() - begun
        # The place is free before its client hears of it, and may ask again.
        with self._lock:
            self._working -= 1
            self._job_seconds += _SMOOTHING * (took - self._job_seconds)
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)
            # The error knows this frame, the frame the error: together they would keep what the job
            # holds, a body of megabytes, until the collector of cycles comes by.
            del future, job, failure
        return True

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._waiting.pop(future, None)

    def _too_long(self) -> ProtocolError:
        return ProtocolError(
            503,
            f"it would take over {self._max_wait_seconds:g} s to begin; try again in a second",
        )
