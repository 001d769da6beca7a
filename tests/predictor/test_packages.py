"""A package that is not exactly what was sealed never reaches an engine."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from predictor.packages import Packages, UnknownPackageError, obtain
from tests.predictor.running import command
from weathervane.errors import ExitCode, PackageError
from weathervane.registry.package import (
    DESCRIPTION,
    LITERT_MODEL,
    Description,
    Package,
    read_package,
    seal,
)
from weathervane.registry.store import Store


@pytest.fixture
def copy(tiny_package: Package, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_package.folder, tmp_path / "copy"))


def refused(folder: Path, package: Package) -> None:
    with pytest.raises(PackageError):
        obtain(str(folder), package.digest, folder / "unused")


def test_every_truncated_file_is_seen(tiny_package: Package, copy: Path):
    for name in (*tiny_package.files, DESCRIPTION):
        content = (copy / name).read_bytes()
        for kept in {len(content) - 1, len(content) // 2, 0}:
            (copy / name).write_bytes(content[:kept])
            refused(copy, tiny_package)
        (copy / name).write_bytes(content)

    assert obtain(str(copy), tiny_package.digest, copy) == Package(
        **vars(tiny_package) | {"folder": copy}
    )


def test_each_of_200_flipped_bits_is_seen(tiny_package: Package, copy: Path):
    rng = np.random.default_rng(0)
    names = sorted((*tiny_package.files, DESCRIPTION))
    for number in range(200):
        file = copy / names[number % len(names)]
        content = bytearray(file.read_bytes())
        at, bit = rng.integers(len(content)), rng.integers(8)
        content[at] ^= 1 << bit
        file.write_bytes(content)
        refused(copy, tiny_package)
        content[at] ^= 1 << bit
        file.write_bytes(content)


def test_an_extra_file_is_seen_in_every_folder(tiny_package: Package, copy: Path):
    for folder in {(copy / name).parent for name in (*tiny_package.files, DESCRIPTION)}:
        extra = folder / "extra"
        extra.touch()
        refused(copy, tiny_package)
        extra.unlink()


def test_packages_of_the_store_are_called_by_their_digests(
    store: Store,
    tiny_package: Package,
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    told = {field.name: getattr(tiny_package, field.name) for field in fields(Description)}
    other = seal(copy, Description(**told | {"code_version": "0.2.0"}))
    for one in (tiny_package, other):
        store.upload_folder(one.folder, f"models/weather/{one.digest}")
    for variable, value in store.config.as_environment().items():
        monkeypatch.setenv(variable, value)
    packages = Packages(store.uri("models/weather"), tmp_path / "cache")

    assert packages.digests() == {one: one for one in sorted((tiny_package.digest, other.digest))}
    found = packages.obtain(other.digest)
    assert found == read_package(tmp_path / "cache" / other.digest, other.digest)
    with pytest.raises(UnknownPackageError, match="there is no package 'weather'"):
        packages.obtain("weather")


@pytest.mark.process
@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / LITERT_MODEL).write_bytes(b""),
        lambda folder: (folder / "extra").touch(),
        lambda folder: (folder / DESCRIPTION).unlink(),
    ],
)
def test_the_predictor_leaves_with_one_line(
    tiny_package: Package, copy: Path, harm: Callable[[Path], object]
):
    harm(copy)

    ended = subprocess.run(
        command("--package", str(copy), "--digest", tiny_package.digest),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == ExitCode.PACKAGE_REFUSED
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
