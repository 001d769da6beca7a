"""A predictor that stands alone: an admin loads another package by name, or unloads what serves."""

import asyncio
import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.predictor import trials
from tests.predictor.collector import Collector, collecting
from tests.predictor.conftest import ADMIN_KEY, API_KEY
from tests.predictor.corpus import HEALTHY, JPEG, TEXT, grpc_request
from tests.predictor.running import REVISION, Running, running
from tests.predictor.wire import Answer, head, infer, wire
from weathervane.registry.package import GOLDEN_LIST, LITERT_MODEL, Description, Package, seal

pytestmark = pytest.mark.process

ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
LOAD, UNLOAD = "/v2/repository/models/{}/load", "/v2/repository/models/{}/unload"


@dataclass(frozen=True)
class Alone:
    """A predictor with packages to choose from, and what they are."""

    server: Running
    digests: dict[str, str]
    collector: Collector

    def series(self, name: str) -> dict[str, float]:
        """Values of a series by its digest."""
        told = {}
        for line in httpx.get(self.server.rest + "/metrics").text.splitlines():
            if line.startswith(name + "{") and f'revision="{REVISION}"' in line:
                labels, _, value = line.partition("} ")
                told[labels.partition('digest="')[2][:64]] = float(value)
        return told

    def loaded(self, name: str) -> httpx.Response:
        return httpx.post(self.server.rest + LOAD.format(name), headers=ADMIN, timeout=30)


@pytest.fixture(scope="module")
def packages(tiny_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    told = {field.name: getattr(tiny_package, field.name) for field in fields(Description)}
    # The last one is called by a digest that it has not.
    for name in ("weather", "other", "wrong", "altered", "0" * 64):
        shutil.copytree(tiny_package.folder, folder / name)
    seal(folder / "other", Description(**told | {"labels": tuple("abcde")}))
    # Whole, and wrong.
    listed = json.loads((folder / "wrong" / GOLDEN_LIST).read_text())
    listed[0]["probabilities"].reverse()
    (folder / "wrong" / GOLDEN_LIST).write_text(json.dumps(listed))
    seal(folder / "wrong", Description(**told))
    (folder / "altered" / LITERT_MODEL).write_bytes(b"altered")
    (folder / "no-package").mkdir()
    return folder


@pytest.fixture(scope="module")
def admins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "admins"
    file.write_text(sha256(ADMIN_KEY.encode()).hexdigest())
    return file


@pytest.fixture(scope="module")
def standing_alone(packages: Path, admins: Path, tiny_package: Package) -> Iterator[Alone]:
    options = ("--packages", str(packages), "--admin-keys", str(admins), "--docs")
    with (
        collecting() as collector,
        running(*options, "--payload-log", collector.url, "--payload-share", "1") as server,
    ):
        listed = httpx.get(server.rest + "/models/available").json()["models"]
        yield Alone(server, {one["name"]: one["digest"] for one in listed}, collector)


@pytest.fixture
def alone(standing_alone: Alone) -> Alone:
    """`weather` serves."""
    assert standing_alone.loaded("weather").status_code == 200
    return standing_alone


def test_what_can_be_loaded_is_listed_and_what_serves_is_first(alone: Alone, tiny_package: Package):
    others = {"0" * 64, "altered", "other", "weather", "wrong"}
    available = httpx.get(alone.server.rest + "/models/available").json()["models"]
    index = httpx.get(alone.server.rest + "/v2/repository/index").json()
    ready = httpx.post(alone.server.rest + "/v2/repository/index", json={"ready": True}).json()

    assert {one["name"] for one in available} == {one["name"] for one in index} == others
    assert available[0] == {
        "name": "weather",
        "digest": tiny_package.digest,
        "revision": REVISION,
        "ready": True,
    }
    assert [one["ready"] for one in available[1:]] == [False] * 4
    assert index[0]["state"] == "READY"
    assert {(one["state"], one["reason"]) for one in index[1:]} == {
        ("UNAVAILABLE", "it is not loaded")
    }
    assert ready == index[:1]
    # One of them serves, and has an address.
    assert httpx.get(alone.server.rest + "/v2/models").json() == {"models": ["weather"]}
    assert httpx.get(alone.server.rest + "/v2/models/other").status_code == 404


@pytest.mark.parametrize("key", [None, API_KEY])
@pytest.mark.parametrize("path", [LOAD, UNLOAD, "/model/load/{}"])
@pytest.mark.parametrize("name", ["weather", "other", "nothing"])
def test_only_an_admin_changes_anything_over_rest(
    alone: Alone, key: str | None, path: str, name: str
):
    headers = {"authorization": f"Bearer {key}"} if key else {}

    answer = httpx.post(alone.server.rest + path.format(name), headers=headers)

    assert answer.status_code == 401
    assert httpx.get(alone.server.rest + "/v2/models/weather/ready").json()["ready"]


def test_only_an_admin_changes_anything_over_grpc(alone: Alone):
    with grpc.insecure_channel(alone.server.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)
        calls = (
            (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="other")),
            (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="weather")),
        )
        for call, asked in calls:
            for metadata in ([], [("authorization", f"Bearer {API_KEY}")]):
                with pytest.raises(grpc.RpcError) as refused:
                    call(asked, metadata=metadata)
                assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert stub.ModelReady(pb.ModelReadyRequest(name="weather")).ready


@pytest.mark.parametrize("path", [LOAD, "/model/load/{}"])
def test_what_an_admin_loads_serves_in_the_place_of_what_did(alone: Alone, path: str):
    digest = alone.digests["other"]
    before = alone.series("weathervane_requests_total").get(digest, 0)

    told = httpx.post(alone.server.rest + path.format("other"), headers=ADMIN)

    assert (told.status_code, told.json()) == (
        200,
        {"name": "other", "load": True, "digest": digest},
    )
    answer = httpx.post(alone.server.rest + "/v2/models/other/infer", json=HEALTHY)
    assert answer.headers["x-weathervane-digest"] == answer.json()["model_version"] == digest
    assert answer.headers.get_list("x-weathervane-revision") == [REVISION]
    (prediction,) = httpx.post(
        alone.server.rest + "/v1/models/other:predict", json={"instances": [{"b64": TEXT}]}
    ).json()["predictions"]
    assert list(prediction["probabilities"]) == list("abcde")
    assert httpx.get(alone.server.rest + "/health").json()["digest"] == digest
    assert httpx.get(alone.server.rest + "/v2/models/weather/ready").status_code == 404
    assert alone.series("weathervane_requests_total")[digest] == before + 2
    assert "a, b, c, d, e" in httpx.get(alone.server.rest + "/docs", headers=ADMIN).text
    while (event := alone.collector.received.get(timeout=10)).body != answer.content:
        pass
    assert event.headers["ce-source"] == f"/v2/models/other/versions/{digest}"


def test_over_grpc_it_is_the_same(alone: Alone):
    key = [("authorization", f"Bearer {ADMIN_KEY}")]
    with grpc.insecure_channel(alone.server.grpc) as channel:
        stub: Any = GRPCInferenceServiceStub(channel)

        told = stub.RepositoryModelLoad(
            pb.RepositoryModelLoadRequest(model_name="other"), metadata=key
        )
        assert (told.model_name, told.isLoaded) == ("other", True)
        answer, call = stub.ModelInfer.with_call(grpc_request(model_name="other"))
        assert answer.model_version == alone.digests["other"]
        assert dict(call.initial_metadata())["x-weathervane-digest"] == alone.digests["other"]

        gone = stub.RepositoryModelUnload(
            pb.RepositoryModelUnloadRequest(model_name="other"), metadata=key
        )
        assert (gone.model_name, gone.isUnloaded) == ("other", True)
        assert not stub.ServerReady(pb.ServerReadyRequest()).ready
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(grpc_request(model_name="other"))
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("wrong", 409, "this engine must not serve it"),
        ("altered", 409, "was altered"),
        ("0" * 64, 409, "expected 000"),
        ("no-package", 404, "there is no package 'no-package'"),
        ("nothing", 404, "there is no package 'nothing'"),
        ("..", 404, "there is no package '..'"),
        ("%2e%2e%2Fweather", 404, "Not Found"),
    ],
)
def test_what_must_not_serve_does_not_and_what_served_does(
    alone: Alone, tiny_package: Package, name: str, status: int, told: str
):
    path = LOAD.format(name.replace("..", "%2e%2e"))

    answer = httpx.post(alone.server.rest + path, headers=ADMIN)

    assert answer.status_code == status
    assert told in answer.json()["error"]
    healthy = httpx.post(alone.server.rest + "/v2/models/weather/infer", json=HEALTHY)
    assert healthy.json()["model_version"] == tiny_package.digest


def test_what_was_unloaded_is_not_ready_and_can_be_loaded_again(alone: Alone):
    rest = alone.server.rest
    assert httpx.post(rest + UNLOAD.format("other"), headers=ADMIN).status_code == 404

    for _ in range(2):
        told = httpx.post(rest + UNLOAD.format("weather"), headers=ADMIN)
        assert (told.status_code, told.json()) == (200, {"name": "weather", "unload": True})

    for path in ("/v2/health/ready", "/v2/models/weather/ready", "/health", "/v1/models/weather"):
        assert httpx.get(rest + path).status_code == 503, path
    assert httpx.get(rest + "/v2/health/live").status_code == 200
    refused = httpx.post(rest + "/v2/models/weather/infer", json=HEALTHY)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    # What it is can be asked all the same.
    assert httpx.get(rest + "/v2/models/weather").json()["platform"] == "litert"
    (first, *_) = httpx.get(rest + "/v2/repository/index").json()
    assert (first["name"], first["state"]) == ("weather", "UNAVAILABLE")

    assert alone.loaded("weather").status_code == 200
    assert httpx.get(rest + "/v2/health/ready").json() == {"ready": True}


def test_who_waits_behind_another_is_answered_by_what_serves_when_its_turn_comes(alone: Alone):
    slow = infer(*[trials.plain(4000)] * 20)

    async def ask() -> tuple[Answer, Answer]:
        async with wire(alone.server.port) as one:
            await one.send(slow + head("/health", method="GET"))
            await asyncio.to_thread(alone.loaded, "other")
            return await one.answer(), await one.answer()

    first, second = asyncio.run(ask())

    served = [first.told["model_version"], second.told["digest"]]
    assert served == [alone.digests["weather"], alone.digests["other"]]
    assert [one.headers["x-weathervane-digest"] for one in (first, second)] == served


def test_what_is_loaded_while_it_stops_is_not_ready(packages: Path, admins: Path):
    options = ("--packages", str(packages), "--admin-keys", str(admins), "--drain-seconds", "60")
    with running(*options) as server, httpx.Client(base_url=server.rest, timeout=30) as client:
        server.process.send_signal(signal.SIGTERM)
        while client.get("/v2/health/ready").status_code == 200:
            pass

        told = client.post(LOAD.format("other"), headers=ADMIN)

        assert (told.status_code, client.get("/health").json()["model"]) == (200, "other")
        assert client.get("/v2/health/ready").status_code == 503
        # What comes all the same is answered.
        assert client.post("/v2/models/other/infer", json=HEALTHY).status_code == 200


def test_no_request_is_lost_or_misnamed_while_packages_change(alone: Alone):
    async def ask(client: httpx.AsyncClient, done: asyncio.Event) -> list[tuple[int, str, str]]:
        answers = []
        while not done.is_set():
            name = (await client.get("/v2/models")).json()["models"][0]
            answer = await client.post(f"/v2/models/{name}/infer", json=HEALTHY)
            if answer.status_code == 404:
                # It changed in between.
                continue
            said = answer.json().get("model_version", answer.text)
            answers.append((answer.status_code, said, answer.headers["x-weathervane-digest"]))
            form = await client.post("/predict", files={"file": JPEG})
            digest = form.headers["x-weathervane-digest"]
            letters = form.json().get("label", "") in set("abcde")
            known = alone.digests["other"] if letters else alone.digests["weather"]
            answers.append((form.status_code, known, digest))
        return answers

    async def change() -> list[tuple[int, str, str]]:
        done = asyncio.Event()
        async with httpx.AsyncClient(base_url=alone.server.rest, timeout=30) as client:
            asking = [asyncio.create_task(ask(client, done)) for _ in range(4)]
            for name in ("other", "weather") * 4:
                told = await client.post(LOAD.format(name), headers=ADMIN)
                assert told.status_code == 200
            done.set()
            return [one for part in await asyncio.gather(*asking) for one in part]

    answers = asyncio.run(change())

    assert {status for status, _, _ in answers} == {200}
    assert all(said == headed for _, said, headed in answers)
    assert {said for _, said, _ in answers} == {alone.digests["weather"], alone.digests["other"]}
