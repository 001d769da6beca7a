"""What a library brings along is left out while it is imported, and is there for others."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from weathervane.lean import import_lean


@pytest.fixture(autouse=True)
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`heavy`, which takes `extra` along where it is installed, and `broken`, which needs it."""
    (tmp_path / "heavy.py").write_text(
        "try:\n    import extra\nexcept ImportError:\n    extra = None\n"
    )
    (tmp_path / "broken.py").write_text("import extra\n")
    (tmp_path / "extra.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("heavy", "broken", "extra"):
        sys.modules.pop(name, None)


def test_what_is_left_out_may_be_imported_afterwards():
    import_lean("heavy", without=("extra",))

    assert sys.modules["heavy"].extra is None
    assert import_module("extra")


def test_what_is_there_already_stays():
    extra = import_module("extra")

    import_lean("heavy", without=("extra",))

    assert sys.modules["heavy"].extra is sys.modules["extra"] is extra


def test_a_library_that_needs_it_leaves_nothing_behind():
    with pytest.raises(ModuleNotFoundError):
        import_lean("broken", without=("extra",))

    assert import_module("extra")
