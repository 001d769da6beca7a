"""What can be seen of a predictor from outside: metrics, log lines, sampled payloads."""

import json
import re
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from prometheus_client.parser import text_string_to_metric_families

from predictor import payloads
from tests.predictor.conftest import API_KEY, Guarded
from tests.predictor.corpus import ELEMENT, HEALTHY, INFER, JPEG, LENGTH, TEXT, grpc_request
from tests.predictor.running import REVISION, Running
from weathervane.registry.package import Package

pytestmark = pytest.mark.process

KEY = {"authorization": f"Bearer {API_KEY}"}


@pytest.fixture
def client(guarded: Guarded) -> Iterator[httpx.Client]:
    """Asks with a key; nothing of earlier requests waits in the collector."""
    with httpx.Client(base_url=guarded.server.rest, timeout=10, headers=KEY) as client:
        yield client


def series(address: str) -> dict[tuple[str, str], float]:
    """Values by the sample's name and the one label that is not on every series."""
    told = {}
    for family in text_string_to_metric_families(httpx.get(address + "/metrics").text):
        for sample in family.samples:
            if sample.name.startswith("weathervane_"):
                rest = {**sample.labels}
                assert rest.pop("model") == "weather"
                assert rest.pop("revision") == REVISION
                assert re.fullmatch("[0-9a-f]{64}", rest.pop("digest"))
                told[sample.name, ",".join(rest.values())] = sample.value
    return told


def grown(before: dict[Any, float], after: dict[Any, float]) -> dict[Any, float]:
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0) and not key[0].endswith(("_created", "_sum", "_bucket"))
    }


def test_the_figures_of_a_request_say_where_its_time_went(
    predictor: Running, tiny_package: Package
):
    before = series(predictor.rest)
    for label in tiny_package.labels:
        assert ("weathervane_predictions_total", label) in before

    label = httpx.post(predictor.rest + "/predict", files={"file": JPEG}).json()["label"]

    after = series(predictor.rest)
    assert grown(before, after) == {
        ("weathervane_requests_total", "200"): 1,
        ("weathervane_request_seconds_count", ""): 1,
        ("weathervane_stage_seconds_count", "queue"): 1,
        ("weathervane_stage_seconds_count", "decode"): 1,
        ("weathervane_stage_seconds_count", "infer"): 1,
        ("weathervane_confidence_count", ""): 1,
        ("weathervane_predictions_total", label): 1,
    }
    total, *stages = (
        after[name] - before.get(name, 0)
        for name in (
            ("weathervane_request_seconds_sum", ""),
            *(("weathervane_stage_seconds_sum", stage) for stage in ("queue", "decode", "infer")),
        )
    )
    assert all(seconds > 0 for seconds in stages)
    assert sum(stages) < total


def test_a_rollout_s_own_questions_are_no_traffic(predictor: Running):
    before = series(predictor.rest)

    probe = {"x-weathervane-probe": "1"}
    files = {"file": JPEG}
    assert httpx.post(predictor.rest + "/predict", files=files, headers=probe).is_success
    assert httpx.post(predictor.rest + INFER, json=HEALTHY, headers=probe).is_success
    with grpc.insecure_channel(predictor.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        stub.ModelInfer(grpc_request(), metadata=list(probe.items()))

    assert grown(before, series(predictor.rest)) == {("weathervane_probes_total", "200"): 3}


@pytest.mark.parametrize(
    ("ask", "code", "kind"),
    [
        ({"json": {}}, 400, "malformed"),
        (
            {"json": {"inputs": [{**HEALTHY["inputs"][0], "data": ["AAAA"]}]}},
            400,
            "picture_unknown",
        ),
        ({"content": b"{}", "headers": {"content-encoding": "gzip"}}, 415, "unsupported"),
        ({"content": b" " * 12 * 1024 * 1024}, 413, "too_large"),
    ],
)
def test_errors_are_counted_by_their_kind(
    predictor: Running, ask: dict[str, Any], code: int, kind: str
):
    before = series(predictor.rest)

    assert httpx.post(predictor.rest + INFER, **ask).status_code == code

    assert grown(before, series(predictor.rest)) == {
        ("weathervane_requests_total", str(code)): 1,
        ("weathervane_request_seconds_count", ""): 1,
        ("weathervane_errors_total", kind): 1,
    }


def test_calls_over_grpc_are_counted_alike(predictor: Running):
    before = series(predictor.rest)

    with grpc.insecure_channel(predictor.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        stub.ModelInfer(grpc_request())
        with pytest.raises(grpc.RpcError):
            stub.ModelInfer(grpc_request(model_name="other"))

    counted = grown(before, series(predictor.rest))
    assert counted["weathervane_requests_total", "200"] == 1
    assert counted["weathervane_requests_total", "404"] == 1
    assert counted["weathervane_errors_total", "unknown"] == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("7f3a-9", True),
        ("a/b=c:d_e.f@g+h", True),
        (None, False),
        ("", False),
        ("two words", False),
        ("x" * 129, False),
        ('"; drop', False),
    ],
)
def test_every_answer_names_its_request(predictor: Running, given: str | None, kept: bool):
    headers = {} if given is None else {"x-request-id": given}

    for method, path in (("GET", "/health"), ("POST", INFER), ("GET", "/nowhere"), ("PUT", "/")):
        told = httpx.request(method, predictor.rest + path, headers=headers).headers["x-request-id"]
        assert told == given if kept else re.fullmatch("[0-9a-f]{32}", told)


def test_a_call_over_grpc_is_named_as_well(predictor: Running):
    with grpc.insecure_channel(predictor.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        _, call = stub.ModelInfer.with_call(grpc_request(), metadata=[("x-request-id", "seven")])

    assert dict(call.initial_metadata())["x-request-id"] == "seven"


def lines_of(guarded: Guarded, request_id: str) -> list[dict[str, Any]]:
    """What the log says of one request; it is written before the answer is sent."""
    lines = [json.loads(line) for line in guarded.server.said if line.startswith("{")]
    return [line for line in lines if line.get("request_id") == request_id]


def test_the_log_has_one_json_line_for_each_request(client: httpx.Client, guarded: Guarded):
    asked = {"good": HEALTHY, "bad": {"inputs": []}}
    for request_id, body in asked.items():
        client.post(INFER, json=body, headers={"x-request-id": request_id})
    client.get("/no%0Awhere", headers={"x-request-id": "lost"})
    client.get("/health", headers={"x-request-id": "probe"})
    # Lines come through a pipe, in order: when the last is there, all are.
    client.get("/last", headers={"x-request-id": "last"})
    guarded.server.await_line('"last"')

    (good,), (bad,), (lost,) = (lines_of(guarded, one) for one in ("good", "bad", "lost"))
    assert (good["status"], good["call"], good["level"]) == (200, f"POST {INFER}", "INFO")
    assert 0 < good["milliseconds"] < 10_000
    assert (bad["status"], bad["kind"]) == (400, "malformed")
    assert (lost["status"], lost["call"]) == (404, "GET /no%0Awhere")
    assert lines_of(guarded, "probe") == []


def test_no_line_shows_a_picture_or_a_key(client: httpx.Client, guarded: Guarded):
    client.post(INFER, json=HEALTHY)
    client.post(INFER, json={**HEALTHY, "inputs": [{"name": "image", "data": [TEXT]}]})
    client.post("/predict", files={"file": b"not a picture"})
    client.get("/over", headers={"x-request-id": "over"})
    guarded.server.await_line('"over"')

    said = "".join(guarded.server.said)
    assert TEXT[:40] not in said
    assert API_KEY not in said


def test_payloads_arrive_as_events_of_kserve(
    client: httpx.Client, guarded: Guarded, tiny_package: Package
):
    head = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(ELEMENT)},
    }
    text = json.dumps({"inputs": [head]}).encode()
    answer = client.post(
        INFER,
        content=text + ELEMENT,
        headers={
            LENGTH: str(len(text)),
            "x-request-id": "with-tensors",
            "content-type": "application/octet-stream",
        },
    )

    events: dict[str, Any] = {}
    while len(events) < 2:
        event = guarded.collector.received.get(timeout=10)
        if event.headers["ce-id"] == "with-tensors":
            events[event.headers["ce-type"]] = event
    request, response = events[payloads.REQUEST], events[payloads.RESPONSE]
    assert request.body == text + ELEMENT
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.headers["ce-jsonlength"] == str(len(text))
    assert response.body == answer.content
    assert response.headers["content-type"] == "application/json"
    for event in (request, response):
        assert event.headers["ce-specversion"] == "1.0"
        assert event.headers["ce-inferenceservicename"] == "weather"
        assert event.headers["ce-component"] == "predictor"
        assert event.headers["ce-revision"] == REVISION
        assert event.headers["ce-source"] == f"/v2/models/weather/versions/{tiny_package.digest}"


def test_a_call_over_grpc_arrives_as_the_messages_that_it_was(
    guarded: Guarded, tiny_package: Package
):
    asked = grpc_request()
    with grpc.insecure_channel(guarded.server.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        told = [("authorization", f"Bearer {API_KEY}"), ("x-request-id", "by-grpc")]
        answer = stub.ModelInfer(asked, metadata=told)

    events: dict[str, Any] = {}
    while len(events) < 2:
        event = guarded.collector.received.get(timeout=10)
        if event.headers["ce-id"] == "by-grpc":
            events[event.headers["ce-type"]] = event
    request, response = events[payloads.REQUEST], events[payloads.RESPONSE]
    assert pb.ModelInferRequest.FromString(request.body) == asked
    assert pb.ModelInferResponse.FromString(response.body) == answer
    for event, message in ((request, "Request"), (response, "Response")):
        told = f"application/protobuf; proto=inference.ModelInfer{message}"
        assert event.headers["content-type"] == told
        assert event.headers["ce-source"] == f"/v2/models/weather/versions/{tiny_package.digest}"
        assert event.headers["ce-revision"] == REVISION


def test_requests_wait_for_no_collector(client: httpx.Client, guarded: Guarded):
    guarded.collector.may_answer.clear()
    try:
        answers = [client.post("/predict", files={"file": JPEG}) for _ in range(50)]
    finally:
        guarded.collector.may_answer.set()

    assert {answer.status_code for answer in answers} == {200}


def test_a_refused_request_is_no_payload(client: httpx.Client, guarded: Guarded):
    for request_id, body in (("refused", {}), ("answered", HEALTHY)):
        client.post(INFER, json=body, headers={"x-request-id": request_id})

    seen = set()
    while "answered" not in seen:
        seen.add(guarded.collector.received.get(timeout=10).headers["ce-id"])
    assert "refused" not in seen
