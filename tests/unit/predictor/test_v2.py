"""The V2 codec over REST: what is read, what is refused and why, what is written."""

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from predictor import v2
from predictor.protocol import Classification, InferRequest, ProtocolError, RequestedOutput

PICTURE = b"\xff\xd8 not really a picture"
TEXT = base64.b64encode(PICTURE).decode()
BYTES = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [TEXT]}
PIXELS = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 1, 3], "data": [1, 2, 3, 4, 5, 6]}
EVERYTHING = tuple(RequestedOutput(name=n) for n in ("probabilities", "label", "confidence"))
ANSWER = Classification(
    probabilities=np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], np.float32),
    labels=("sunny", "verschneit ❄"),
    confidences=np.array([0.7, 0.5], np.float32),
)


def decode(request: Any, **headers: str) -> InferRequest:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return v2.decode(body, headers, "weather")


def decode_binary(tensor: dict[str, Any], tail: bytes, **top: Any) -> InferRequest:
    head = json.dumps({"inputs": [tensor], **top}).encode()
    return v2.decode(head + tail, {v2.HEADER_LENGTH: str(len(head))}, "weather")


def binary(tensor: dict[str, Any], size: Any) -> dict[str, Any]:
    rest = {key: value for key, value in tensor.items() if key != "data"}
    return {**rest, "parameters": {"binary_data_size": size}}


def element(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def test_a_picture_in_json_is_base64():
    request = decode({"inputs": [BYTES]})

    assert request == InferRequest(pictures=(PICTURE,), outputs=EVERYTHING, id=None)


def test_pixels_may_be_flat_or_nested_as_their_shape():
    flat = decode({"inputs": [PIXELS]}).pictures
    nested = decode({"inputs": [{**PIXELS, "data": [[[[1, 2, 3]], [[4, 5, 6]]]]}]}).pictures

    assert isinstance(flat, np.ndarray)
    assert isinstance(nested, np.ndarray)
    assert flat.shape == nested.shape == (1, 2, 1, 3)
    assert flat.dtype == np.uint8
    assert flat.tolist() == nested.tolist() == [[[[1, 2, 3]], [[4, 5, 6]]]]


def test_binary_tensors_follow_the_json():
    pictures = element(PICTURE) + element(b"")
    encoded = decode_binary(binary({**BYTES, "shape": [2]}, len(pictures)), pictures)
    pixels = decode_binary(binary(PIXELS, 6), bytes(range(6)))

    assert encoded.pictures == (PICTURE, b"")
    assert isinstance(pixels.pictures, np.ndarray)
    assert pixels.pictures.ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_a_header_length_may_come_with_json_data_only():
    body = json.dumps({"inputs": [BYTES]}).encode()

    assert decode(body, **{v2.HEADER_LENGTH: str(len(body))}).pictures == (PICTURE,)


def test_outputs_come_as_asked_in_the_order_asked():
    request = decode(
        {
            "id": "7",
            "model_name": "weather",
            "inputs": [BYTES],
            "outputs": [
                {"name": "label", "parameters": {"binary_data": True}},
                {"name": "confidence"},
            ],
        }
    )

    assert request.id == "7"
    assert request.outputs == (
        RequestedOutput(name="label", binary=True),
        RequestedOutput(name="confidence"),
    )


def test_one_parameter_makes_all_outputs_binary():
    request = decode({"inputs": [BYTES], "parameters": {"binary_data_output": True}})

    assert [output.binary for output in request.outputs] == [True, True, True]


def test_unknown_parameters_are_no_error():
    assert decode({"inputs": [BYTES], "parameters": {"trace": "on", "priority": 1}}).pictures


def changed(**fields: Any) -> dict[str, Any]:
    """A healthy request whose input has these fields instead; None removes one."""
    tensor = {**BYTES, **fields}
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}


def pixels(**fields: Any) -> dict[str, Any]:
    return {"inputs": [{**PIXELS, **fields}]}


REFUSED: list[tuple[Any, str]] = [
    (b"", "not JSON"),
    (b"\xff\xd8\xff", "not JSON"),
    (b'{"inputs": [NaN]}', "not JSON"),
    (b"[" * 100_000, "not JSON"),
    ([], "must be a JSON object"),
    ("text", "must be a JSON object"),
    ({}, "'inputs' must be"),
    ({"inputs": {}}, "'inputs' must be"),
    ({"inputs": []}, "'inputs' must be"),
    ({"inputs": [BYTES, BYTES]}, "'inputs' must be"),
    ({"inputs": [7]}, "the input must be a JSON object"),
    ({"inputs": [BYTES], "output": []}, "unknown fields ['output']"),
    ({"inputs": [BYTES], "id": 7}, "'id' must be a string"),
    ({"inputs": [BYTES], "id": None}, "'id' must be a string"),
    ({"inputs": [BYTES], "model_name": "other"}, "'model_name' is 'other'"),
    ({"inputs": [BYTES], "parameters": []}, "'parameters' of the request must be"),
    ({"inputs": [BYTES], "parameters": {"a": {}}}, "parameter 'a' of the request"),
    ({"inputs": [BYTES], "parameters": {"binary_data_output": 1}}, "must be true or false"),
    ({"inputs": [BYTES], "outputs": "label"}, "'outputs' must be a list"),
    ({"inputs": [BYTES], "outputs": ["label"]}, "an output must be a JSON object"),
    ({"inputs": [BYTES], "outputs": [{}]}, "there is no output None"),
    ({"inputs": [BYTES], "outputs": [{"name": "logits"}]}, "there is no output 'logits'"),
    ({"inputs": [BYTES], "outputs": [{"name": ["label"]}]}, "there is no output ['label']"),
    ({"inputs": [BYTES], "outputs": [{"name": "label"}] * 2}, "can be asked for once"),
    ({"inputs": [BYTES], "outputs": [{"name": "label", "data": []}]}, "unknown fields ['data']"),
    (changed(name="picture"), "there is no input 'picture'"),
    (changed(name=None), "there is no input None"),
    (changed(extra=1), "unknown fields ['extra']"),
    (changed(datatype=None), "None is no datatype"),
    (changed(datatype="bytes"), "'bytes' is no datatype"),
    (changed(datatype=["BYTES"]), "is no datatype"),
    (changed(datatype="FP32"), "takes BYTES or UINT8, got FP32"),
    (changed(shape=None), "must be a list of integers"),
    (changed(shape=1), "must be a list of integers"),
    (changed(shape=[1.0]), "must be a list of integers"),
    (changed(shape=[True]), "must be a list of integers"),
    (changed(shape=["1"]), "must be a list of integers"),
    (changed(shape=[]), "have the shape [n]"),
    (changed(shape=[0], data=[]), "must be at least 1"),
    (changed(shape=[-1]), "must be at least 1"),
    (changed(shape=[1, 1]), "have the shape [n]"),
    (changed(shape=[2]), "announces 2 pictures, got 1"),
    (changed(shape=[65], data=[TEXT] * 65), "at most 64 pictures"),
    (changed(shape=[10**15]), "at most 64 pictures"),
    (changed(data=None), "has no 'data'"),
    (changed(data=TEXT), "must be a list"),
    (changed(data=[7]), "is a base64 string, got int"),
    (changed(data=[[TEXT]]), "is a base64 string, got list"),
    (changed(data=["not base64!"]), "must be base64"),
    (changed(data=[TEXT + "\n"]), "must be base64"),
    (changed(data=["ÄÖÜ="]), "must be base64"),
    (changed(parameters={"binary_data_size": 5}, data=None), "needs the header"),
    (changed(parameters={"binary_data_size": 5}), "both 'data' and 'binary_data_size'"),
    (pixels(shape=[2, 1, 3]), "has the shape [n, height, width, 3]"),
    (pixels(shape=[1, 3, 2, 1]), "has the shape [n, height, width, 3]"),
    (pixels(shape=[1, 2, 0, 3]), "must be at least 1"),
    (pixels(shape=[1, 2, 2, 3]), "takes 12 values, got 6"),
    (pixels(shape=[1, 5000, 5000, 3]), "at most 16800000 pixels"),
    (pixels(data=[1, 2, 3, 4, 5, 256]), "from 0 to 255"),
    (pixels(data=[1, 2, 3, 4, 5, -1]), "from 0 to 255"),
    (pixels(data=[1, 2, 3, 4, 5, 10**18]), "from 0 to 255"),
    (pixels(data=[1, 2, 3, 4, 5, 6.0]), "takes integers, got float"),
    (pixels(data=[1, 2, 3, 4, 5, True]), "takes integers, got bool"),
    (pixels(data=[0, 0, 1, 0, 1, False]), "takes integers, got bool"),
    (pixels(data=[1, 2, 3, 4, 5, None]), "takes integers, got NoneType"),
    (pixels(data=[[1, 2, 3], [4, 5, 6]]), "not nested as the shape"),
    (pixels(data=[[[[1, 2, 3]], [[4, 5]]]]), "not nested as the shape"),
    (pixels(data=[[[[1, 2, 3]], 4]]), "not nested as the shape"),
    (pixels(data=[1, [2], 3, 4, 5, 6]), "UINT8 takes integers, got"),
]


@pytest.mark.parametrize(("request_", "told"), REFUSED)
def test_a_malformed_request_is_refused_with_the_reason(request_: Any, told: str):
    with pytest.raises(ProtocolError) as refused:
        decode(request_)

    assert refused.value.status == 400
    assert told in str(refused.value)
    assert len(str(refused.value)) < 300, "what the client sent is told in short"


@pytest.mark.parametrize(
    ("length", "told"),
    [
        ("", "must be a number"),
        ("-1", "must be a number"),
        ("+5", "must be a number"),
        ("1_0", "must be a number"),
        ("٣", "must be a number"),
        ("9" * 5000, "must be a number"),
        ("100000", "the body has"),
        ("0", "not JSON"),
        ("5", "not JSON"),
    ],
)
def test_a_wrong_header_length_is_refused(length: str, told: str):
    with pytest.raises(ProtocolError, match=told):
        decode({"inputs": [BYTES]}, **{v2.HEADER_LENGTH: length})


@pytest.mark.parametrize(
    ("tensor", "tail", "told"),
    [
        (binary(PIXELS, 6), b"12345", "'binary_data_size' is 6, 5 bytes follow"),
        (binary(PIXELS, 6), b"1234567", "'binary_data_size' is 6, 7 bytes follow"),
        (binary(PIXELS, 5), b"12345", "takes 6 bytes, got 5"),
        (binary(PIXELS, "6"), b"123456", "'binary_data_size' is '6'"),
        (binary(PIXELS, True), b"1", "'binary_data_size' is True"),
        (binary(BYTES, 3), b"\x01\x00\x00", "end within the length"),
        (binary(BYTES, 6), b"\x03\x00\x00\x00ab", "3 bytes is announced where 2 are left"),
        (binary(BYTES, 4), b"\xff\xff\xff\xff", "announced where 0 are left"),
        (binary(BYTES, 10), element(b"a") * 2, "announces 1 pictures, got 2"),
        (binary(BYTES, 0), b"", "announces 1 pictures, got 0"),
        (BYTES, b"trailing", "8 bytes follow the JSON"),
        ({**BYTES, **binary(BYTES, 1), "data": [TEXT]}, b"1", "both 'data' and"),
    ],
)
def test_raw_bytes_that_contradict_their_description_are_refused(
    tensor: dict[str, Any], tail: bytes, told: str
):
    with pytest.raises(ProtocolError, match=told.replace("(", r"\(")):
        decode_binary(tensor, tail)


def test_an_answer_in_json_says_id_model_and_version():
    request = InferRequest(pictures=(PICTURE,) * 2, outputs=EVERYTHING, id="7")

    body, headers = v2.encode(ANSWER, request, "weather", "d" * 64)

    assert headers == {"content-type": "application/json"}
    answer = json.loads(body)
    assert (answer["id"], answer["model_name"], answer["model_version"]) == (
        "7",
        "weather",
        "d" * 64,
    )
    assert answer["outputs"] == [
        {
            "name": "probabilities",
            "datatype": "FP32",
            "shape": [2, 3],
            "data": pytest.approx([0.1, 0.7, 0.2, 0.5, 0.25, 0.25]),
        },
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["sunny", "verschneit ❄"]},
        {"name": "confidence", "datatype": "FP32", "shape": [2], "data": pytest.approx([0.7, 0.5])},
    ]


def test_an_answer_without_an_id_has_none():
    request = InferRequest(pictures=(PICTURE,) * 2, outputs=EVERYTHING)

    assert "id" not in json.loads(v2.encode(ANSWER, request, "weather", "d")[0])


def test_a_binary_answer_has_its_raw_outputs_after_the_json_in_order():
    outputs = (
        RequestedOutput(name="label", binary=True),
        RequestedOutput(name="confidence"),
        RequestedOutput(name="probabilities", binary=True),
    )
    request = InferRequest(pictures=(PICTURE,) * 2, outputs=outputs)

    body, headers = v2.encode(ANSWER, request, "weather", "d")

    length = int(headers[v2.HEADER_LENGTH])
    head, tail = json.loads(body[:length]), body[length:]
    label, confidence, probabilities = head["outputs"]
    labels = element(b"sunny") + element("verschneit ❄".encode())
    assert headers["content-type"] == "application/octet-stream"
    assert label["parameters"] == {"binary_data_size": len(labels)}
    assert "data" not in label
    assert confidence["data"] == pytest.approx([0.7, 0.5])
    assert probabilities["parameters"] == {"binary_data_size": 24}
    assert tail == labels + ANSWER.probabilities.tobytes()
