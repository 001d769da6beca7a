"""The gRPC front: the SDK's service with our model behind it, and errors told apart."""

# The messages are generated, without types.
# ruff: noqa: ANN401, N802

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceServicer

from predictor import v2_grpc
from predictor.metrics import Metrics
from predictor.model import PackagedModel
from predictor.protocol import ProtocolError, server_metadata
from predictor.workers import Workers

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    # Not RESOURCE_EXHAUSTED, which is what too large a message is answered, and not our failure.
    429: grpc.StatusCode.UNAVAILABLE,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
}

_log = logging.getLogger("weathervane.predictor")


class Servicer(GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The six calls of the protocol; loading and unloading a model are refused."""

    def __init__(
        self,
        model: PackagedModel,
        workers: Workers,
        metrics: Metrics,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        self._model = model
        self._workers = workers
        self._metrics = metrics
        self._headers = headers

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, self._live)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, self._ready)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, self._server)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, lambda: self._model_ready(request))

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, lambda: self._metadata(request))

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, lambda: self._infer(request), counted=True)

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, self._refuse)

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # noqa: D102
        return await self._answered(context, self._refuse)

    async def _answered(
        self, context: Any, call: Callable[[], Awaitable[Any]], *, counted: bool = False
    ) -> Any:
        started, status, message, answer = perf_counter(), 200, "", None
        await context.send_initial_metadata(self._headers)
        try:
            answer = await call()
        except ProtocolError as error:
            status, message = error.status, str(error)
        except Exception:
            _log.exception("failed to answer a call over gRPC")
            status, message = 500, "internal error; the predictor's log has the reason"
        if counted:
            self._metrics.answered(status, perf_counter() - started)
        if status != 200:
            await context.abort(_CODES.get(status, grpc.StatusCode.INTERNAL), message)
        return answer

    async def _live(self) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def _ready(self) -> Any:
        return pb.ServerReadyResponse(ready=self._model.ready)

    async def _server(self) -> Any:
        return pb.ServerMetadataResponse(**server_metadata())

    async def _model_ready(self, request: Any) -> Any:
        self._check(request.name, request.version)
        return pb.ModelReadyResponse(ready=self._model.ready)

    async def _metadata(self, request: Any) -> Any:
        self._check(request.name, request.version)
        return pb.ModelMetadataResponse(
            name=self._model.name,
            versions=[self._model.package.digest],
            platform=self._model.platform,
            inputs=self._model.get_input_types(),
            outputs=self._model.get_output_types(),
        )

    async def _refuse(self) -> Any:
        raise ProtocolError(501, "this predictor serves one package; a new one comes by rollout")

    async def _infer(self, request: Any) -> Any:
        self._check(request.model_name, request.model_version)

        def job() -> Any:
            asked = v2_grpc.decode(request)
            answer = self._model.classify(asked.pictures)
            return v2_grpc.encode(answer, asked, self._model.name, self._model.package.digest)

        return await self._workers.run(job)

    def _check(self, name: str, version: str) -> None:
        # An absent version is an empty one in this protocol.
        self._model.check_name(name, version or self._model.package.digest)
