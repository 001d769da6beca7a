"""The KServe SDK's own server around a model class: ``stock PACKAGE REST-PORT GRPC-PORT``."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.protocol.rest import server as rest

from tests.bench.predictor.peers.classifier import Classifier
from tests.bench.predictor.wires import MODEL
from weathervane.local.ports import LOOPBACK


class StockModel(Model):
    """Encoded pictures or pixels in, off the event loop."""

    def __init__(self, folder: Path) -> None:
        super().__init__(MODEL)
        self._classifier = Classifier(folder, "signature", threads=1)
        self.ready = True

    async def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> Any:
        return await asyncio.to_thread(self._answer, payload)

    def _answer(self, payload: InferRequest) -> InferResponse:
        (tensor,) = payload.inputs
        json_bytes = tensor.datatype == "BYTES" and tensor._raw_data is None
        pictures = tensor.data if json_bytes else tensor.as_numpy()
        outputs = self._classifier.outputs(pictures)
        # Over REST an answer must have an id, also where the request has none.
        return InferResponse(
            payload.id or "none", MODEL, [InferOutput(**vars(each)) for each in outputs]
        )


def _on_loopback_only() -> None:
    # The SDK binds every address, over REST and gRPC, and has no setting for it.
    from grpc import aio

    configured, bind = rest.uvicorn.Config, aio.Server.add_insecure_port
    rest.uvicorn.Config = lambda app, host, **rest_of_it: configured(
        app, host=LOOPBACK, **rest_of_it
    )
    aio.Server.add_insecure_port = lambda server, address: bind(
        server, address.replace("[::]", LOOPBACK)
    )


if __name__ == "__main__":
    _on_loopback_only()
    package, rest_port, grpc_port = sys.argv[1:]
    ModelServer(http_port=int(rest_port), grpc_port=int(grpc_port)).start(
        [StockModel(Path(package))]
    )
