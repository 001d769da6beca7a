"""The predictor over gRPC: the same core, and errors that tell whose fault they are."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.predictor.running import REVISION, Running
from weathervane.data import images
from weathervane.registry.package import Package

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def stub(predictor: Running) -> Iterator[Any]:
    with grpc.insecure_channel(predictor.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


def request(*pictures: bytes, **fields: Any) -> Any:
    tensor: dict[str, Any] = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [len(pictures)],
        "contents": {"bytes_contents": pictures},
    }
    tensor.update(fields.pop("tensor", {}))
    return pb.ModelInferRequest(**{"model_name": "weather", "inputs": [tensor], **fields})


def test_pictures_are_answered_as_the_savedmodel_did(stub: Any, tiny_package: Package):
    golden = tiny_package.golden()

    answer = stub.ModelInfer(request(*(one.picture for one in golden), id="seven"))

    wanted = np.array([one.probabilities for one in golden])
    probabilities, label, confidence = answer.outputs
    assert (answer.id, answer.model_name) == ("seven", "weather")
    assert answer.model_version == tiny_package.digest
    assert list(probabilities.shape) == list(wanted.shape)
    assert np.reshape(probabilities.contents.fp32_contents, wanted.shape) == pytest.approx(
        wanted, abs=1e-3
    )
    assert [text.decode() for text in label.contents.bytes_contents] == [
        tiny_package.labels[best] for best in wanted.argmax(axis=1)
    ]
    assert list(confidence.contents.fp32_contents) == pytest.approx(wanted.max(axis=1), abs=1e-3)


def test_raw_pixels_are_answered_raw(stub: Any, pictures: dict[str, bytes]):
    pixels = images.decode(pictures["PNG"])
    raw = {"tensor": {"datatype": "UINT8", "shape": [1, *pixels.shape], "contents": None}}
    outputs = [{"name": "confidence"}]

    typed = stub.ModelInfer(request(pictures["PNG"], outputs=outputs))
    answer = stub.ModelInfer(request(outputs=outputs, raw_input_contents=[pixels.tobytes()], **raw))

    assert [output.name for output in answer.outputs] == ["confidence"]
    (confidence,) = answer.raw_output_contents
    assert np.frombuffer(confidence, "<f4") == pytest.approx(
        typed.outputs[0].contents.fp32_contents
    )


def test_server_and_model_tell_that_they_are_ready_and_what_they_are(stub: Any, tiny_package):
    model = stub.ModelMetadata(pb.ModelMetadataRequest(name="weather"))

    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="weather", version=tiny_package.digest)).ready
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "weathervane"
    assert list(model.versions) == [tiny_package.digest]
    assert [(t.name, t.datatype) for t in (*model.inputs, *model.outputs)] == [
        ("image", "BYTES"),
        ("probabilities", "FP32"),
        ("label", "BYTES"),
        ("confidence", "FP32"),
    ]


def test_every_answer_says_who_gave_it(stub: Any, pictures, tiny_package: Package):
    _, call = stub.ModelInfer.with_call(request(pictures["JPEG"]))

    told = dict(call.initial_metadata())
    assert told["x-weathervane-revision"] == REVISION
    assert told["x-weathervane-digest"] == tiny_package.digest


PIXELS = {"datatype": "UINT8", "shape": [1, 1, 1, 3], "contents": {"uint_contents": [1, 2, 3]}}
INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        (request(b"?", model_name="other"), grpc.StatusCode.NOT_FOUND, "no model 'other'"),
        (request(b"?", model_version="1"), grpc.StatusCode.NOT_FOUND, "has no version '1'"),
        (pb.ModelInferRequest(model_name="weather"), INVALID, "must be one tensor"),
        (request(b"?", tensor={"name": "input_1"}), INVALID, "must be one tensor"),
        (request(b"?"), INVALID, "not a picture"),
        (request(b"?", tensor={"shape": [2]}), INVALID, "announces 2 pictures, got 1"),
        (request(b"?", tensor={"shape": [0]}), INVALID, "must be at least 1"),
        (request(b"?", tensor={"datatype": "FP32"}), INVALID, "got FP32"),
        (request(b"?", tensor={"datatype": ""}), INVALID, "'' is no datatype"),
        (request(b"?", tensor={"contents": None}), INVALID, "got none"),
        (request(b"?", tensor={**PIXELS, "shape": [1, 2, 1, 3]}), INVALID, "takes 6 values"),
        (
            request(b"?", tensor={**PIXELS, "contents": {"uint_contents": [1, 2, 256]}}),
            INVALID,
            "from 0 to 255",
        ),
        (
            request(b"?", tensor={**PIXELS, "contents": {"int_contents": [1, 2, 3]}}),
            INVALID,
            "belong into 'uint_contents'",
        ),
        (request(b"?", raw_input_contents=[b"?"]), INVALID, "both 'contents' and"),
        (
            request(tensor={**PIXELS, "contents": None}, raw_input_contents=[b"123", b"456"]),
            INVALID,
            "one of 'raw_input_contents', got 2",
        ),
        (
            request(tensor={**PIXELS, "contents": None}, raw_input_contents=[b"12"]),
            INVALID,
            "takes 3 bytes, got 2",
        ),
        (request(b"?", outputs=[{"name": "logits"}]), INVALID, "no output 'logits'"),
        (request(b"?", outputs=[{"name": "label"}] * 2), INVALID, "can be asked for once"),
    ],
)
def test_a_malformed_call_is_refused_with_the_reason(stub: Any, asked: Any, code: Any, told: str):
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(asked, timeout=10)

    assert refused.value.code() == code
    assert told in refused.value.details()


def test_ready_of_another_model_is_not_found(stub: Any):
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelReady(pb.ModelReadyRequest(name="other"))

    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
