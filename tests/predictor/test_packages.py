"""A package that is not exactly what was sealed never reaches an engine."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from predictor.packages import obtain
from tests.predictor.running import command
from weathervane.errors import ExitCode, PackageError
from weathervane.registry.package import DESCRIPTION, LITERT_MODEL, Package


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
