"""What every object store does for us, as tests that each server runs.

A server's test file subclasses `StoreContract`; one that is none of the tests' own gives the
fixture ``store_server``, a `StoreConfig` with the keys of its root.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from weathervane.config import StoreConfig
from weathervane.errors import StoreError, UsageError
from weathervane.registry.package import DESCRIPTION
from weathervane.registry.store import Store


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class StoreContract:
    """Run it against a server."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
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

    def test_a_folder_comes_back_as_it_went(self, store: Store, folder: Path, tmp_path: Path):
        uri = store.upload_folder(folder, "models/weather/abc")
        store.download_folder(uri, tmp_path / "by-address")
        store.download_folder("models/weather/abc/", tmp_path / "by-key")

        assert uri == f"s3://{store.config.bucket}/models/weather/abc"
        assert content_of(tmp_path / "by-address") == content_of(folder)
        assert content_of(tmp_path / "by-key") == content_of(folder)

    def test_a_neighbour_with_a_longer_name_is_not_downloaded(
        self, store: Store, folder: Path, tmp_path: Path
    ):
        store.upload_folder(folder, "models/weather/abc")
        store.upload_folder(folder, "models/weather/abcdef")

        store.download_folder("models/weather/abc", tmp_path / "out")

        assert content_of(tmp_path / "out") == content_of(folder)

    def test_the_description_is_sent_after_everything_else(
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
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
        self, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
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
        self, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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

    def test_a_full_folder_is_not_overwritten(self, store: Store, folder: Path):
        store.upload_folder(folder, "p")

        with pytest.raises(UsageError, match="not an empty folder"):
            store.download_folder("p", folder)

    def test_another_bucket_is_reached_by_its_whole_address(
        self, store: Store, store_server: StoreConfig, folder: Path
    ):
        uri = store.upload_folder(folder, "p")
        elsewhere = Store(replace(store_server, bucket="elsewhere"))

        assert elsewhere.read(f"{uri}/{DESCRIPTION}") == b"{}"

    def test_a_bucket_may_be_ensured_twice(self, store: Store):
        store.ensure_bucket()

    def test_what_is_absent_is_said_to_be(self, store: Store, tmp_path: Path):
        assert not store.exists("no/such/thing")
        with pytest.raises(StoreError, match=r"s3://\S+/no/such/thing is not in the store"):
            store.read("no/such/thing")
        with pytest.raises(StoreError, match="nothing lies at s3://"):
            store.download_folder("no/such", tmp_path / "out")
        with pytest.raises(StoreError, match="holds no file"):
            store.upload_folder(tmp_path, "p")

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            (
                {"secret_key": "wrong"},
                "the secret key is wrong; check WEATHERVANE_STORE",
            ),
            ({"access_key": "wrong"}, "the access key is unknown"),
            ({"bucket": "not-there"}, "has no bucket for s3://not-there"),
        ],
    )
    def test_a_refusal_says_which_setting_is_wrong(
        self, store_server: StoreConfig, wrong: dict[str, str], says: str
    ):
        store = Store(replace(store_server, **wrong))

        with pytest.raises(StoreError, match=re.escape(says)) as raised:
            store.read("any/thing")

        assert "\n" not in str(raised.value)
        assert store_server.secret_key not in str(raised.value)

    @pytest.mark.parametrize("wrong", [{"secret_key": "wrong"}, {"access_key": "wrong"}])
    def test_a_question_without_an_answer_body_still_names_the_keys(
        self, store_server: StoreConfig, wrong: dict[str, str]
    ):
        store = Store(replace(store_server, **wrong))

        for ask in (store.ensure_bucket, lambda: store.exists("any/thing")):
            with pytest.raises(StoreError, match="a key is wrong"):
                ask()
