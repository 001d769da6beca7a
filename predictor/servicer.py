"""The gRPC front: the protocol's service over one model, and errors told apart.

A call comes in as bytes and is parsed here: the library would answer what it cannot parse as a
failure of the server.
"""

# The messages are generated, without types.
# ruff: noqa: ANN401

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor import logs, v2_grpc
from predictor.access import Access
from predictor.inference import Inference
from predictor.metrics import Metrics
from predictor.model import PackagedModel
from predictor.payloads import Offer, Payload
from predictor.protocol import (
    INTERNAL,
    LEFT,
    ProtocolError,
    is_traffic,
    kind_of,
    malformed,
    server_metadata,
)
from predictor.repository import Repository
from predictor.workers import Workers

# A message and its metadata to a message.
Answer = Callable[[Any, Mapping[str, str]], Awaitable[Any]]

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
# https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    # Not RESOURCE_EXHAUSTED, which is what too large a message is answered, and no failure of ours.
    429: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
}

_log = logging.getLogger("weathervane.predictor")


class Servicer:
    """The six calls of the protocol over one model, and those that change what serves.

    Args:
        model: what is asked.
        workers: where it is asked.
        metrics: where requests are counted.
        headers: sent with every answer.
        access: who may ask.
        repository: what can be loaded in the model's place.
        offer: where answered requests are offered, if anywhere.
    """

    def __init__(
        self,
        model: PackagedModel,
        workers: Workers,
        metrics: Metrics,
        headers: tuple[tuple[str, str], ...],
        *,
        access: Access,
        repository: Repository,
        offer: Offer | None,
    ) -> None:
        self._model = model
        self._inference = Inference(model, workers, metrics)
        self._metrics = metrics
        self._headers = headers
        self._access = access
        self._repository = repository
        self._offer = offer

    def calls(self) -> dict[str, Any]:
        """Everything that is answered over gRPC: handlers by the whole names of their calls."""
        answers: dict[str, Answer] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ServerMetadata": self._server,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._metadata,
            "ModelInfer": self._infer,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        return {
            f"/{_SERVICE.full_name}/{method.name}": self._call(method, answers[method.name])
            for method in _SERVICE.methods
        }

    def _call(self, method: Any, answer: Answer) -> Any:
        infers = method.name == "ModelInfer"
        message = GetMessageClass(method.input_type)

        async def call(content: bytes, context: Any) -> bytes:
            started, status, told, kind, written = perf_counter(), 200, "", "", b""
            sent = dict(context.invocation_metadata())
            given = logs.request_id(sent.get(logs.REQUEST_ID))
            await context.send_initial_metadata((*self._headers, (logs.REQUEST_ID, given)))

            def tell() -> None:
                seconds = perf_counter() - started
                if infers:
                    self._metrics.answered(status, seconds, kind, traffic=is_traffic(sent))
                if infers or kind:
                    call = ("gRPC", method.name)
                    logs.answered(*call, status=status, seconds=seconds, request=given, kind=kind)

            try:
                if infers:
                    self._access.check_inference(sent.get("authorization"))
                written = (await answer(_parsed(message, content), sent)).SerializeToString()
            except ProtocolError as error:
                status, told, kind = error.status, str(error), error.kind
            except asyncio.CancelledError:
                # Its deadline is over, or its client has left.
                status, kind = LEFT, kind_of(LEFT)
                tell()
                raise
            except Exception:
                _log.exception("failed to answer request %s", given)
                status, told, kind = 500, INTERNAL, "internal"
            tell()
            if kind:
                await context.abort(_CODES.get(status, grpc.StatusCode.INTERNAL), told)
            if infers and self._offer and is_traffic(sent):
                self._offer(
                    given,
                    _payload(content, method.input_type),
                    _payload(written, method.output_type),
                )
            return written

        return grpc.unary_unary_rpc_method_handler(call)

    async def _live(self, *_: Any) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def _ready(self, *_: Any) -> Any:
        return pb.ServerReadyResponse(ready=self._model.ready)

    async def _server(self, *_: Any) -> Any:
        return pb.ServerMetadataResponse(**server_metadata())

    async def _model_ready(self, request: Any, _: Mapping[str, str]) -> Any:
        self._check(request.name, request.version)
        return pb.ModelReadyResponse(ready=self._model.ready)

    async def _metadata(self, request: Any, _: Mapping[str, str]) -> Any:
        self._check(request.name, request.version)
        return pb.ModelMetadataResponse(
            name=self._model.name,
            versions=[self._model.package.digest],
            platform=self._model.platform,
            inputs=self._model.get_input_types(),
            outputs=self._model.get_output_types(),
        )

    async def _infer(self, request: Any, sent: Mapping[str, str]) -> Any:
        self._check(request.model_name, request.model_version)
        return await self._inference.answer(
            lambda: v2_grpc.decode(request),
            lambda answer, asked: v2_grpc.encode(
                answer, asked, self._model.name, self._model.package.digest
            ),
            counted=is_traffic(sent),
        )

    async def _load(self, request: Any, sent: Mapping[str, str]) -> Any:
        model = await self._repository.load(request.model_name, sent.get("authorization"))
        return pb.RepositoryModelLoadResponse(model_name=model.name, isLoaded=True)

    async def _unload(self, request: Any, sent: Mapping[str, str]) -> Any:
        self._repository.unload(self._model, request.model_name, sent.get("authorization"))
        return pb.RepositoryModelUnloadResponse(model_name=request.model_name, isUnloaded=True)

    def _check(self, name: str, version: str) -> None:
        # An absent version is an empty one in this protocol.
        self._model.check_name(name, version or self._model.package.digest)


class Calls(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Hands each call to the servicer of the model that serves when it comes."""

    def __init__(self) -> None:
        self._by_name: dict[str, Any] = {}

    def go_to(self, servicer: Servicer) -> None:
        """From now on; calls that came before stay where they are."""
        self._by_name = servicer.calls()

    def service(self, handler_call_details: Any) -> Any:
        """As the library wants it: the handler of a call, or None."""
        return self._by_name.get(handler_call_details.method)


def _payload(message: bytes, described: Any) -> Payload:
    # As it went over the wire. What message it is stands in a parameter, as Prometheus has it.
    return Payload(message, f"application/protobuf; proto={described.full_name}")


def _parsed(message: Any, content: bytes) -> Any:
    try:
        return message.FromString(content)
    except DecodeError as error:
        raise malformed(f"the call is no {message.DESCRIPTOR.name}") from error
