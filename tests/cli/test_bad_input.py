"""What the command line says to pictures that it cannot use: one clear line, and the exit code."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from weathervane.data.scenes import WEATHERS, render_jpeg

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)


def weathervane(state: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "weathervane.cli", *map(str, arguments)],
        env={**os.environ, "WEATHERVANE_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )


def fill(folder: Path, name: str = "{}.jpg", content: bytes | None = None) -> None:
    """Put a dozen pictures of the folder's own weather into it."""
    weather = WEATHERS[sum(folder.name.encode()) % len(WEATHERS)]
    folder.mkdir(parents=True)
    for number in range(12):
        folder.joinpath(name.format(number)).write_bytes(content or render_jpeg(weather, number))


def only_one_class(data: Path) -> None:
    fill(data / "sunny")


def an_empty_class(data: Path) -> None:
    fill(data / "sunny")
    fill(data / "rainy")
    (data / "foggy").mkdir()


def heic_pictures(data: Path) -> None:
    fill(data / "sunny")
    fill(data / "rainy", "{}.heic", HEIC)


def no_folder(data: Path) -> None:
    """Nothing to make."""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (no_folder, "no such folder"),
        (only_one_class, "only 1 class: sunny; at least 2 are needed"),
        (an_empty_class, "no file in 1 class: foggy"),
        (heic_pictures, "HEIC is not read: convert it to JPEG or PNG"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused_with_3_and_kept(
    make: Callable[[Path], None], says: str, tmp_path: Path
):
    data = tmp_path / "data"
    make(data)
    before = {file: file.read_bytes() for file in data.rglob("*") if file.is_file()}

    refused = weathervane(tmp_path / "state", "data", "validate", data)

    assert refused.returncode == 3
    assert len(refused.stderr.strip().splitlines()) == 1
    assert says in " ".join((refused.stdout + refused.stderr).split())
    assert {file: file.read_bytes() for file in data.rglob("*") if file.is_file()} == before


def test_the_demo_of_a_folder_that_is_not_there_starts_nothing(tmp_path: Path):
    refused = weathervane(tmp_path / "state", "demo", "--data", tmp_path / "absent")

    assert refused.returncode == 3
    assert refused.stderr == (
        f"error: no such folder: {tmp_path}/absent; give one that holds a folder of pictures for "
        "each class\n"
    )
    assert not (tmp_path / "state" / "ports.json").exists()


def two_classes_that_are_no_weather(data: Path) -> None:
    fill(data / "cats")
    fill(data / "dogs")


def names_in_other_scripts(data: Path) -> None:
    fill(data / "солнце", "снимок {}.jpg")
    fill(data / "雨", "写真'{}\".jpg")


def links(data: Path) -> None:
    fill(data.parent / "elsewhere" / "sunny")
    fill(data / "rainy")
    (data / "sunny").symlink_to(data.parent / "elsewhere" / "sunny")


def a_folder_that_cannot_be_written(data: Path) -> None:
    two_classes_that_are_no_weather(data)
    for folder in (*data.iterdir(), data):
        folder.chmod(0o555)


@pytest.mark.parametrize(
    "make",
    [
        two_classes_that_are_no_weather,
        names_in_other_scripts,
        links,
        a_folder_that_cannot_be_written,
    ],
)
def test_unusual_pictures_that_can_be_used_are_accepted(
    make: Callable[[Path], None], tmp_path: Path
):
    data = tmp_path / "data"
    make(data)

    accepted = weathervane(tmp_path / "state", "data", "validate", data)

    assert accepted.returncode == 0, accepted.stdout
    assert "24 files" in accepted.stdout
