"""The store against a real S3 server, and against everything that is none."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.registry.store_contract import StoreContract, content_of
from weathervane.config import StoreConfig
from weathervane.errors import StoreError, UsageError
from weathervane.registry.store import Store


class TestRclone(StoreContract):
    """The S3 server of one machine."""


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
