"""The ways in which one picture travels, and the request of each, prepared to the last byte.

In: a JPEG file, and the pixels that a model gets of it. Out: bytes to send as they are.
"""

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL = "weather"
INFER = f"/v2/models/{MODEL}/infer"
_BOUNDARY = "a-line-that-no-picture-holds"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One way to send a picture; gRPC where it is not REST."""

    name: str
    rest: bool


JPEG_REST = Wire(name="JPEG over REST", rest=True)
TENSOR_JSON = Wire(name="tensor over REST, JSON", rest=True)
TENSOR_BINARY = Wire(name="tensor over REST, binary", rest=True)
JPEG_GRPC = Wire(name="JPEG over gRPC", rest=False)
TENSOR_GRPC = Wire(name="tensor over gRPC", rest=False)
WIRES = (JPEG_REST, TENSOR_JSON, TENSOR_BINARY, JPEG_GRPC, TENSOR_GRPC)


def requests(jpeg: bytes, pixels: NDArray[np.uint8]) -> dict[Wire, bytes]:
    """What a client of the Open Inference Protocol V2 sends over each wire."""
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, *pixels.shape]}
    encoded = {"name": "image", "datatype": "BYTES", "shape": [1]}
    raw = pixels.tobytes()
    head = _json({**tensor, "parameters": {"binary_data_size": len(raw)}})
    return {
        JPEG_REST: post(INFER, _json({**encoded, "data": [base64.b64encode(jpeg).decode()]})),
        TENSOR_JSON: post(INFER, _json({**tensor, "data": pixels.ravel().tolist()})),
        TENSOR_BINARY: post(
            INFER,
            head + raw,
            {
                "Content-Type": "application/octet-stream",
                "Inference-Header-Content-Length": str(len(head)),
            },
        ),
        # A BYTES element has its length before it.
        JPEG_GRPC: _message(encoded, struct.pack("<I", len(jpeg)) + jpeg),
        TENSOR_GRPC: _message(tensor, raw),
    }


def form(jpeg: bytes) -> bytes:
    """A request that uploads a file as a browser does, to ``/predict``."""
    before = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return post(
        "/predict",
        before.encode() + jpeg + f"\r\n--{_BOUNDARY}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
    )


def post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP/1.1 request on a connection that is kept."""
    lines = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{told}\r\n".encode() + body


def probabilities(wire: Wire, answer: bytes) -> NDArray[np.float32]:
    """The probabilities in an answer over ``wire``, of V2 or of a plain ``/predict``."""
    if wire.rest:
        told = json.loads(answer)
        if "outputs" not in told:
            return np.asarray(told["probabilities"], np.float32)
        outputs = {output["name"]: output["data"] for output in told["outputs"]}
        return np.asarray(outputs["probabilities"], np.float32).ravel()
    from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferResponse

    response = ModelInferResponse.FromString(answer)
    number = [output.name for output in response.outputs].index("probabilities")
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[number], "<f4")
    return np.asarray(response.outputs[number].contents.fp32_contents, np.float32)


def _json(tensor: Mapping[str, Any]) -> bytes:
    return json.dumps({"inputs": [tensor]}).encode()


def _message(tensor: Mapping[str, Any], raw: bytes) -> bytes:
    from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest

    message = ModelInferRequest(model_name=MODEL, raw_input_contents=[raw])
    message.inputs.add(**tensor)
    return bytes(message.SerializeToString())
