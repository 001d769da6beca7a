"""Who may do what: with keys, without them, and what nobody may."""

import base64
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.predictor.conftest import ADMIN_KEY, API_KEY, Guarded
from tests.predictor.corpus import HEALTHY, INFER, JPEG, grpc_request
from tests.predictor.running import Running

pytestmark = pytest.mark.process

OPEN = (
    *("/", "/health", "/metrics", "/v2/health/live", "/v2/health/ready", "/v2", "/v2/models"),
    *("/v2/models/weather", "/v2/models/weather/ready", "/v2/repository/index", "/v1/models"),
    *("/v1/models/weather", "/model/info", "/models/available"),
)
CHANGES = (
    "/v2/repository/models/weather/load",
    "/v2/repository/models/weather/unload",
    "/v2/repository/models/other/load",
    "/model/load/weather",
    "/model/load/other",
)
BASIC = "Basic " + base64.b64encode(f"anybody:{API_KEY}".encode()).decode()
REFUSED = [
    None,
    "",
    "Bearer",
    "Bearer wrong",
    f"Bearer {API_KEY}x",
    f"Bearer {API_KEY[:-1]}",
    API_KEY,
    f"Token {API_KEY}",
    "Basic !",
    "Basic " + base64.b64encode(f"{API_KEY}:".encode()).decode(),
    "Basic " + base64.b64encode(b"anybody").decode(),
]


def with_key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def client(guarded: Guarded) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.server.rest, timeout=10) as client:
        yield client


@pytest.fixture(params=["open", "guarded"])
def any_server(request: pytest.FixtureRequest, predictor: Running, guarded: Guarded) -> Running:
    return predictor if request.param == "open" else guarded.server


@pytest.mark.parametrize("authorization", REFUSED)
@pytest.mark.parametrize(
    "path",
    [INFER, "/v1/models/weather:predict", "/predict", "/predict/batch", "/v2/models/x/infer"],
)
def test_nobody_classifies_without_a_key(
    client: httpx.Client, path: str, authorization: str | None
):
    headers = {} if authorization is None else {"authorization": authorization}

    answer = client.post(path, json=HEALTHY, headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"error": "a key is needed: Authorization: Bearer <key>"}
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("authorization", [f"Bearer {API_KEY}", f"bearer {ADMIN_KEY}", BASIC])
def test_a_key_lets_in(client: httpx.Client, authorization: str):
    headers = {"authorization": authorization}

    assert client.post(INFER, json=HEALTHY, headers=headers).status_code == 200
    assert client.post("/predict", files={"file": JPEG}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", OPEN)
def test_whoever_looks_needs_no_key(client: httpx.Client, path: str):
    assert client.get(path).status_code == 200


def test_calls_over_grpc_need_the_same_keys(guarded: Guarded):
    with grpc.insecure_channel(guarded.server.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)

        for metadata in ([], [("authorization", "Bearer wrong")]):
            with pytest.raises(grpc.RpcError) as refused:
                stub.ModelInfer(grpc_request(), metadata=metadata)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        key = [("authorization", f"Bearer {API_KEY}")]
        assert stub.ModelInfer(grpc_request(), metadata=key).outputs
        assert stub.ServerReady(pb.ServerReadyRequest()).ready


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("key", [None, API_KEY, ADMIN_KEY])
def test_nobody_loads_or_unloads_a_model_over_rest(any_server: Running, path: str, key: str | None):
    answer = httpx.post(any_server.rest + path, headers=with_key(key) if key else {})

    assert answer.status_code == 403
    assert "started for one package, by its digest" in answer.json()["error"]
    assert httpx.get(any_server.rest + "/v2/models/weather/ready").json()["ready"]


@pytest.mark.parametrize("key", [API_KEY, ADMIN_KEY])
def test_nobody_loads_or_unloads_a_model_over_grpc(any_server: Running, key: str):
    with grpc.insecure_channel(any_server.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)

        for call, asked in (
            (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="weather")),
            (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="weather")),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(asked, metadata=[("authorization", f"Bearer {key}")])
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert stub.ModelReady(pb.ModelReadyRequest(name="weather")).ready


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc"])
def test_there_is_no_documentation_unless_it_was_asked_for(predictor: Running, path: str):
    assert httpx.get(predictor.rest + path, headers=with_key(ADMIN_KEY)).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_documentation_is_for_admins(client: httpx.Client, path: str):
    anonymous, user = client.get(path), client.get(path, headers=with_key(API_KEY))
    admin = client.get(path, headers=with_key(ADMIN_KEY))

    assert (anonymous.status_code, user.status_code, admin.status_code) == (401, 401, 200)
    # A browser asks its user.
    assert "Basic" in anonymous.headers["www-authenticate"]
    assert "/v2/models/{name}/infer" in admin.text


def test_the_page_loads_nothing_and_runs_nothing(client: httpx.Client):
    page = client.get("/docs", headers=with_key(ADMIN_KEY))

    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert "src=" not in page.text
