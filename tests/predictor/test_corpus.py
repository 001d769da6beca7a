"""Every malformed request is the client's mistake, told in the protocol's words.

A 4xx with ``{"error": "…"}``, nothing of our inside, and the connection as usable as before.
"""

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.predictor.corpus import GRPC, HEALTHY, INFER, REST, Malformed, MalformedCall
from tests.predictor.running import Running

pytestmark = pytest.mark.process

GOOD = json.dumps(HEALTHY).encode()
INSIDE = re.compile(r"\w+(Error|Exception)\b|Traceback|File \"|site-packages|0x[0-9a-f]{6,}")
CLIENTS_FAULT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


@pytest.fixture(scope="module")
def line(predictor: Running) -> Iterator[http.client.HTTPConnection]:
    """One connection for all of them."""
    connection = http.client.HTTPConnection("127.0.0.1", predictor.port, timeout=10)
    connection.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def infer(predictor: Running) -> Iterator[Any]:
    """The inference call, for bytes that may be no message."""
    with grpc.insecure_channel(predictor.grpc) as channel:
        yield channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")


def test_the_corpus_is_larger_than_the_one_to_beat(capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        print(f" malformed V2 requests: {len(REST)} over REST, {len(GRPC)} over gRPC ", end="")

    assert len(set(REST_IDS)) == len(REST)
    assert len(REST) > 300
    assert len(GRPC) > 80


# Some differ beyond what their names show.
REST_IDS = [f"{number} {one.what}" for number, one in enumerate(REST)]


@pytest.mark.parametrize("malformed", REST, ids=REST_IDS)
def test_over_rest(line: http.client.HTTPConnection, malformed: Malformed):
    socket = line.sock
    line.request("POST", malformed.path, malformed.body, malformed.headers)
    answer = line.getresponse()
    content = json.loads(answer.read())

    assert 400 <= answer.status < 500, content
    assert list(content) == ["error"]
    assert content["error"]
    assert len(content["error"]) < 400
    assert not INSIDE.search(content["error"])

    line.request("POST", INFER, GOOD)
    assert line.getresponse().read().startswith(b'{"model_name":"weather"')
    assert line.sock is socket, "the connection was closed"


@pytest.mark.parametrize("malformed", GRPC, ids=lambda one: one.what)
def test_over_grpc(infer: Any, malformed: MalformedCall):
    with pytest.raises(grpc.RpcError) as refused:
        infer(malformed.content, timeout=10)

    assert refused.value.code() in CLIENTS_FAULT
    assert 0 < len(refused.value.details()) < 400
    assert not INSIDE.search(refused.value.details())
