import os
from pathlib import Path

from weathervane.training.cache import Cache


def test_what_was_used_last_is_kept(tmp_path: Path):
    cache = Cache.at(tmp_path)
    folders = [cache.features(f"backbone {number}") for number in range(8)]
    for age, folder in enumerate(folders):
        os.utime(folder, (1000 - age, 1000 - age))

    cache.features("backbone 7")
    cache.features("another")

    assert {path.name for path in (tmp_path / "features").iterdir()} == {
        *(f"backbone {number}" for number in (0, 1, 2, 3, 4, 5, 7)),
        "another",
    }


def test_a_training_that_did_not_end_finds_its_file_again(tmp_path: Path):
    file = Cache.at(tmp_path).progress("one")
    file.write_bytes(b"far")

    assert Cache.at(tmp_path).progress("one").read_bytes() == b"far"


def test_without_a_folder_nothing_is_kept():
    assert Cache(None).features("backbone") is None
    assert Cache(None).progress("one") is None


def test_a_folder_that_cannot_be_written_is_told_and_done_without(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    lines: list[str] = []

    assert Cache.at(tmp_path / "taken", lines.append) == Cache(None)
    (line,) = lines
    assert str(tmp_path / "taken") in line
