"""A request on its way through the workers, whatever it travelled in, with its time told apart.

In: how to read it and how to write its answer. Out: what was written, and the metrics.
"""

from collections.abc import Callable
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
    ) -> Result:
        """Read, classify and write, in a worker thread.

        Raises:
            ProtocolError: what ``read`` raises; 400 for a picture; 503 when too much waits.
        """
        submitted = perf_counter()

        def job() -> Result:
            begun = perf_counter()
            request = read()
            answer = self._model.classify(request.pictures)
            self._metrics.staged(
                queue=begun - submitted,
                decode=perf_counter() - begun - answer.infer_seconds,
                infer=answer.infer_seconds,
            )
            return write(answer, request)

        return await self._workers.run(job)

    async def each(self, pictures: tuple[bytes, ...]) -> list[Classification | ProtocolError]:
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
                    self._metrics.refused(error.kind)
                    outcomes.append(error)
            infer = sum(one.infer_seconds for one in outcomes if isinstance(one, Classification))
            self._metrics.staged(
                queue=begun - submitted, decode=perf_counter() - begun - infer, infer=infer
            )
            return outcomes

        return await self._workers.run(job)
