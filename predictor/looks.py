"""What is told to whoever only looks: health, metadata, lists, metrics. Nothing here changes."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from predictor.answers import as_json
from predictor.bodies import read_body
from predictor.metrics import CONTENT_TYPE, Metrics
from predictor.model import PackagedModel
from predictor.protocol import malformed, server_metadata
from predictor.repository import Repository
from predictor.strict import parse_object

_MAX_INDEX_BYTES = 1024


class Looks:
    """Handlers over one model."""

    def __init__(self, model: PackagedModel, metrics: Metrics, repository: Repository) -> None:
        self._model = model
        self._metrics = metrics
        self._repository = repository

    async def live(self, _: Request) -> Response:
        """V2: the process answers."""
        return as_json({"live": True})

    async def live_v1(self, _: Request) -> Response:
        """V1: likewise."""
        return as_json({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """V2: the model answers as its package says; 503 when it does not."""
        return self._readiness({"ready": self._model.ready})

    async def model_ready(self, request: Request) -> Response:
        """V1 and V2: likewise, of one model."""
        self.check_model(request)
        return self._readiness({"name": self._model.name, "ready": self._model.ready})

    async def health(self, _: Request) -> Response:
        """Likewise for people, and what is served."""
        return self._readiness(
            {
                "status": "ready" if self._model.ready else "not ready",
                "model": self._model.name,
                "revision": self._model.revision,
                "digest": self._model.package.digest,
            }
        )

    async def server(self, _: Request) -> Response:
        """V2: what the server is."""
        return as_json(server_metadata())

    async def metadata(self, request: Request) -> Response:
        """V2: how the model is asked and what it answers."""
        self.check_model(request)
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

    async def info(self, _: Request) -> Response:
        """The same for people."""
        return as_json(self._model.describe())

    async def models(self, _: Request) -> Response:
        """V1 and V2: names."""
        return as_json({"models": [self._model.name]})

    async def available(self, _: Request) -> Response:
        """For people: what can be asked for now, and what can be loaded."""
        return as_json(
            {
                "models": [
                    {
                        "name": name,
                        "digest": digest,
                        "revision": self._model.revision,
                        "ready": name == self._model.name and self._model.ready,
                    }
                    for name, digest in (await self._there_are()).items()
                ]
            }
        )

    async def index(self, request: Request) -> Response:
        """The repository's models; ``{"ready": true}`` asks for those that are.

        https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
        """
        body = await read_body(request, most=_MAX_INDEX_BYTES) if request.method == "POST" else b""
        asked = parse_object(body) if body else {}
        only_ready = asked.get("ready", False)
        if not isinstance(only_ready, bool) or asked.keys() - {"ready"}:
            raise malformed('the request may be empty, or {"ready": true}')
        told = []
        for name, digest in (await self._there_are()).items():
            state, reason = "UNAVAILABLE", "it is not loaded"
            if name == self._model.name:
                state, reason = ("READY", "") if self._model.ready else (state, "it is not ready")
            if not only_ready or state == "READY":
                told.append({"name": name, "version": digest, "state": state, "reason": reason})
        return as_json(told)

    async def metrics(self, _: Request) -> Response:
        """Prometheus' text format."""
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE)

    def check_model(self, request: Request) -> None:
        """Whether the address names our model and, where it says one, our version.

        Raises:
            ProtocolError: 404.
        """
        name = request.path_params["model"]
        version = request.path_params.get("version", self._model.package.digest)
        self._model.check_name(name, version)

    async def _there_are(self) -> dict[str, str]:
        """Digests by name, beginning with what serves, as it serves."""
        serving = {self._model.name: self._model.package.digest}
        return serving | dict(await self._repository.digests()) | serving

    def _readiness(self, told: dict[str, Any]) -> Response:
        if self._model.ready:
            return as_json(told)
        return as_json({**told, "error": f"{self._model.name} is not ready"}, 503)
