"""The predictor over REST, asked as its users ask it, well and badly."""

import base64
import http.client
import json
import re
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.predictor.running import REVISION, Running
from weathervane.client import classify
from weathervane.data import images
from weathervane.registry.package import Package

pytestmark = pytest.mark.process

INFER = "/v2/models/weather/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture
def client(predictor: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=predictor.rest, timeout=10) as client:
        yield client


def encoded(*pictures: bytes, **top: Any) -> dict[str, Any]:
    data = [base64.b64encode(picture).decode() for picture in pictures]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return {"inputs": [tensor], **top}


def outputs_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


@pytest.mark.parametrize("format_", images.FORMATS)
def test_every_format_is_answered_as_the_savedmodel_did(
    client: httpx.Client, tiny_package: Package, format_: str
):
    asked = [golden for golden in tiny_package.golden() if golden.format == format_]

    answer = outputs_of(client.post(INFER, json=encoded(*(golden.picture for golden in asked))))

    wanted = np.array([golden.probabilities for golden in asked])
    assert np.reshape(answer["probabilities"], wanted.shape) == pytest.approx(wanted, abs=1e-3)
    assert answer["label"] == [tiny_package.labels[best] for best in wanted.argmax(axis=1)]
    assert answer["confidence"] == pytest.approx(wanted.max(axis=1), abs=1e-3)


def test_json_binary_pixels_form_and_v1_agree(client: httpx.Client, pictures: dict[str, bytes]):
    picture = pictures["PNG"]
    pixels = images.decode(picture)
    shape = [1, *pixels.shape]
    tensor = {"name": "image", "datatype": "UINT8", "shape": shape}
    head = {**tensor, "parameters": {"binary_data_size": pixels.size}}
    text = json.dumps({"inputs": [head], "outputs": [{"name": "label"}]}).encode()

    answers = {
        "json": outputs_of(client.post(INFER, json=encoded(picture)))["label"],
        "flat": outputs_of(
            client.post(INFER, json={"inputs": [{**tensor, "data": pixels.ravel().tolist()}]})
        )["label"],
        "nested": outputs_of(
            client.post(INFER, json={"inputs": [{**tensor, "data": [pixels.tolist()]}]})
        )["label"],
        "binary pixels": outputs_of(
            client.post(INFER, content=text + pixels.tobytes(), headers={LENGTH: str(len(text))})
        )["label"],
        "binary picture": [
            answer.label for answer in classify(str(client.base_url), "weather", [picture])
        ],
        "form": [client.post("/predict", files={"file": picture}).json()["label"]],
        "v1": [
            prediction["label"]
            for prediction in client.post(
                "/v1/models/weather:predict",
                json={"instances": [{"b64": base64.b64encode(picture).decode()}]},
            ).json()["predictions"]
        ],
    }

    assert len({tuple(labels) for labels in answers.values()}) == 1, answers


def test_a_binary_answer_can_be_taken_apart(
    client: httpx.Client, pictures: dict[str, bytes], tiny_package: Package
):
    request = encoded(pictures["JPEG"], id="seven", parameters={"binary_data_output": True})
    as_json = outputs_of(client.post(INFER, json=encoded(pictures["JPEG"])))

    answer = client.post(INFER, json=request)

    length = int(answer.headers[LENGTH])
    head, tail = json.loads(answer.content[:length]), answer.content[length:]
    sizes = [output["parameters"]["binary_data_size"] for output in head["outputs"]]
    probabilities = np.frombuffer(tail[: sizes[0]], "<f4")
    (text,) = struct.unpack_from("<I", tail, sizes[0])
    assert head["id"] == "seven"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert sizes[0] == 4 * len(tiny_package.labels)
    assert probabilities == pytest.approx(as_json["probabilities"])
    assert tail[sizes[0] + 4 : sizes[0] + 4 + text].decode() == as_json["label"][0]
    assert sum(sizes) == len(tail)


def test_pictures_of_different_sizes_travel_together(client: httpx.Client, pictures):
    small = cv2.imencode(".png", np.full((40, 50, 3), 200, np.uint8))[1].tobytes()

    together = outputs_of(client.post(INFER, json=encoded(pictures["JPEG"], small)))
    alone = outputs_of(client.post(INFER, json=encoded(small)))

    assert together["confidence"][1] == pytest.approx(alone["confidence"][0])


def test_answers_of_many_clients_at_once_are_not_mixed_up(client: httpx.Client):
    rng = np.random.default_rng(7)
    colours = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    pictures = [
        cv2.imencode(".png", np.full((48, 48, 3), colour, np.uint8))[1].tobytes()
        for colour in colours
    ]

    def ask(picture: bytes) -> list[float]:
        return outputs_of(client.post(INFER, json=encoded(picture)))["probabilities"]

    alone = [ask(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(ask, pictures * 10))

    assert at_once == alone * 10
    assert len({tuple(answer) for answer in alone}) > 1


def test_the_form_answers_with_every_class(client: httpx.Client, pictures, tiny_package: Package):
    answer = client.post("/predict", files={"file": ("photo.jpg", pictures["JPEG"])}).json()

    assert set(answer) == {"label", "confidence", "probabilities"}
    assert list(answer["probabilities"]) == list(tiny_package.labels)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_one_bad_picture_of_a_batch_leaves_the_others_alone(
    client: httpx.Client, pictures: dict[str, bytes]
):
    batch = [
        ("a.jpg", pictures["JPEG"]),
        ("notes.txt", b"no picture"),
        ("c ❄.png", pictures["PNG"]),
    ]

    answer = client.post("/predict/batch", files=[("files", named) for named in batch])

    first, second, third = answer.json()["predictions"]
    assert answer.status_code == 200
    assert [one["file"] for one in (first, second, third)] == [name for name, _ in batch]
    assert set(second) == {"file", "error"}
    for one, (_, content) in ((first, batch[0]), (third, batch[2])):
        alone = client.post("/predict", files={"file": content}).json()
        assert {key: value for key, value in one.items() if key != "file"} == alone


def test_a_batch_of_nothing_that_can_be_read_is_answered_alike(client: httpx.Client):
    answer = client.post("/predict/batch", files=[("files", ("a", b"x")), ("files", ("b", b""))])

    assert answer.status_code == 200
    assert [set(one) for one in answer.json()["predictions"]] == [{"file", "error"}] * 2


def test_metadata_tell_what_is_served_and_how_to_ask(client: httpx.Client, tiny_package: Package):
    server = client.get("/v2").json()
    model = client.get("/v2/models/weather").json()
    of_version = client.get(f"/v2/models/weather/versions/{tiny_package.digest}").json()
    info = client.get("/model/info").json()

    assert server["name"] == "weathervane"
    assert server["extensions"] == ["binary_tensor_data"]
    assert model == of_version
    assert model["versions"] == [tiny_package.digest]
    assert [(i["name"], i["datatype"], i["shape"]) for i in model["inputs"]] == [
        ("image", "BYTES", [-1])
    ]
    assert [output["name"] for output in model["outputs"]] == [
        "probabilities",
        "label",
        "confidence",
    ]
    assert info["labels"] == list(tiny_package.labels)
    assert (info["revision"], info["digest"]) == (REVISION, tiny_package.digest)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/health", "/metrics", "/v2/health/live", "/v2/health/ready", "/v2/models"),
        *("/v2/models/weather/ready", "/v1/models", "/v1/models/weather"),
    ],
)
def test_whoever_looks_is_answered(client: httpx.Client, path: str):
    assert client.get(path).status_code == 200


def test_every_answer_says_who_gave_it(client: httpx.Client, pictures, tiny_package: Package):
    answers = [
        client.get("/v2"),
        client.get("/nowhere"),
        client.post(INFER, json={}),
        client.post(INFER, json=encoded(pictures["JPEG"])),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 400, 200]
    for answer in answers:
        assert answer.headers["x-weathervane-revision"] == REVISION
        assert answer.headers["x-weathervane-digest"] == tiny_package.digest


def test_metrics_count_requests_by_status_and_pictures_by_label(client: httpx.Client, pictures):
    def count(series: str) -> float:
        found = re.findall(rf"^{series} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return sum(map(float, found))

    own = rf'digest="[0-9a-f]{{64}}",.*model="weather",revision="{REVISION}"'
    answered = rf'weathervane_requests_total{{code="200",{own}}}'
    refused = rf'weathervane_requests_total{{code="400",{own}}}'
    timed = rf"weathervane_request_seconds_count{{{own}}}"
    labelled = rf"weathervane_predictions_total{{{own}}}"
    before = [count(series) for series in (answered, refused, timed, labelled)]

    client.post(INFER, json=encoded(*[pictures["JPEG"]] * 3))
    client.post(INFER, json={})
    client.get("/health")

    after = [count(series) for series in (answered, refused, timed, labelled)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2, 3]


END = b"--B--\r\n"


def form(name: str, content: bytes, *, file: bool = True) -> tuple[bytes, dict[str, str]]:
    kind = f'name="{name}"; filename="a.jpg"' if file else f'name="{name}"'
    part = f"--B\r\nContent-Disposition: form-data; {kind}\r\n\r\n".encode()
    return part + content + b"\r\n" + END, {"Content-Type": "multipart/form-data; boundary=B"}


def png(width: int, height: int) -> bytes:
    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()


JPEG = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
GOOD = json.dumps(encoded(JPEG)).encode()
FORM = form("file", JPEG)


@dataclass(frozen=True)
class Malformed:
    """A request that must be refused with this status and these words."""

    body: bytes
    told: str
    path: str = INFER
    status: int = 400
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def refused(body: Any, told: str, path: str = INFER, **how: Any) -> Any:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    malformed = Malformed(body, told, path, **how)
    return pytest.param(malformed, id=f"{malformed.status} {told[:40]}")


def picture(content: bytes, told: str) -> Any:
    return refused(encoded(content), told)


MALFORMED = [
    # The whole request.
    refused(b"", "not JSON"),
    refused(JPEG, "not JSON"),
    refused(b"\xc3\x28", "not JSON"),
    refused([], "must be a JSON object"),
    refused({"instances": []}, "unknown fields"),
    refused(GOOD, "gzip", headers={"Content-Encoding": "gzip"}, status=415),
    refused(b" " * (11_250_348 + 1), "at most 11250348 bytes", status=413),
    refused(
        b" " * (8 * 1024 * 1024 + 1),
        "at most 8388608 bytes",
        headers={LENGTH: "2"},
        status=413,
    ),
    refused(GOOD, "must be a number", headers={LENGTH: "many"}),
    refused(GOOD, "the body has", headers={LENGTH: "1000000"}),
    refused(GOOD + b"tail", "bytes follow the JSON", headers={LENGTH: str(len(GOOD))}),
    # Its parts; what is wrong inside of them is the codec's test.
    refused({"inputs": []}, "'inputs' must be"),
    refused(encoded(JPEG, id=7), "'id' must be a string"),
    refused(encoded(JPEG, outputs=[{"name": "logits"}]), "there is no output 'logits'"),
    refused({"inputs": [{"name": "input_1"}]}, "there is no input 'input_1'"),
    refused(
        {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1], "data": [1.0]}]}, "got FP32"
    ),
    refused(
        {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1.5]}]},
        "takes 3 values, got 1",
    ),
    # Pictures.
    picture(b"", "empty"),
    picture(b"plain text", "not a picture"),
    picture(b"GIF89a" + bytes(20), "GIF is not read"),
    picture(b"\x00\x00\x00\x18ftypheic" + bytes(20), "HEIC is not read"),
    picture(JPEG[: len(JPEG) // 4], "cut short or damaged"),
    picture(png(64, 64)[:40], "cut short or damaged"),
    picture(png(16, 16), "too small"),
    picture(png(4100, 4100), "too large"),
    refused(encoded(JPEG, b"?"), "picture 2: not a picture"),
    # Addresses.
    refused(GOOD, "no model 'other'", "/v2/models/other/infer", status=404),
    refused(GOOD, "has no version '1'", "/v2/models/weather/versions/1/infer", status=404),
    refused(b"", "no model 'other'", "/v2/models/other", status=404, method="GET"),
    refused(b"", "no model 'other'", "/v2/models/other/ready", status=404, method="GET"),
    refused(b"", "Method Not Allowed", status=405, method="GET"),
    refused(b"", "Method Not Allowed", "/v2", status=405),
    refused(b"", "Not Found", "/v2/models/", status=404, method="GET"),
    refused(b"", "Not Found", "/openapi.json", status=404, method="GET"),
    refused(b"{}", "Not Found", "/v1/models/weather:explain", status=404),
    # V1 and the form.
    refused({"instances": [1]}, "an instance is", "/v1/models/weather:predict"),
    refused({"instances": []}, "no model 'other'", "/v1/models/other:predict", status=404),
    refused(JPEG, "send a form", "/predict", status=415),
    refused(FORM[0], "boundary", "/predict", headers={"Content-Type": "multipart/form-data"}),
    refused(b"no form", "cannot be read", "/predict", headers=FORM[1]),
    refused(b"", "a file in the field 'file'", "/predict", headers=FORM[1]),
    refused(form("picture", JPEG)[0], "in the field 'file'", "/predict", headers=FORM[1]),
    refused(form("file", b"x", file=False)[0], "in the field 'file'", "/predict", headers=FORM[1]),
    refused(form("file", b"x")[0], "not a picture", "/predict", headers=FORM[1]),
    refused(FORM[0].removesuffix(END) * 2 + END, "Too many files", "/predict", headers=FORM[1]),
    refused(
        FORM[0],
        "in UTF-8",
        "/predict",
        headers={"Content-Type": "multipart/form-data; boundary=B; charset=undefined"},
    ),
    refused(JPEG, "send a form with the field 'files'", "/predict/batch", status=415),
    refused(FORM[0], "in the field 'files'", "/predict/batch", headers=FORM[1]),
    refused(
        form("files", b"x")[0].removesuffix(END) * 65 + END,
        "Too many files",
        "/predict/batch",
        headers=FORM[1],
    ),
]


@pytest.fixture(scope="module")
def line(predictor: Running) -> Iterator[http.client.HTTPConnection]:
    """One connection for all that is malformed."""
    connection = http.client.HTTPConnection("127.0.0.1", predictor.port, timeout=10)
    connection.connect()
    yield connection
    connection.close()


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_request_is_refused_and_leaves_the_connection_usable(
    line: http.client.HTTPConnection, malformed: Malformed
):
    socket = line.sock
    line.request(malformed.method, malformed.path, malformed.body, malformed.headers)
    answer = line.getresponse()
    content = json.loads(answer.read())

    assert (answer.status, list(content)) == (malformed.status, ["error"])
    assert malformed.told in content["error"]

    line.request("POST", INFER, GOOD)
    assert line.getresponse().read().startswith(b'{"model_name":"weather"')
    assert line.sock is socket, "the connection was closed"


def test_a_body_that_does_not_say_its_length_is_bounded_as_well(predictor: Running):
    def endless() -> Iterator[bytes]:
        for _ in range(12):
            yield b" " * 1024 * 1024

    answer = httpx.post(predictor.rest + INFER, content=endless(), timeout=10)

    assert (answer.status_code, list(answer.json())) == (413, ["error"])
