"""The Open Inference Protocol V2 as a whole: every operation, every datatype in every form."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import grpc
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from predictor.protocol import OUTPUTS
from predictor.tensors import DATATYPES
from tests.predictor.running import Running
from weathervane.registry.package import Package

pytestmark = pytest.mark.process

MODEL = "/v2/models/weather"
LENGTH = "Inference-Header-Content-Length"
PIXELS = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 64, 64, 3)
PICTURE = cv2.imencode(".png", cv2.cvtColor(PIXELS[0], cv2.COLOR_RGB2BGR))[1].tobytes()
LOOKS = {
    "/v2": {"name", "version", "extensions"},
    "/v2/": {"name", "version", "extensions"},
    "/v2/health/live": {"live"},
    "/v2/health/ready": {"ready"},
    "/v2/models": {"models"},
    MODEL: {"name", "versions", "platform", "inputs", "outputs", "parameters"},
    f"{MODEL}/versions/DIGEST": {"name", "versions", "platform", "inputs", "outputs", "parameters"},
    f"{MODEL}/ready": {"name", "ready"},
    f"{MODEL}/versions/DIGEST/ready": {"name", "ready"},
    "/v1/models": {"models"},
    "/v1/models/weather": {"name", "ready"},
    "/": {"status"},
    "/health": {"status", "model", "revision", "digest"},
    "/models/available": {"models"},
}
INFERS = {
    f"{MODEL}/infer": {"model_name", "model_version", "outputs"},
    f"{MODEL}/versions/DIGEST/infer": {"model_name", "model_version", "outputs"},
    "/v1/models/weather:predict": {"predictions"},
}
CHANGES = (
    "/v2/repository/models/weather/load",
    "/v2/repository/models/weather/unload",
    "/model/load/weather",
)


@pytest.fixture(scope="module")
def client(predictor: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=predictor.rest, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def stub(predictor: Running) -> Iterator[Any]:
    with grpc.insecure_channel(predictor.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


def tensor(datatype: str) -> dict[str, Any]:
    shape = [1] if datatype == "BYTES" else list(PIXELS.shape)
    return {"name": "image", "datatype": datatype, "shape": shape}


def raw(datatype: str) -> bytes:
    if datatype == "BYTES":
        return struct.pack("<I", len(PICTURE)) + PICTURE
    return PIXELS.tobytes()


def as_json(datatype: str) -> tuple[bytes, dict[str, str]]:
    data: Any = PIXELS.ravel().tolist()
    if datatype == "BYTES":
        data = [base64.b64encode(PICTURE).decode()]
    elif datatype == "BOOL":
        data = [bool(value) for value in data]
    elif datatype.startswith("FP"):
        data = [float(value) for value in data]
    return json.dumps({"inputs": [{**tensor(datatype), "data": data}]}).encode(), {}


def as_binary(datatype: str) -> tuple[bytes, dict[str, str]]:
    content = raw(datatype)
    sized = {**tensor(datatype), "parameters": {"binary_data_size": len(content)}}
    head = json.dumps({"inputs": [sized]}).encode()
    return head + content, {LENGTH: str(len(head))}


@pytest.mark.parametrize("path", LOOKS)
def test_every_look_is_answered_and_head_without_a_body(
    client: httpx.Client, tiny_package: Package, path: str
):
    place = path.replace("DIGEST", tiny_package.digest)

    answer, head = client.get(place), client.head(place)

    assert (answer.status_code, head.status_code) == (200, 200)
    assert set(answer.json()) == LOOKS[path]
    assert head.content == b""
    assert head.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("path", INFERS)
def test_every_inference_is_answered(client: httpx.Client, tiny_package: Package, path: str):
    picture = base64.b64encode(PICTURE).decode()
    body = {"inputs": [{**tensor("BYTES"), "data": [picture]}]}
    if "v1" in path:
        body = {"instances": [{"b64": picture}]}

    answer = client.post(path.replace("DIGEST", tiny_package.digest), json=body)

    assert answer.status_code == 200
    assert set(answer.json()) == INFERS[path]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *((path, {"GET", "HEAD"}) for path in (*LOOKS, "/metrics", "/model/info")),
        *((path, {"POST"}) for path in (*INFERS, "/predict", "/predict/batch", *CHANGES)),
        ("/v2/repository/index", {"GET", "HEAD", "POST"}),
    ],
)
def test_any_other_method_is_told_what_is_allowed(
    client: httpx.Client, tiny_package: Package, path: str, allowed: set[str]
):
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
        answer = client.request(method, path.replace("DIGEST", tiny_package.digest))

        assert answer.status_code == 405, method
        assert set(answer.headers["allow"].split(", ")) == allowed
        if method != "HEAD":
            assert list(answer.json()) == ["error"]


def test_the_index_lists_the_one_model(client: httpx.Client, tiny_package: Package):
    listed = [{"name": "weather", "version": tiny_package.digest, "state": "READY", "reason": ""}]

    assert client.get("/v2/repository/index").json() == listed
    assert client.post("/v2/repository/index").json() == listed
    assert client.post("/v2/repository/index", json={"ready": True}).json() == listed
    for wrong in ({"ready": "yes"}, {"name": "weather"}, []):
        assert client.post("/v2/repository/index", json=wrong).status_code == 400
    assert client.post("/v2/repository/index", content=b" " * 2000).status_code == 413


def test_the_id_comes_back_with_an_answer_and_an_error_is_nothing_but_its_message(
    client: httpx.Client,
):
    body, _ = as_json("BYTES")
    asked = {**json.loads(body), "id": "Grüße ❄"}

    assert client.post(f"{MODEL}/infer", json=asked).json()["id"] == "Grüße ❄"
    assert "id" not in client.post(f"{MODEL}/infer", content=body).json()
    # $inference_error_response has no other field.
    assert list(client.post(f"{MODEL}/infer", json={**asked, "inputs": []}).json()) == ["error"]


@pytest.mark.parametrize("form", [as_json, as_binary])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_over_rest(client: httpx.Client, datatype: str, form: Any):
    body, headers = form(datatype)

    answer = client.post(f"{MODEL}/infer", content=body, headers=headers)

    if datatype in {"BYTES", "UINT8"}:
        assert answer.status_code == 200, answer.text
        assert [output["name"] for output in answer.json()["outputs"]] == list(OUTPUTS)
    else:
        assert answer.status_code == 400
        assert answer.json() == {"error": f"'image' takes BYTES or UINT8, got {datatype}"}


CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP16": None,  # raw only, says the protocol
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def asked_over_grpc(datatype: str, *, as_raw: bool) -> Any:
    described = tensor(datatype)
    if as_raw:
        return pb.ModelInferRequest(
            model_name="weather", inputs=[described], raw_input_contents=[raw(datatype)]
        )
    if field := CONTENTS[datatype]:
        values = [PICTURE] if datatype == "BYTES" else PIXELS.ravel().tolist()
        described["contents"] = {field: values}
    return pb.ModelInferRequest(model_name="weather", inputs=[described])


@pytest.mark.parametrize("as_raw", [False, True])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_over_grpc(stub: Any, datatype: str, as_raw: bool):
    asked = asked_over_grpc(datatype, as_raw=as_raw)

    if datatype in {"BYTES", "UINT8"}:
        answer = stub.ModelInfer(asked)
        assert [output.name for output in answer.outputs] == list(OUTPUTS)
        assert len(answer.raw_output_contents) == (len(OUTPUTS) if as_raw else 0)
        return
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(asked)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == f"'image' takes BYTES or UINT8, got {datatype}"


def test_every_form_of_one_picture_is_answered_alike(client: httpx.Client, stub: Any):
    confidences = []
    for form in (as_json, as_binary):
        for datatype in ("BYTES", "UINT8"):
            body, headers = form(datatype)
            answer = client.post(f"{MODEL}/infer", content=body, headers=headers).json()
            confidences.append(answer["outputs"][2]["data"][0])
    for datatype in ("BYTES", "UINT8"):
        typed = stub.ModelInfer(asked_over_grpc(datatype, as_raw=False))
        confidences.append(typed.outputs[2].contents.fp32_contents[0])
        (content,) = struct.unpack(
            "<f",
            stub.ModelInfer(asked_over_grpc(datatype, as_raw=True)).raw_output_contents[2],
        )
        confidences.append(content)

    assert confidences == pytest.approx([confidences[0]] * 8, abs=1e-6)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("names", [[name] for name in OUTPUTS] + [list(reversed(OUTPUTS))])
def test_outputs_come_as_asked(
    client: httpx.Client, tiny_package: Package, names: list[str], binary: bool
):
    body, _ = as_json("BYTES")
    wanted = [{"name": name, "parameters": {"binary_data": binary}} for name in names]

    answer = client.post(f"{MODEL}/infer", json={**json.loads(body), "outputs": wanted})

    length = int(answer.headers.get(LENGTH, len(answer.content)))
    outputs = json.loads(answer.content[:length])["outputs"]
    described = {output["name"]: (output["datatype"], output["shape"]) for output in outputs}
    forms = {
        "probabilities": ("FP32", [1, len(tiny_package.labels)]),
        "label": ("BYTES", [1]),
        "confidence": ("FP32", [1]),
    }
    assert list(described) == names
    assert described == {name: forms[name] for name in names}
    assert all(("data" in output) is not binary for output in outputs)
    assert (LENGTH in answer.headers) is binary


def test_the_six_calls_answer_with_and_without_a_version(stub: Any, tiny_package: Package):
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert list(stub.ServerMetadata(pb.ServerMetadataRequest()).extensions)
    for version in ("", tiny_package.digest):
        assert stub.ModelReady(pb.ModelReadyRequest(name="weather", version=version)).ready
        metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="weather", version=version))
        assert list(metadata.versions) == [tiny_package.digest]
        asked = asked_over_grpc("BYTES", as_raw=False)
        asked.model_version, asked.id = version, "seven"
        assert stub.ModelInfer(asked).id == "seven"


def test_the_calls_of_another_model_or_version_are_not_found(stub: Any):
    for name, version in (("other", ""), ("", ""), ("weather", "1")):
        for call, asked in (
            (stub.ModelReady, pb.ModelReadyRequest(name=name, version=version)),
            (stub.ModelMetadata, pb.ModelMetadataRequest(name=name, version=version)),
            (stub.ModelInfer, pb.ModelInferRequest(model_name=name, model_version=version)),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(asked)
            assert refused.value.code() == grpc.StatusCode.NOT_FOUND
