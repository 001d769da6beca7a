"""Malformed V2 requests: every field absent, null, of another type, out of range, contradictory.

Each differs from a healthy one in one thing. `REST` holds JSON and binary requests, `GRPC` messages
and bytes that are none.
"""

import base64
import gzip
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

INFER = "/v2/models/weather/infer"
LENGTH = "Inference-Header-Content-Length"

JPEG = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
TEXT = base64.b64encode(JPEG).decode()
ELEMENT = struct.pack("<I", len(JPEG)) + JPEG
ENCODED = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [TEXT]}
PIXELS = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 2, 3], "data": [1, 2, 3, 4, 5, 6]}
HEALTHY = {"id": "7", "inputs": [ENCODED], "outputs": [{"name": "label"}]}
ABSENT = object()
OTHER_DATATYPES = (
    *("BOOL", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64"),
)


@dataclass(frozen=True)
class Malformed:
    """A request that must be refused, and in what it is wrong."""

    what: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    path: str = INFER


def shown(value: object) -> str:
    return "absent" if value is ABSENT else json.dumps(value)[:40]


def changed(part: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    rest = {name: kept for name, kept in part.items() if name != key}
    return rest if value is ABSENT else {**rest, key: value}


def of_request(key: str, *values: object) -> Iterator[Malformed]:
    for value in values:
        body = json.dumps(changed(HEALTHY, key, value)).encode()
        yield Malformed(f"{key} {shown(value)}", body)


def of_input(key: str, *values: object, base: dict[str, Any] = ENCODED) -> Iterator[Malformed]:
    for value in values:
        body = json.dumps({"inputs": [changed(base, key, value)]}).encode()
        yield Malformed(f"{base['datatype']} {key} {shown(value)}", body)


def of_output(*values: object) -> Iterator[Malformed]:
    for value in values:
        body = json.dumps({**HEALTHY, "outputs": value}).encode()
        yield Malformed(f"outputs {shown(value)}", body)


def text(what: str, body: bytes, **headers: str) -> Malformed:
    return Malformed(what, body, {name.replace("_", "-"): told for name, told in headers.items()})


def of_binary(
    what: str,
    size: object,
    tail: bytes,
    *,
    length: str | None = "",
    base: dict[str, Any] = ENCODED,
    **fields: Any,
) -> Malformed:
    """A binary request; ``length`` is the header, None for none, empty for the right one."""
    tensor = {**changed(base, "data", ABSENT), **fields}
    if size is not ABSENT:
        tensor["parameters"] = {"binary_data_size": size}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {} if length is None else {LENGTH: length or str(len(head))}
    return Malformed(f"binary: {what}", head + tail, headers)


def _json() -> Iterator[Malformed]:
    good = json.dumps(HEALTHY).encode()
    for value in (None, True, 1, 1.5, "text", [], [HEALTHY]):
        yield text(f"request {shown(value)}", json.dumps(value).encode())
    yield from of_request("id", None, True, 7, 1.5, [], {})
    yield from of_request("model_name", None, True, 7, [], {}, "", "other")
    parameters = (None, True, 1, "x", [], {"a": None}, {"a": []}, {"a": {}})
    yield from of_request("parameters", *parameters)
    for value in (None, 1, 0, "true", 1.0):
        yield from of_request("parameters", {"binary_data_output": value})
    yield from of_request("inputs", ABSENT, None, True, 1, "image", {}, [], [None], [1], ["image"])
    yield from of_request("inputs", [[]], [{}], [ENCODED, ENCODED], [ENCODED, PIXELS], ENCODED)
    for key in ("input", "Inputs", "model_version", "", "outputs ", "__class__"):
        yield from of_request(key, "1")
    yield from of_input("name", ABSENT, None, True, 1, [], {}, "", "picture", "IMAGE", "image\0")
    yield from of_input("datatype", ABSENT, None, True, 1, [], ["BYTES"], {}, "", "bytes", "STRING")
    yield from of_input("datatype", "BF16", "UINT8", *OTHER_DATATYPES)
    yield from of_input("datatype", "BYTES", *OTHER_DATATYPES, base=PIXELS)
    yield from of_input("shape", ABSENT, None, True, 1, "1", {}, [], [None], ["1"], [1.0], [1.5])
    yield from of_input("shape", [True], [0], [-1], [2], [65], [1, 1], [[1]], [2**63], [2**64])
    yield from of_input("shape", [10**30], [-(2**63)], {"0": 1}, [1] * 10_000)
    yield from of_input(
        "shape",
        *(
            [6],
            [1, 1, 6],
            [1, 1, 3, 2],
            [1, 1, 1, 2, 3],
            [1, 2, 2, 3],
            [0, 1, 2, 3],
            [1, -1, -2, 3],
        ),
        *([1, 1, 2, -3], [1, 2**31, 2**31, 3], [1, 4097, 4096, 3], [65, 1, 2, 3], [2, 1, 1, 3.0]),
        *([-1, 1, 2, 3], [1, 1, 1, 6], [2**64, 1, 2, 3]),
        base=PIXELS,
    )
    yield from of_input("parameters", *parameters)
    yield from of_input("data", ABSENT, None, True, 1, TEXT, {}, [], [None], [1], [True], [{}])
    yield from of_input("data", [TEXT, TEXT], [[TEXT]], ["!"], ["AAA"], [TEXT + "\n"], ["-_8="])
    yield from of_input("data", [""], ["AAAA"], [" " + TEXT], ["é"], [TEXT[: len(TEXT) // 2]])
    yield from of_input(
        "data",
        *(ABSENT, None, True, 1, "AQIDBAUG", {}, [], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7]),
        *([1, 2, 3, 4, 5, 256], [1, 2, 3, 4, 5, -1], [1, 2, 3, 4, 5, 6.5], [1, 2, 3, 4, 5, 6.0]),
        *([1, 2, 3, 4, 5, True], [1, 2, 3, 4, 5, "6"], [1, 2, 3, 4, 5, None], [[1, 2, 3, 4, 5, 6]]),
        *([[[[1, 2, 3], [4, 5]]]], [[[[1, 2], [3, 4], [5, 6]]]], [[[1, 2, 3], [4, 5, 6]]]),
        *([[[[1, 2, 3], 4]]], [1, [2], 3, 4, 5, 6], [1, 2, 3, 4, 5, 2**70], [1, 2, 3, 4, 5, {}]),
        base=PIXELS,
    )
    yield from of_input("extra", 1)
    yield from of_input("Data", [TEXT])
    yield from of_output(None, True, 1, "label", {}, [None], [1], ["label"], [[]], [{}])
    for name in (None, True, 1, [], ["label"], {}, "", "logits", "Label"):
        yield from of_output([{"name": name}])
    yield from of_output([{"name": "label"}] * 2, [{"name": "label", "data": []}])
    yield from of_output([{"name": "label", "datatype": "FP32"}], [{"name": "label", "shape": [9]}])
    for value in parameters:
        yield from of_output([{"name": "label", "parameters": value}])
    for value in (None, 1, "yes"):
        yield from of_output([{"name": "label", "parameters": {"binary_data": value}}])
    yield from _texts(good)


def _texts(good: bytes) -> Iterator[Malformed]:
    def of_id(value: bytes) -> bytes:
        return good.replace(b'"7"', value)

    yield text("empty", b"")
    yield text("blank", b" \r\n")
    yield text("a picture", JPEG)
    yield text("base64 alone", TEXT.encode())
    yield text("cut short", good[:-1])
    yield text("two requests", good * 2)
    yield text("trailing comma", good[:-1] + b",}")
    yield text("single quotes", good.replace(b'"', b"'"))
    yield text("comment", good + b"// ok")
    yield text("byte order mark", b"\xef\xbb\xbf" + good)
    yield text("UTF-16", good.decode().encode("utf-16"))
    yield text("UTF-32", good.decode().encode("utf-32-le"))
    yield text("invalid UTF-8", of_id(b'"\xc3\x28"'))
    yield text("overlong UTF-8", of_id(b'"\xc0\xaf"'))
    yield text("latin-1", of_id('"é"'.encode("latin-1")))
    yield text("lone surrogate", of_id(b'"\\ud800"'))
    yield text("control character", of_id(b'"\x01"'))
    yield text("bad escape", of_id(b'"\\x41"'))
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"+1", b".5", b"0x1"):
        yield text(f"number {number.decode()}", good.replace(b"[1]", b"[" + number + b"]"))
    yield text("number of 100,000 digits", good.replace(b"[1]", b"[" + b"9" * 100_000 + b"]"))
    yield text("negative zero", good.replace(b"[1]", b"[-0]"))
    yield text("nested 250,000 deep", b"[" * 250_000)
    yield text("nested and closed", b"[" * 250_000 + b"]" * 250_000)
    yield text("objects 250,000 deep", b'{"a":' * 250_000)
    yield text(
        "1,000 deep in data",
        good.replace(b'["', b"[" * 1000 + b'"').replace(b'"]', b'"' + b"]" * 1000),
    )
    yield text(
        "deep in parameters",
        good[:-1] + b', "parameters": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}",
    )
    yield text("key twice", good[:-1] + b', "inputs": []}')
    yield text("key twice, the first time well", b'{"inputs": [], ' + good[1:])
    yield text("key twice, once in escapes", good[:-1] + b', "\\u0069d": "8"}')
    yield text("key twice, a colon in escapes", good[:-1] + b', "id": "\\u003a"}')
    yield text(
        "key twice in the input",
        good.replace(b'"name": "image"', b'"name": "image", "name": "image"'),
    )
    yield text("key twice in parameters", good[:-1] + b', "parameters": {"a": 1, "a": 1}}')
    yield text("compressed, said so", gzip.compress(good), Content_Encoding="gzip")
    yield text("compressed, not said so", gzip.compress(good))
    yield text("not compressed, said so", good, Content_Encoding="gzip")
    yield text("another encoding", good, Content_Encoding="br")
    yield text("too large", b" " * 12 * 1024 * 1024)
    for path in (
        *(
            "/v2/models/other/infer",
            "/v2/models/WEATHER/infer",
            "/v2/models/weather/versions/1/infer",
        ),
        *("/v2/models/weather%20/infer", "/v2/models/..%2Fweather/infer", "/v2/models//infer"),
        *("/v2/models/weather/versions//infer", "/v2/models/weather/infer/", "/v2/infer"),
        *("/v2/models/weather:infer", "/v2/models/weather", "/v2/models/weather/generate"),
    ):
        yield Malformed(f"address {path}", good, path=path)


def _binary() -> Iterator[Malformed]:
    size = len(ELEMENT)
    for length in ("-1", "+5", "1e2", "0x10", "5 5", "abc", "1.0", "1_0", "9" * 15, "9" * 400, "0"):
        yield of_binary(f"header {length[:10]}", size, ELEMENT, length=length)
    head = json.dumps(
        {"inputs": [{**changed(ENCODED, "data", ABSENT), "parameters": {"binary_data_size": size}}]}
    ).encode()
    for off in (-1, 1, size, size + 1):
        yield of_binary(f"header off by {off}", size, ELEMENT, length=str(len(head) + off))
    yield of_binary("no header", size, ELEMENT, length=None)
    yield of_binary("no header and no tensors", size, b"", length=None)
    for wrong in (None, True, str(size), float(size), -1, 0, size - 1, size + 1, 2**64, [], {}):
        yield of_binary(f"size {shown(wrong)}", wrong, ELEMENT)
    yield of_binary("no size", ABSENT, ELEMENT)
    yield of_binary("size and data", size, ELEMENT, data=[TEXT])
    yield of_binary("tensors and data", ABSENT, ELEMENT, data=[TEXT])
    yield of_binary("nothing", 0, b"")
    for what, tail in (
        ("no tail", b""),
        ("cut in the length", ELEMENT[:3]),
        ("cut in the element", ELEMENT[:-1]),
        ("one byte more", ELEMENT + b"\0"),
        ("two for one", ELEMENT * 2),
        ("length of 4 GiB", struct.pack("<I", 2**32 - 1) + JPEG),
        ("big-endian length", struct.pack(">I", len(JPEG)) + JPEG),
        ("no length", JPEG),
        ("empty element", struct.pack("<I", 0)),
        ("not a picture", struct.pack("<I", 5) + b"plain"),
    ):
        yield of_binary(what, len(tail), tail)
    yield of_binary("one for two", size, ELEMENT, shape=[2])
    for what, tail in (("5 of 6", bytes(5)), ("7 of 6", bytes(7)), ("none", b"")):
        yield of_binary(f"pixels, {what}", len(tail), tail, base=PIXELS)
    yield of_binary("pixels without a shape", 6, bytes(6), base=PIXELS, shape=[])
    yield of_binary("more pixels than bytes", 6, bytes(6), base=PIXELS, shape=[1, 4096, 4096, 3])
    for datatype in OTHER_DATATYPES:
        yield of_binary(datatype, 6, bytes(6), base=PIXELS, datatype=datatype)
    yield Malformed("binary: JSON cut short", head[:-1] + ELEMENT, {LENGTH: str(len(head) - 1)})
    yield Malformed("binary: no JSON", ELEMENT, {LENGTH: "0"})


@dataclass(frozen=True)
class MalformedCall:
    """The bytes of a call that must be refused, and in what it is wrong."""

    what: str
    content: bytes


def grpc_request(**fields: Any) -> Any:
    """A healthy request with these fields instead; ``tensor`` changes its input."""
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "contents": {"bytes_contents": [JPEG]},
        **fields.pop("tensor", {}),
    }
    return pb.ModelInferRequest(**{"model_name": "weather", "inputs": [tensor], **fields})


def _grpc() -> Iterator[MalformedCall]:
    good = grpc_request().SerializeToString()

    def call(what: str, **fields: Any) -> MalformedCall:
        return MalformedCall(what, grpc_request(**fields).SerializeToString())

    def pixels(what: str, contents: Any = None, **fields: Any) -> MalformedCall:
        tensor = {"datatype": "UINT8", "shape": [1, 1, 1, 3], "contents": contents}
        raw = fields.pop("raw", [])
        return call(f"pixels: {what}", tensor={**tensor, **fields}, raw_input_contents=raw)

    for name in ("", "other", "WEATHER", "weather\0"):
        yield call(f"model {name!r}", model_name=name)
    for version in ("1", "latest", "0" * 64):
        yield call(f"version {version}", model_version=version)
    yield call("no inputs", inputs=[])
    tensor = grpc_request().inputs[0]
    yield call("two inputs", inputs=[tensor, tensor])
    for name in ("", "input", "IMAGE"):
        yield call(f"input {name!r}", tensor={"name": name})
    for datatype in ("", "bytes", "STRING", "UINT8", *OTHER_DATATYPES):
        yield call(f"datatype {datatype!r}", tensor={"datatype": datatype})
    for shape in ([], [0], [-1], [2], [65], [1, 1], [2**62], [-(2**63)]):
        yield call(f"shape {shape}", tensor={"shape": shape})
    yield call("no contents", tensor={"contents": None})
    for key, values in {
        "bool_contents": [True],
        "int_contents": [1],
        "int64_contents": [1],
        "uint_contents": [1],
        "uint64_contents": [1],
        "fp32_contents": [1.0],
        "fp64_contents": [1.0],
    }.items():
        yield call(f"bytes in {key}", tensor={"contents": {key: values}})
        yield pixels(f"in {key} alone", {key: values})
    yield call(
        "bytes and more", tensor={"contents": {"bytes_contents": [JPEG], "int_contents": [1]}}
    )
    for what, contents in (
        ("empty", [b""]),
        ("plain text", [b"text"]),
        ("cut short", [JPEG[:200]]),
        ("two for one", [JPEG, JPEG]),
        ("base64", [TEXT.encode()]),
    ):
        yield call(what, tensor={"contents": {"bytes_contents": contents}})
    yield call("contents and raw", raw_input_contents=[ELEMENT])
    for what, raw in (
        ("raw: no length", [JPEG]),
        ("raw: cut short", [ELEMENT[:-1]]),
        ("raw: one byte more", [ELEMENT + b"\0"]),
        ("raw: two for one", [ELEMENT * 2]),
        ("raw: two tensors", [ELEMENT, ELEMENT]),
        ("raw: empty", [b""]),
    ):
        yield call(what, tensor={"contents": None}, raw_input_contents=raw)
    for what, values in (
        ("two of three", [1, 2]),
        ("four of three", [1] * 4),
        ("256", [1, 2, 256]),
    ):
        yield pixels(what, {"uint_contents": values})
    for shape in ([3], [1, 1, 3], [1, 1, 3, 1], [0, 1, 1, 3], [1, -1, -1, 3], [1, 2**31, 2**31, 3]):
        yield pixels(f"shape {shape}", {"uint_contents": [1, 2, 3]}, shape=shape)
    yield pixels("raw, two bytes of three", raw=[b"12"])
    yield pixels("raw, four bytes of three", raw=[b"1234"])
    for names in (["logits"], [""], ["label", "label"], ["LABEL"]):
        yield call(f"outputs {names}", outputs=[{"name": name} for name in names])
    for what, content in (
        ("no message", b"\xff\xff\xff"),
        ("JSON", json.dumps(HEALTHY).encode()),
        ("cut short", good[:-1]),
        ("a picture", JPEG),
        ("name not in UTF-8", b"\x0a\x02\xc3\x28"),
        ("length beyond the end", b"\x0a\xff\xff\xff\xff\x0f"),
        ("empty", b""),
        ("groups 10,000 deep", b"\x0b" * 10_000),
    ):
        yield MalformedCall(f"bytes: {what}", content)


REST = (*_json(), *_binary())
GRPC = tuple(_grpc())
