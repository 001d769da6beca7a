"""A request on its way through the workers, whatever it travelled in, with its time told apart.

In: how to read it and how to write its answer. Out: what was written, and the metrics.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

from predictor.metrics import Metrics
from predictor.model import PackagedModel
from predictor.protocol import Classification, InferRequest, ProtocolError
from predictor.workers import Workers

Result = TypeVar("Result")


class Inference:
    """One model behind its workers."""

    def __init__(self, model: PackagedModel, workers: Workers, metrics: Metrics) -> None:
        self._model = model
        self._workers = workers
        self._metrics = metrics

    async def answer(
        self,
        read: Callable[[], InferRequest],
        write: Callable[[Classification, InferRequest], Result],
        *,
        counted: bool,
    ) -> Result:
        """Read, classify and write, in a worker thread; in the figures if ``counted``.

        Raises:
            ProtocolError: what ``read`` raises; 400 for a picture; 503 when too much waits.
        """
        submitted = perf_counter()

        def job() -> Result:
            begun = perf_counter()
            request = read()
            answer = self._model.classify(request.pictures)
            if counted:
                self._count([answer], queue=begun - submitted, worked=perf_counter() - begun)
            return write(answer, request)

        return await self._workers.run(job)

    async def each(
        self, pictures: tuple[bytes, ...], *, counted: bool
    ) -> list[Classification | ProtocolError]:
        """Classify each picture by itself: one that cannot be read leaves the others alone.

        Raises:
            ProtocolError: 503 when too much waits.
        """
        submitted = perf_counter()

        def job() -> list[Classification | ProtocolError]:
            begun = perf_counter()
            outcomes: list[Classification | ProtocolError] = []
            for picture in pictures:
                try:
                    outcomes.append(self._model.classify((picture,)))
                except ProtocolError as error:
                    outcomes.append(error)
            if counted:
                self._count(outcomes, queue=begun - submitted, worked=perf_counter() - begun)
            return outcomes

        return await self._workers.run(job)

    def _count(
        self, outcomes: Sequence[Classification | ProtocolError], *, queue: float, worked: float
    ) -> None:
        infer = 0.0
        for outcome in outcomes:
            if isinstance(outcome, ProtocolError):
                self._metrics.refused(outcome.kind)
            else:
                self._metrics.predicted(outcome)
                infer += outcome.infer_seconds
        self._metrics.staged(queue=queue, decode=worked - infer, infer=infer)
