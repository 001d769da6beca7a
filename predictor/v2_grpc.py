"""Open Inference Protocol V2 over gRPC: a message to a request, an answer to a message. Pure.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
"""

# The messages are generated, without types.
# ruff: noqa: ANN401

from typing import Any

import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor import tensors, v2
from predictor.protocol import (
    INPUT,
    OUTPUTS,
    Classification,
    InferRequest,
    Pictures,
    malformed,
)


def decode(request: Any) -> InferRequest:
    """Read a ``ModelInferRequest``.

    Raises:
        ProtocolError: 400.
    """
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT:
        names = [tensor.name for tensor in request.inputs]
        raise malformed(f"'inputs' must be one tensor, {INPUT!r}; got {names}")
    tensor = request.inputs[0]
    shape = tensors.check_form(tensor.datatype, list(tensor.shape))
    raw = list(request.raw_input_contents)
    names = [output.name for output in request.outputs] or list(OUTPUTS)
    return InferRequest(
        id=request.id,
        pictures=_pictures(tensor, shape, raw),
        # Whoever sends raw tensors reads them as well.
        outputs=v2.requested(names, [bool(raw)] * len(names)),
    )


def encode(answer: Classification, request: InferRequest, model: str, version: str) -> Any:
    """The ``ModelInferResponse`` with the outputs asked for."""
    response = pb.ModelInferResponse(model_name=model, model_version=version, id=request.id)
    for asked in request.outputs:
        datatype, shape, values = v2.output(answer, asked.name)
        tensor = response.outputs.add(name=asked.name, datatype=datatype, shape=shape)
        if asked.binary:
            response.raw_output_contents.append(v2.raw_output(values))
        elif isinstance(values, np.ndarray):
            tensor.contents.fp32_contents.extend(values.ravel().tolist())
        else:
            tensor.contents.bytes_contents.extend(text.encode() for text in values)
    return response


def _pictures(tensor: Any, shape: tuple[int, ...], raw: list[bytes]) -> Pictures:
    filled = {field.name for field, _ in tensor.contents.ListFields()}
    if raw:
        if filled:
            raise malformed("the input has both 'contents' and 'raw_input_contents'")
        if len(raw) != 1:
            raise malformed(f"one input has one of 'raw_input_contents', got {len(raw)}")
        return tensors.from_raw(tensor.datatype, shape, raw[0])
    field = "bytes_contents" if tensor.datatype == "BYTES" else "uint_contents"
    if filled != {field}:
        raise malformed(f"{tensor.datatype} belong into {field!r}, got {sorted(filled) or 'none'}")
    if field == "bytes_contents":
        return tensors.counted_elements(shape, tensor.contents.bytes_contents)
    return tensors.from_integers(shape, tensor.contents.uint_contents)
