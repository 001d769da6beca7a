"""The REST front: which paths there are, and how an outcome becomes a response.

Every answer of an error is ``{"error": "…"}``, whatever failed, and leaves the connection usable.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from time import perf_counter
from typing import Any

import orjson
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from predictor import v1, v2
from predictor.allowance import largest_body
from predictor.metrics import CONTENT_TYPE, Metrics
from predictor.model import PackagedModel
from predictor.protocol import ProtocolError, malformed, server_metadata
from predictor.workers import Workers

Handler = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger("weathervane.predictor")


def as_json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; numpy's numbers are welcome."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def refusal(status: int, message: str) -> Response:
    """An error as the protocol wants it."""
    return as_json({"error": message}, status, {"retry-after": "1"} if status == 503 else None)


async def unrouted(request: Request, error: HTTPException) -> Response:
    """Answer what no route took: an unknown path, or a method that it does not have."""
    response = refusal(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    response.headers.update(error.headers or {})
    return response


class Front:
    """Routes over one model."""

    def __init__(
        self, model: PackagedModel, workers: Workers, metrics: Metrics, *, max_body_bytes: int
    ) -> None:
        self._model = model
        self._workers = workers
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """Everything that is answered over REST."""
        v2_model = "/v2/models/{model}"
        looks = {
            "/": self._live_v1,
            "/health": self._health,
            "/metrics": self._exposition,
            "/model/info": self._info,
            "/v1/models": self._models,
            "/v1/models/{model}": self._model_ready,
            "/v2": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/v2/models": self._models,
        }
        inferences = {"/predict": self._predict, "/v1/models/{model}:predict": self._infer_v1}
        for of_model in (v2_model, f"{v2_model}/versions/{{version}}"):
            looks[of_model] = self._metadata
            looks[f"{of_model}/ready"] = self._model_ready
            inferences[f"{of_model}/infer"] = self._infer
        return [
            *(Route(path, self._answered(look), methods=["GET"]) for path, look in looks.items()),
            *(
                Route(path, self._answered(infer, counted=True), methods=["POST"])
                for path, infer in inferences.items()
            ),
        ]

    def _answered(self, handler: Handler, *, counted: bool = False) -> Handler:
        async def answer(request: Request) -> Response:
            started = perf_counter()
            try:
                response = await handler(request)
            except ProtocolError as error:
                response = refusal(error.status, str(error))
            except ClientDisconnect:
                response = refusal(400, "the client went away before the request was whole")
            except Exception:
                # The reason is for the log: it may show what is not the client's to see.
                _log.exception("failed to answer %s %s", request.method, request.url.path)
                response = refusal(500, "internal error; the predictor's log has the reason")
            if counted:
                self._metrics.answered(response.status_code, perf_counter() - started)
            return response

        return answer

    async def _infer(self, request: Request) -> Response:
        self._check_model(request)
        body = await self._body(request)

        def job() -> tuple[bytes, dict[str, str]]:
            asked = v2.decode(body, request.headers, self._model.name)
            answer = self._model.classify(asked.pictures)
            return v2.encode(answer, asked, self._model.name, self._model.package.digest)

        content, headers = await self._workers.run(job)
        return Response(content, headers=headers)

    async def _infer_v1(self, request: Request) -> Response:
        self._check_model(request)
        body = await self._body(request)
        labels = self._model.package.labels
        content = await self._workers.run(
            lambda: v1.encode(self._model.classify(v1.decode(body)), labels)
        )
        return Response(content, media_type="application/json")

    async def _predict(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise ProtocolError(415, "send a form with the field 'file': curl -F file=@photo.jpg …")
        picture = await _form_file(request, await self._body(request))
        answer = await self._workers.run(lambda: self._model.classify((picture,)))
        (prediction,) = v1.predictions(answer, self._model.package.labels)
        return as_json(prediction)

    async def _metadata(self, request: Request) -> Response:
        self._check_model(request)
        inputs = self._model.get_input_types()
        # Metadata names a tensor once, with one datatype.
        inputs[0]["parameters"] = {"other_form": "UINT8 [-1, -1, -1, 3], RGB"}
        return as_json(
            {
                "name": self._model.name,
                "versions": [self._model.package.digest],
                "platform": self._model.platform,
                "inputs": inputs,
                "outputs": self._model.get_output_types(),
                "parameters": self._model.describe(),
            }
        )

    async def _model_ready(self, request: Request) -> Response:
        self._check_model(request)
        return self._readiness({"name": self._model.name, "ready": self._model.ready})

    async def _ready(self, _: Request) -> Response:
        return self._readiness({"ready": self._model.ready})

    async def _health(self, _: Request) -> Response:
        return self._readiness(
            {
                "status": "ready" if self._model.ready else "not ready",
                "model": self._model.name,
                "revision": self._model.revision,
                "digest": self._model.package.digest,
            }
        )

    async def _live(self, _: Request) -> Response:
        return as_json({"live": True})

    async def _live_v1(self, _: Request) -> Response:
        return as_json({"status": "alive"})

    async def _models(self, _: Request) -> Response:
        return as_json({"models": [self._model.name]})

    async def _server(self, _: Request) -> Response:
        return as_json(server_metadata())

    async def _info(self, _: Request) -> Response:
        return as_json(self._model.describe())

    async def _exposition(self, _: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE)

    def _readiness(self, told: dict[str, Any]) -> Response:
        if self._model.ready:
            return as_json(told)
        return as_json({**told, "error": f"{self._model.name} is not ready"}, 503)

    def _check_model(self, request: Request) -> None:
        name = request.path_params["model"]
        version = request.path_params.get("version", self._model.package.digest)
        self._model.check_name(name, version)

    async def _body(self, request: Request) -> bytes:
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise ProtocolError(415, f"Content-Encoding {encoding!r} is not read; send it plain")
        most = largest_body(request.headers, self._max_body_bytes)
        too_large = ProtocolError(413, f"a request has at most {most} bytes")
        # Refuse before reading where the client says so itself.
        if int(request.headers.get("content-length", 0)) > most:
            raise too_large
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise too_large
            parts.append(part)
        return b"".join(parts)


async def _form_file(request: Request, body: bytes) -> bytes:
    """The content of the one file in a form, under the name ``file``."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, whole(), max_files=1, max_fields=8)
    # The body is in memory and bounded: never spool it to a disk that may be read-only.
    parser.spool_max_size = len(body)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise malformed(f"the form cannot be read: {error.message}") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise malformed("the form must hold a file in the field 'file'")
        return await file.read()
    finally:
        await form.close()
