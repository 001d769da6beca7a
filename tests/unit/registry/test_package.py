"""A package is read only when every file of it is the one that was sealed."""

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weathervane.errors import PackageError
from weathervane.registry.package import (
    DESCRIPTION,
    GOLDEN,
    GOLDEN_LIST,
    LITERT_MODEL,
    Description,
    Package,
    canonical,
    digest_of,
    read_package,
    seal,
)

WEATHER = Description(
    model="weather",
    labels=("foggy", "sunny", "verschneit ❄"),
    size=96,
    preprocessing="1",
    data_digest="d" * 64,
    code_version="0.1.0",
)
ANSWER = (0.1, 0.7, 0.2)


def fill(folder: Path) -> Path:
    for name, content in {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"index",
        "variables/variables.data-00000-of-00001": b"weights",
        LITERT_MODEL: b"litert",
        f"{GOLDEN}/1.jpg": b"a picture",
        GOLDEN_LIST: canonical_list([{"file": "1.jpg", "format": "JPEG", "probabilities": ANSWER}]),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def canonical_list(entries: list[object]) -> bytes:
    return json.dumps(entries).encode()


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return seal(fill(tmp_path / "package"), WEATHER)


def test_what_was_sealed_is_what_is_read(package: Package):
    assert read_package(package.folder, package.digest) == package
    assert read_package(package.folder) == package
    assert (package.labels, package.size, package.temperature) == (WEATHER.labels, 96, 1.0)
    assert package.litert_model == package.folder / LITERT_MODEL


def test_the_digest_is_that_of_the_description_and_of_nothing_else(package: Package, tmp_path):
    text = (package.folder / DESCRIPTION).read_bytes()
    again = seal(fill(tmp_path / "elsewhere"), WEATHER)

    assert digest_of(json.loads(text)) == package.digest == again.digest
    assert canonical(json.loads(text)) == text


def test_a_package_says_how_it_did_and_one_that_does_not_is_written_as_ever(
    package: Package, tmp_path: Path
):
    told = {"test_accuracy": 0.9312, "test_macro_f1": 0.92}

    measured = seal(fill(tmp_path / "measured"), replace(WEATHER, metrics=told))

    assert read_package(measured.folder, measured.digest).metrics == told
    assert measured.digest != package.digest
    # Packages of before have no such field, and are read as they are.
    assert "metrics" not in json.loads((package.folder / DESCRIPTION).read_bytes())
    assert read_package(package.folder, package.digest).metrics == {}


def test_sealing_again_changes_nothing(package: Package):
    assert seal(package.folder, WEATHER) == package


def test_a_package_without_litert_has_none(tmp_path: Path):
    folder = fill(tmp_path / "package")
    (folder / LITERT_MODEL).unlink()

    assert seal(folder, WEATHER).litert_model is None


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def make_link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


FILES = [
    "saved_model.pb",
    "variables/variables.data-00000-of-00001",
    LITERT_MODEL,
    GOLDEN_LIST,
    f"{GOLDEN}/1.jpg",
    DESCRIPTION,
]


@pytest.mark.parametrize("harm", [flip_last_byte, truncate, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_a_harmed_file_is_refused(package: Package, name: str, harm: Callable[[Path], None]):
    harm(package.folder / name)

    with pytest.raises(PackageError, match=name.rsplit("/", 1)[-1]):
        read_package(package.folder, package.digest)


@pytest.mark.parametrize("name", ["extra", "variables/extra", "assets.extra/extra", f"{GOLDEN}/2"])
def test_an_unlisted_file_is_refused(package: Package, name: str):
    (package.folder / name).write_bytes(b"")

    with pytest.raises(PackageError, match="lists no"):
        read_package(package.folder, package.digest)


def test_a_link_is_refused_even_when_its_content_is_right(package: Package):
    make_link(package.folder / "saved_model.pb")

    with pytest.raises(PackageError, match=r"saved_model\.pb .*no plain file"):
        read_package(package.folder, package.digest)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(path.parent):
        listener.bind(path.name)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [make_pipe, make_socket, make_folder, make_link])
@pytest.mark.parametrize("name", FILES)
def test_only_plain_files_are_read(package: Package, name: str, harm: Callable[[Path], None]):
    harm(package.folder / name)

    with pytest.raises(PackageError, match=r"no plain file|misses|no file|no package"):
        read_package(package.folder, package.digest)


def test_a_folder_that_is_a_link_is_refused(package: Package, tmp_path: Path):
    (package.folder / "variables").rename(tmp_path / "elsewhere")
    (package.folder / "variables").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PackageError, match=r"variables .*no plain file"):
        read_package(package.folder, package.digest)


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "variables/../../outside", "."])
def test_a_description_cannot_reach_outside(package: Package, tmp_path: Path, path: str):
    (tmp_path / "outside").write_bytes(b"outside")
    description = package.folder / DESCRIPTION
    told = json.loads(description.read_bytes())
    told["files"][path] = hashlib.sha256(b"outside").hexdigest()
    description.write_bytes(canonical(told))

    with pytest.raises(PackageError, match="misses"):
        read_package(package.folder)


def test_a_golden_picture_cannot_lie_outside(package: Package, tmp_path: Path):
    (tmp_path / "outside").write_bytes(b"outside")
    entry = {"file": "../../../../outside", "format": "JPEG", "probabilities": ANSWER}
    (package.folder / GOLDEN_LIST).write_bytes(canonical_list([entry]))

    with pytest.raises(PackageError, match="is not of this package"):
        seal(package.folder, WEATHER).golden()


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"files":' * 100_000, b" " * 2**21, b'"' + b"a" * 2**20 + b'"']
)
def test_a_description_that_would_fill_memory_is_refused(package: Package, text: bytes):
    (package.folder / DESCRIPTION).write_bytes(text)

    with pytest.raises(PackageError, match="no package"):
        read_package(package.folder)


def test_golden_answers_nested_without_end_are_refused(package: Package):
    (package.folder / GOLDEN_LIST).write_bytes(b"[" * 100_000)

    with pytest.raises(PackageError, match="no readable golden pictures"):
        seal(package.folder, WEATHER).golden()


@pytest.mark.parametrize("size", [0, -1, 4097, 2**31, 10**400])
def test_no_input_of_any_size_is_declared(package: Package, size: int):
    path = package.folder / DESCRIPTION
    path.write_bytes(canonical(json.loads(path.read_bytes()) | {"size": size}))

    with pytest.raises(PackageError, match="size"):
        read_package(package.folder)


def test_another_package_than_the_expected_one_is_refused(package: Package):
    with pytest.raises(PackageError, match="expected 000"):
        read_package(package.folder, "0" * 64)


def test_a_folder_that_is_no_package_says_so(tmp_path: Path):
    with pytest.raises(PackageError, match="no package"):
        read_package(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("labels", ["sunny"], "labels"),
        ("labels", ["sunny", "sunny"], "once"),
        ("labels", "sunny", "labels"),
        ("size", 0, "size"),
        ("size", "96", "size"),
        ("temperature", 0.0, "temperature"),
        ("model", "../weather", "model"),
        ("format", "weathervane-package-2", "format"),
        ("unknown", 1, "unknown"),
        ("files", {"saved_model.pb": "not a digest"}, "files"),
    ],
)
def test_a_description_with_a_wrong_value_names_it(package: Package, key, value, complaint):
    path = package.folder / DESCRIPTION
    path.write_bytes(canonical(json.loads(path.read_bytes()) | {key: value}))

    with pytest.raises(PackageError, match=complaint):
        read_package(package.folder)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: json.dumps(json.loads(text), indent=1).encode(),
        lambda text: text.replace(b'"size":96', b'"size":64,"size":96'),
        lambda text: text + b"\n",
    ],
    ids=["indented", "doubled key", "newline"],
)
def test_only_the_canonical_form_is_read(package: Package, rewrite: Callable[[bytes], bytes]):
    path = package.folder / DESCRIPTION
    path.write_bytes(rewrite(path.read_bytes()))

    with pytest.raises(PackageError, match="canonical"):
        read_package(package.folder)


@pytest.mark.parametrize("wrong", [{"labels": ("one",)}, {"temperature": float("nan")}])
def test_nothing_wrong_can_be_sealed(tmp_path: Path, wrong: dict[str, object]):
    with pytest.raises(PackageError, match="cannot package"):
        seal(fill(tmp_path / "package"), replace(WEATHER, **wrong))


def test_an_engine_that_answers_as_the_saved_model_passes(package: Package):
    package.check_golden(lambda picture: np.float32(ANSWER) + np.float32(5e-4))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((0.1, 0.698, 0.202), "apart"),
        ((0.7, 0.1, 0.2), "says foggy, the SavedModel said sunny"),
        ((float("nan"), 0.7, 0.2), "must not serve"),
        ((0.3, 0.7), "2 probabilities for 3 classes"),
    ],
)
def test_an_engine_that_answers_otherwise_is_refused(package: Package, answer, complaint):
    with pytest.raises(PackageError, match=complaint):
        package.check_golden(lambda picture: answer)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [{"file": "1.jpg", "format": "JPEG", "probabilities": [1.0]}],
        [{"file": "../../../secret", "format": "JPEG", "probabilities": ANSWER}],
        [{"file": "1.jpg"}],
        ["1.jpg"],
    ],
)
def test_a_list_of_golden_pictures_that_proves_nothing_is_refused(tmp_path: Path, entries):
    folder = fill(tmp_path / "package")
    (folder / GOLDEN_LIST).write_bytes(canonical_list(entries))

    with pytest.raises(PackageError, match="golden"):
        seal(folder, WEATHER).golden()
