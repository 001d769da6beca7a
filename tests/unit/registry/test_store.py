"""The store against a real S3 server, and against everything that is none."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from weathervane.config import StoreConfig
from weathervane.errors import StoreError, UsageError
from weathervane.registry.package import DESCRIPTION
from weathervane.registry.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a package has them: nested, with names that need escaping."""
    folder = tmp_path / "package"
    for name, content in {
        "saved_model.pb": b"graph" * 1000,
        "variables/variables.index": b"",
        "variables/näme with spaces+%.bin": bytes(range(256)),
        DESCRIPTION: b"{}",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_comes_back_as_it_went(store: Store, folder: Path, tmp_path: Path):
    uri = store.upload_folder(folder, "models/weather/abc")
    store.download_folder(uri, tmp_path / "by-address")
    store.download_folder("models/weather/abc/", tmp_path / "by-key")

    assert uri == f"s3://{store.config.bucket}/models/weather/abc"
    assert content_of(tmp_path / "by-address") == content_of(folder)
    assert content_of(tmp_path / "by-key") == content_of(folder)


def test_a_neighbour_with_a_longer_name_is_not_downloaded(
    store: Store, folder: Path, tmp_path: Path
):
    store.upload_folder(folder, "models/weather/abc")
    store.upload_folder(folder, "models/weather/abcdef")

    store.download_folder("models/weather/abc", tmp_path / "out")

    assert content_of(tmp_path / "out") == content_of(folder)


def test_the_description_is_sent_after_everything_else(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    sent: list[str] = []
    send = store._client.fput_object
    monkeypatch.setattr(
        store._client,
        "fput_object",
        lambda **call: (send(**call), sent.append(call["object_name"])),
    )

    store.upload_folder(folder, "p")

    assert sent[-1] == f"p/{DESCRIPTION}"
    assert len(sent) == 4


def test_an_upload_that_broke_leaves_no_description_and_is_finished_by_the_next(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    send = store._client.fput_object

    def breaks(**call: object) -> None:
        if call["object_name"] == "p/saved_model.pb":
            raise ConnectionResetError("broken")
        send(**call)

    with monkeypatch.context() as broken:
        broken.setattr(store._client, "fput_object", breaks)
        with pytest.raises(ConnectionResetError):
            store.upload_folder(folder, "p")
    assert not store.exists(f"p/{DESCRIPTION}")

    store.upload_folder(folder, "p")
    store.download_folder("p", tmp_path / "out")

    assert content_of(tmp_path / "out") == content_of(folder)


def test_a_repeated_upload_sends_only_what_differs(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    store.upload_folder(folder, "p")
    # Same length, other bytes: a comparison of sizes would miss it.
    (folder / "saved_model.pb").write_bytes(b"GRAPH" * 1000)
    sent: list[str] = []
    send = store._client.fput_object
    monkeypatch.setattr(
        store._client,
        "fput_object",
        lambda **call: (sent.append(call["object_name"]), send(**call)),
    )

    store.upload_folder(folder, "p")

    assert sent == ["p/saved_model.pb"]
    assert store.read("p/saved_model.pb") == b"GRAPH" * 1000


def test_a_download_that_breaks_leaves_nothing(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store.upload_folder(folder, "p")
    fetch = store._client.get_object

    def breaks(**call: object) -> object:
        if call["object_name"] == "p/saved_model.pb":
            raise ConnectionResetError("broken")
        return fetch(**call)

    monkeypatch.setattr(store._client, "get_object", breaks)
    with pytest.raises(ConnectionResetError):
        store.download_folder("p", tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_a_full_folder_is_not_overwritten(store: Store, folder: Path):
    store.upload_folder(folder, "p")

    with pytest.raises(UsageError, match="not an empty folder"):
        store.download_folder("p", folder)


def test_another_bucket_is_reached_by_its_whole_address(
    store: Store, store_server: StoreConfig, folder: Path
):
    uri = store.upload_folder(folder, "p")
    elsewhere = Store(replace(store_server, bucket="elsewhere"))

    assert elsewhere.read(f"{uri}/{DESCRIPTION}") == b"{}"


def test_a_bucket_may_be_ensured_twice(store: Store):
    store.ensure_bucket()


def test_what_is_absent_is_said_to_be(store: Store, tmp_path: Path):
    assert not store.exists("no/such/thing")
    with pytest.raises(StoreError, match=r"s3://\S+/no/such/thing is not in the store"):
        store.read("no/such/thing")
    with pytest.raises(StoreError, match="nothing lies at s3://"):
        store.download_folder("no/such", tmp_path / "out")
    with pytest.raises(StoreError, match="holds no file"):
        store.upload_folder(tmp_path, "p")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("s3://bucket-only", "names no place"),
        ("s3://ab/key", "'ab' can be no bucket's name: 3 to 63"),
        ("s3://two words/key", "'two words' can be no bucket's name"),
        ("s3://-sign/key", "can be no bucket's name"),
        ("s3://a..b/key", "can be no bucket's name"),
        ("s3://127.0.0.1/key", "can be no bucket's name"),
    ],
)
def test_what_can_be_no_place_is_said_before_the_store_is_asked(place: str, says: str):
    nobody = StoreConfig(endpoint="http://127.0.0.1:9", access_key="a", secret_key="s")

    with pytest.raises(UsageError, match=says):
        Store(nobody).read(place)


def test_a_bucket_that_cannot_be_is_not_made(store_server: StoreConfig):
    with pytest.raises(UsageError, match="can be no bucket's name"):
        Store(replace(store_server, bucket="a_")).ensure_bucket()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"secret_key": "wrong"}, "the secret key is wrong; check WEATHERVANE_STORE_ACCESS_KEY"),
        ({"access_key": "wrong"}, "the access key is unknown"),
        ({"bucket": "not-there"}, "has no bucket for s3://not-there"),
    ],
)
def test_a_refusal_says_which_setting_is_wrong(
    store_server: StoreConfig, wrong: dict[str, str], says: str
):
    store = Store(replace(store_server, **wrong))

    with pytest.raises(StoreError, match=re.escape(says)) as raised:
        store.read("any/thing")

    assert "\n" not in str(raised.value)
    assert store_server.secret_key not in str(raised.value)


@pytest.mark.parametrize("wrong", [{"secret_key": "wrong"}, {"access_key": "wrong"}])
def test_a_question_without_an_answer_body_still_names_the_keys(
    store_server: StoreConfig, wrong: dict[str, str]
):
    store = Store(replace(store_server, **wrong))

    for ask in (store.ensure_bucket, lambda: store.exists("any/thing")):
        with pytest.raises(StoreError, match="a key is wrong"):
            ask()


def test_a_closed_port_is_told_at_once(store_server: StoreConfig):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    began = time.monotonic()

    with pytest.raises(StoreError, match=f"cannot reach the store {endpoint}.*refused") as raised:
        Store(replace(store_server, endpoint=endpoint)).ensure_bucket()

    assert time.monotonic() - began < 5
    assert "object at 0x" not in str(raised.value)


@contextmanager
def server_that_answers(status: int, body: bytes) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_speaks_no_s3_is_recognised(store_server: StoreConfig, status: int):
    with server_that_answers(status, b"<html>\nwelcome\n</html>") as endpoint:
        store = Store(replace(store_server, endpoint=endpoint))
        with pytest.raises(StoreError, match="does not answer as an S3 store does") as raised:
            store.read("any/thing")

    assert "\n" not in str(raised.value)


LISTED = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>weathervane</Name>
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents>
<Key>p/{name}</Key><Size>{size}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>
</Contents></ListBucketResult>"""


@contextmanager
def store_that_lists(name: str, size: int, content: bytes) -> Iterator[str]:
    """A store with one object ``p/<name>``, of which it may lie."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lists = "list-type" in self.path
            body = LISTED.format(name=name, size=size).encode() if lists else content
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("../outside", 7, "no path inside"),
        ("a/../../outside", 7, "no path inside"),
        ("/outside", 7, "no path inside"),
        ("inside", 2**60, f"takes {2**60} bytes"),
        ("inside", 3, "announced 3 bytes for inside, and sent others"),
        ("inside", 99, "announced 99 bytes for inside, and sent others"),
        ("n" * 300, 7, "cannot write"),
    ],
)
def test_a_store_that_lies_writes_nothing(
    store_server: StoreConfig, tmp_path: Path, name: str, size: int, told: str
):
    (tmp_path / "inner").mkdir()
    with store_that_lists(name, size, b"content") as endpoint:
        store = Store(replace(store_server, endpoint=endpoint))
        with pytest.raises(StoreError, match=told):
            store.download_folder("p", tmp_path / "inner" / "out")

    assert [path.name for path in tmp_path.rglob("*")] == ["inner"]


def test_an_honest_one_is_believed(store_server: StoreConfig, tmp_path: Path):
    with store_that_lists("a/b", 7, b"content") as endpoint:
        Store(replace(store_server, endpoint=endpoint)).download_folder("p", tmp_path / "out")

    assert content_of(tmp_path / "out") == {"a/b": b"content"}


def test_the_secret_is_in_no_representation(store_server: StoreConfig):
    assert store_server.secret_key not in repr(Store(store_server).config)
