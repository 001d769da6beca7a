"""A failure of the engine is told to its client without what it shows, and to nobody else."""

import asyncio
import logging
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from predictor.access import Access
from predictor.engines import Engine
from predictor.metrics import Families, Metrics
from predictor.model import PackagedModel
from predictor.repository import Repository
from predictor.routes import Front
from predictor.workers import Workers
from weathervane.registry.package import Package


class FailsOnce:
    """An engine that fails at its first picture, then is another one."""

    name = "fails-once"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._failed = False

    def probabilities(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not self._failed:
            self._failed = True
            raise RuntimeError("the engine's secret")
        return self._engine.probabilities(picture)


def test_it_is_a_500_in_words_of_ours_and_the_next_request_is_answered(
    tiny_package: Package, pictures: dict[str, bytes], caplog: pytest.LogCaptureFixture
):
    families = Families(CollectorRegistry())
    metrics = Metrics(families, model="weather", revision="r", digest=tiny_package.digest)
    model = PackagedModel("weather", tiny_package, revision="r", threads=1)
    model.load()
    model._engine = FailsOnce(model._engine)
    workers = Workers(threads=1, queue=0)
    front = Front(
        model,
        workers,
        metrics,
        max_body_bytes=1024 * 1024,
        access=Access(),
        repository=Repository(Access(), None, lambda *_: model, lambda _: None),
        offer=None,
        docs=False,
    )

    async def ask_twice() -> list[tuple[int, Any]]:
        transport = httpx.ASGITransport(Starlette(routes=front.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://predictor") as client:
            answers = [
                await client.post("/predict", files={"file": pictures["JPEG"]}) for _ in range(2)
            ]
        return [(answer.status_code, answer.json()) for answer in answers]

    with caplog.at_level(logging.ERROR):
        (failed, told), (answered, _) = asyncio.run(ask_twice())
    workers.close()

    assert (failed, answered) == (500, 200)
    assert told == {"error": "internal error; the predictor's log has the reason"}
    assert "the engine's secret" in caplog.text
    assert b'code="500"' in metrics.exposition()
