"""One picture to a predictor in every way in which it takes one; its probabilities back."""

import base64
import struct
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
from numpy.typing import NDArray

from tests.predictor.running import Running

_LENGTH = "Inference-Header-Content-Length"


class RefusedError(Exception):
    """The predictor's own words, and the status that they came with."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Asker:
    """Clients of one predictor."""

    def __init__(self, predictor: Running) -> None:
        self._http = httpx.Client(base_url=predictor.rest, timeout=60)
        # Room for what is sent here; how much the server takes is its own matter.
        self._channel = grpc.insecure_channel(
            predictor.grpc, options=[("grpc.max_send_message_length", -1)]
        )

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._channel.close()

    def ways(self) -> dict[str, Callable[[bytes], NDArray[Any]]]:
        """By name."""
        return {
            "V2, binary": self.binary,
            "V2, base64": self.json,
            "V2, gRPC": self.grpc,
            "V1, base64": self.v1,
            "form": self.form,
        }

    def binary(self, picture: bytes) -> NDArray[Any]:
        raw = struct.pack("<I", len(picture)) + picture
        return self._infer({"parameters": {"binary_data_size": len(raw)}}, raw)

    def json(self, picture: bytes) -> NDArray[Any]:
        return self._infer({"data": [base64.b64encode(picture).decode()]})

    def batch(self, pictures: Sequence[bytes]) -> NDArray[Any]:
        """Several pictures in one request: probabilities [n, classes]."""
        raw = b"".join(struct.pack("<I", len(one)) + one for one in pictures)
        fields = {"shape": [len(pictures)], "parameters": {"binary_data_size": len(raw)}}
        return self._infer(fields, raw).reshape(len(pictures), -1)

    def pixels(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        tensor = {"datatype": "UINT8", "shape": [1, *pixels.shape]}
        return self._infer(
            {**tensor, "parameters": {"binary_data_size": pixels.size}}, pixels.tobytes()
        )

    def v1(self, picture: bytes) -> NDArray[Any]:
        body = orjson.dumps({"instances": [{"b64": base64.b64encode(picture).decode()}]})
        answer = self._post("/v1/models/weather:predict", content=body)
        return np.array(list(answer["predictions"][0]["probabilities"].values()))

    def form(self, picture: bytes) -> NDArray[Any]:
        answer = self._post("/predict", files={"file": picture})
        return np.array(list(answer["probabilities"].values()))

    def grpc(self, picture: bytes) -> NDArray[Any]:
        from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
        from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

        tensor = {"name": "image", "datatype": "BYTES", "shape": [1]}
        tensor["contents"] = {"bytes_contents": [picture]}
        request = ModelInferRequest(model_name="weather", inputs=[tensor])
        try:
            answer = GRPCInferenceServiceStub(self._channel).ModelInfer(request, timeout=60)
        except grpc.RpcError as error:
            raise RefusedError(error.code().value[0], error.details()) from error
        return np.array(answer.outputs[0].contents.fp32_contents)

    def _infer(self, fields: dict[str, Any], raw: bytes = b"") -> NDArray[Any]:
        tensor = {"name": "image", "datatype": "BYTES", "shape": [1], **fields}
        head = orjson.dumps({"inputs": [tensor]})
        headers = {_LENGTH: str(len(head))} if raw else {}
        answer = self._post("/v2/models/weather/infer", content=head + raw, headers=headers)
        return np.array(answer["outputs"][0]["data"])

    def _post(self, path: str, **request: Any) -> dict[str, Any]:
        answer = self._http.post(path, **request)
        told: dict[str, Any] = answer.json()
        if answer.status_code != 200:
            raise RefusedError(answer.status_code, told["error"])
        return told
