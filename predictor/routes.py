"""The REST front: which paths there are, and how an outcome becomes a response.

Every answer of an error is ``{"error": "…"}``, whatever failed, and leaves the connection usable.
Every answer names its request: by the id that the client gave, or by a new one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from predictor import logs, v2
from predictor.access import Access
from predictor.allowance import largest_body
from predictor.answers import as_json, refusal
from predictor.asks import Asks
from predictor.bodies import read_body
from predictor.docs import Docs
from predictor.inference import Inference
from predictor.looks import Looks
from predictor.metrics import Metrics
from predictor.model import PackagedModel
from predictor.payloads import Offer, Payload
from predictor.protocol import INTERNAL, ProtocolError, is_traffic, kind_of
from predictor.repository import Repository
from predictor.workers import Workers

Handler = Callable[[Request], Awaitable[Response]]
# With the body, read whole.
Inferring = Callable[[Request, bytes], Awaitable[Response]]

_log = logging.getLogger("weathervane.predictor")


class _ModelName(Convertor[str]):
    # V1 puts what to do behind a colon: /v1/models/weather:predict.
    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", _ModelName())


async def unrouted(request: Request, error: HTTPException) -> Response:
    """Answer what no route took: an unknown path, or a method that it does not have."""
    given = logs.request_id(request.headers.get(logs.REQUEST_ID))
    path = request.scope["path"]
    response = refusal(error.status_code, f"{request.method} {path}: {error.detail}")
    response.headers.update(error.headers or {})
    response.headers[logs.REQUEST_ID] = given
    logs.answered(request.method, path, status=error.status_code, seconds=0.0, request=given)
    return response


class Front:
    """Routes over one model.

    Args:
        model: what is asked.
        workers: where it is asked.
        metrics: where requests are counted.
        max_body_bytes: of one request.
        access: who may ask.
        repository: what can be loaded in the model's place.
        offer: where answered requests are offered, if anywhere.
        docs: whether an admin may read about the API.
    """

    def __init__(
        self,
        model: PackagedModel,
        workers: Workers,
        metrics: Metrics,
        *,
        max_body_bytes: int,
        access: Access,
        repository: Repository,
        offer: Offer | None,
        docs: bool,
    ) -> None:
        self._model = model
        self._asks = Asks(model, Inference(model, workers, metrics))
        self._looks = Looks(model, metrics, repository)
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._access = access
        self._repository = repository
        self._offer = offer
        self._docs = Docs(model, access) if docs else None

    def routes(self) -> list[Route]:
        """Everything that is answered over REST; what is asked most, first."""
        asks, looks = self._asks, self._looks
        inferring: dict[str, Inferring] = {}
        looking: dict[str, Handler] = {}
        for of_model in ("/v2/models/{model:name}", "/v2/models/{model:name}/versions/{version}"):
            inferring[f"{of_model}/infer"] = asks.v2
            looking[of_model] = looks.metadata
            looking[f"{of_model}/ready"] = looks.model_ready
        inferring |= {
            "/v1/models/{model:name}:predict": asks.v1,
            "/predict": asks.form,
            "/predict/batch": asks.batch,
        }
        looking |= {
            "/": looks.live_v1,
            "/health": looks.health,
            "/metrics": looks.metrics,
            "/model/info": looks.info,
            "/models/available": looks.available,
            "/v1/models": looks.models,
            "/v1/models/{model:name}": looks.model_ready,
            "/v2": looks.server,
            # The protocol's text says the one, its OpenAPI description the other.
            "/v2/": looks.server,
            "/v2/health/live": looks.live,
            "/v2/health/ready": looks.ready,
            "/v2/models": looks.models,
        }
        if self._docs:
            looking |= {"/openapi.json": self._docs.document, "/docs": self._docs.page}
        changing: dict[str, Handler] = {
            "/v2/repository/models/{model:name}/load": self._load,
            "/v2/repository/models/{model:name}/unload": self._unload,
            "/model/load/{model:name}": self._load,
        }
        return [
            *(
                Route(path, self._answered(self._read(infer), counted=True), methods=["POST"])
                for path, infer in inferring.items()
            ),
            *(Route(path, self._answered(look), methods=["GET"]) for path, look in looking.items()),
            Route("/v2/repository/index", self._answered(looks.index), methods=["GET", "POST"]),
            *(
                Route(path, self._answered(change), methods=["POST"])
                for path, change in changing.items()
            ),
        ]

    def _answered(self, handler: Handler, *, counted: bool = False) -> Handler:
        async def answer(request: Request) -> Response:
            started = perf_counter()
            given = logs.request_id(request.headers.get(logs.REQUEST_ID))
            request.state.id = given

            def tell(status: int, kind: str) -> None:
                seconds = perf_counter() - started
                if counted:
                    traffic = is_traffic(request.headers)
                    self._metrics.answered(status, seconds, kind, traffic=traffic)
                # Probes and scrapes come every second, and say nothing while they are answered.
                if counted or kind:
                    call = (request.method, request.scope["path"])
                    logs.answered(*call, status=status, seconds=seconds, request=given, kind=kind)

            kind = ""
            try:
                response = await handler(request)
            except ProtocolError as error:
                response, kind = refusal(error.status, str(error)), error.kind
            except asyncio.CancelledError as ended:
                # The connection says why, unless the whole server ends.
                status = ended.args[0] if ended.args else 503
                tell(status, kind_of(status))
                raise
            except Exception:
                # The reason is for the log: it may show what is not the client's to see.
                _log.exception("failed to answer request %s", given)
                response, kind = refusal(500, INTERNAL), "internal"
            response.headers[logs.REQUEST_ID] = given
            tell(response.status_code, kind)
            return response

        return answer

    def _read(self, infer: Inferring) -> Handler:
        async def read(request: Request) -> Response:
            self._access.check_inference(request.headers.get("authorization"))
            if "model" in request.path_params:
                self._looks.check_model(request)
            most = largest_body(request.headers, self._max_body_bytes)
            body = await read_body(request, most=most)
            response = await infer(request, body)
            if self._offer and is_traffic(request.headers):
                self._offer(
                    request.state.id, _payload(body, request), _payload(response.body, response)
                )
            return response

        return read

    async def _load(self, request: Request) -> Response:
        name, key = request.path_params["model"], request.headers.get("authorization")
        model = await self._repository.load(name, key)
        return as_json({"name": model.name, "load": True, "digest": model.package.digest})

    async def _unload(self, request: Request) -> Response:
        name, key = request.path_params["model"], request.headers.get("authorization")
        self._repository.unload(self._model, name, key)
        return as_json({"name": name, "unload": True})


def _payload(body: bytes | memoryview, of: Request | Response) -> Payload:
    content_type = of.headers.get("content-type", "application/json")
    return Payload(bytes(body), content_type, of.headers.get(v2.HEADER_LENGTH))
