"""Pictures that lie in an object store are validated like those in a folder."""

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from weathervane.data.sources import local_folder, local_source
from weathervane.data.validation import validate
from weathervane.errors import DataError, StoreError
from weathervane.registry.store import Store

pytestmark = pytest.mark.process


@pytest.fixture
def uri(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in store.config.as_environment().items():
        monkeypatch.setenv(name, value)
    rng = np.random.default_rng(0)
    for label in ("rainy", "schön"):
        (tmp_path / "original" / label).mkdir(parents=True)
        for number in range(10):
            cells = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            picture = cv2.resize(cells, (64, 48), interpolation=cv2.INTER_LINEAR)
            cv2.imwrite(str(tmp_path / "original" / label / f"{number}.png"), picture)
    return store.upload_folder(tmp_path / "original", "pictures/first")


def test_a_prefix_is_copied_and_gives_the_same_report(uri: str, tmp_path: Path) -> None:
    folder = local_folder(uri, tmp_path / "copy")

    copied, original = validate(folder), validate(tmp_path / "original")

    assert folder == tmp_path / "copy"
    assert copied.passed
    assert copied.pictures == original.pictures


def test_an_archive_or_a_table_in_the_store_is_the_same_pictures(
    store: Store, uri: str, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    packed.mkdir()
    shutil.make_archive(str(packed / "all"), "zip", tmp_path / "original")
    rows = [f"{path.parent.name}/{path.name},{path.parent.name}" for path in
            sorted((tmp_path / "original").rglob("*.png"))]  # fmt: skip
    (packed / "labels.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    store.upload_folder(packed, "pictures/first")

    for name in ("all.zip", "labels.csv"):
        place = local_source(f"{uri}/{name}", tmp_path / name / "pictures")

        assert [each.sha256 for each in validate(place).pictures] == [
            each.sha256 for each in validate(tmp_path / "original").pictures
        ]
        assert [path.name for path in (tmp_path / name).iterdir()] == ["pictures"]


def test_a_hostile_archive_in_the_store_is_refused_and_nothing_stays(
    store: Store, uri: str, tmp_path: Path
) -> None:
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / "bad.zip", "w") as file:
        file.writestr("../outside.jpg", b"x")
    store.upload_folder(tmp_path / "packed", "pictures/first")

    with pytest.raises(DataError, match=r"bad.zip is not unpacked: '../outside.jpg' leads out"):
        local_source(f"{uri}/bad.zip", tmp_path / "scratch" / "pictures")

    assert not any((tmp_path / "scratch").iterdir())


def test_an_empty_prefix_is_named(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pictures/second"):
        local_folder(uri.replace("first", "second"), tmp_path / "copy")


def test_a_folder_stays_where_it_is(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), tmp_path / "unused") == tmp_path
