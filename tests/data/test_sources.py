"""Pictures that lie in an object store are validated like those in a folder."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from weathervane.data.sources import local_folder
from weathervane.data.validation import validate
from weathervane.errors import StoreError
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


def test_an_empty_prefix_is_named(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pictures/second"):
        local_folder(uri.replace("first", "second"), tmp_path / "copy")


def test_a_folder_stays_where_it_is(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), tmp_path / "unused") == tmp_path
