"""Open Inference Protocol V2 over REST, with binary tensors: bytes to a request, answer to bytes.

Pure: no server, no model. The rules are those of
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
and extension_binary_data.md beside it.
"""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from predictor import tensors
from predictor.protocol import (
    INPUT,
    OUTPUTS,
    Classification,
    InferRequest,
    Pictures,
    RequestedOutput,
    malformed,
)
from predictor.strict import parse_object

# Bytes of JSON at the start of a body; raw tensors follow them.
HEADER_LENGTH = "inference-header-content-length"


def decode(body: bytes, headers: Mapping[str, str], model: str) -> InferRequest:
    """Read the body of ``POST /v2/models/<model>/infer``.

    Args:
        body: JSON, or JSON and raw tensors.
        headers: of the request; only `HEADER_LENGTH` matters, in lower case.
        model: the name in the address.

    Raises:
        ProtocolError: 400, with what is wrong and what was expected.
    """
    length = headers.get(HEADER_LENGTH)
    head, tail = (body, None) if length is None else _split(body, length)
    request = parse_object(head)
    _only(request, {"id", "model_name", "parameters", "inputs", "outputs"}, "the request")
    if not isinstance(request.get("id", ""), str):
        raise malformed(f"'id' must be a string, got {shortened(request['id'])}")
    if request.get("model_name", model) != model:
        raise malformed(
            f"'model_name' is {shortened(request['model_name'])}, the address says {model}"
        )
    parameters = _parameters(request, "the request")
    return InferRequest(
        id=request.get("id"),
        pictures=_pictures(request, tail),
        outputs=_outputs(request, _flag(parameters, "binary_data_output", default=False)),
    )


def encode(
    answer: Classification, request: InferRequest, model: str, version: str
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the answer: the outputs asked for, in the order asked for."""
    outputs, raws = [], []
    for asked in request.outputs:
        datatype, shape, values = output(answer, asked.name)
        described: dict[str, Any] = {"name": asked.name, "datatype": datatype, "shape": shape}
        if asked.binary:
            raws.append(raw_output(values))
            described["parameters"] = {"binary_data_size": len(raws[-1])}
        else:
            described["data"] = values.ravel() if isinstance(values, np.ndarray) else values
        outputs.append(described)
    head: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": outputs}
    if request.id is not None:
        head["id"] = request.id
    text = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    if not raws:
        return text, {"content-type": "application/json"}
    return b"".join((text, *raws)), {
        "content-type": "application/octet-stream",
        HEADER_LENGTH: str(len(text)),
    }


def output(
    answer: Classification, name: str
) -> tuple[str, list[int], NDArray[np.float32] | tuple[str, ...]]:
    """Datatype, shape and values of one output: a float32 array, or a tuple of texts."""
    if name == "label":
        return "BYTES", [len(answer.labels)], answer.labels
    values = answer.probabilities if name == "probabilities" else answer.confidences
    return "FP32", list(values.shape), values


def raw_output(values: NDArray[np.float32] | tuple[str, ...]) -> bytes:
    """The values of an `output` as a binary tensor."""
    if isinstance(values, np.ndarray):
        return values.astype("<f4", copy=False).tobytes()
    return tensors.to_raw(values)


def requested(names: list[Any], binary: list[bool]) -> tuple[RequestedOutput, ...]:
    """The outputs of these names, each at most once.

    Raises:
        ProtocolError: 400, for an output that we do not have, or twice the same.
    """
    for name in names:
        if name not in OUTPUTS:
            raise malformed(f"there is no output {shortened(name)}; there are {', '.join(OUTPUTS)}")
    if len(set(names)) < len(names):
        raise malformed(f"every output can be asked for once, got {', '.join(names)}")
    return tuple(
        RequestedOutput(name=name, binary=as_binary)
        for name, as_binary in zip(names, binary, strict=True)
    )


def _split(body: bytes, length: str) -> tuple[bytes, bytes]:
    # `int` alone would take signs, spaces, underscores and other scripts' digits.
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise malformed(f"{HEADER_LENGTH} must be a number of bytes, got {shortened(length)}")
    size = int(length)
    if size > len(body):
        raise malformed(f"{HEADER_LENGTH} is {size}, the body has {len(body)} bytes")
    return body[:size], body[size:]


def _pictures(request: dict[str, Any], tail: bytes | None) -> Pictures:
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise malformed(f"'inputs' must be a list of one tensor, {INPUT!r}")
    tensor = _object(inputs[0], "the input")
    _only(tensor, {"name", "datatype", "shape", "parameters", "data"}, "the input")
    if tensor.get("name") != INPUT:
        raise malformed(f"there is no input {shortened(tensor.get('name'))}; there is {INPUT!r}")
    shape = tensors.check_form(tensor.get("datatype"), tensor.get("shape"))
    parameters = _parameters(tensor, "the input")
    if "binary_data_size" in parameters:
        if "data" in tensor:
            raise malformed("the input has both 'data' and 'binary_data_size'")
        return tensors.from_raw(
            tensor["datatype"], shape, _binary(parameters["binary_data_size"], tail)
        )
    if tail:
        raise malformed(f"{len(tail)} bytes follow the JSON, and no input has 'binary_data_size'")
    if "data" not in tensor:
        raise malformed("the input has no 'data'")
    return tensors.from_json(tensor["datatype"], shape, tensor["data"])


def _binary(size: object, tail: bytes | None) -> bytes:
    if tail is None:
        raise malformed(f"'binary_data_size' needs the header {HEADER_LENGTH}")
    if type(size) is not int or size != len(tail):
        raise malformed(
            f"'binary_data_size' is {shortened(size)}, {len(tail)} bytes follow the JSON"
        )
    return tail


def _outputs(request: dict[str, Any], all_binary: bool) -> tuple[RequestedOutput, ...]:
    asked = request.get("outputs", [])
    if not isinstance(asked, list):
        raise malformed(f"'outputs' must be a list, got {type(asked).__name__}")
    names, binary = [], []
    for one in asked:
        described = _object(one, "an output")
        _only(described, {"name", "parameters"}, "an output")
        names.append(described.get("name"))
        parameters = _parameters(described, "an output")
        binary.append(_flag(parameters, "binary_data", default=all_binary))
    if not names:
        names, binary = list(OUTPUTS), [all_binary] * len(OUTPUTS)
    return requested(names, binary)


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise malformed(f"{what} must be a JSON object, got {type(value).__name__}")
    return value


def _only(value: dict[str, Any], known: set[str], what: str) -> None:
    # A misspelt field would otherwise be ignored, and the client wonder.
    if unknown := value.keys() - known:
        raise malformed(
            f"{what} has unknown fields {shortened(sorted(unknown))}; "
            f"known are {', '.join(sorted(known))}"
        )


def _parameters(value: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = _object(value.get("parameters", {}), f"'parameters' of {what}")
    for key, setting in parameters.items():
        if not isinstance(setting, bool | int | float | str):
            raise malformed(
                f"parameter {shortened(key)} of {what} must be a boolean, number or string"
            )
    return parameters


def _flag(parameters: dict[str, Any], key: str, *, default: bool) -> bool:
    flag = parameters.get(key, default)
    if not isinstance(flag, bool):
        raise malformed(f"parameter {key!r} must be true or false, got {shortened(flag)}")
    return flag
