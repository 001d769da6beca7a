"""Pixels ready for training: a manifest and its pictures in, arrays of one size out.

A prepared data set is a folder:

    dataset.json                     classes in order, size, preprocessing, data digest, counts
    <split>/images.npy               uint8 [n, size, size, 3], RGB
    <split>/labels.npy               int64 [n], places in the list of classes
    <split>/sha256.txt               of the original files, one a line, in the same order
    probes/                          the probe split's original files, see `probes`
"""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.data import images
from weathervane.data.files import write_whole
from weathervane.data.images import one_thread_a_picture
from weathervane.data.manifest import SPLITS, Manifest, Row
from weathervane.data.probes import make_probe, write_probes
from weathervane.errors import DataError
from weathervane.folders import growing_folder

_DESCRIPTION = "dataset.json"
# Pictures that are decoded before they are written: 38 MB at 224 pixels.
_SHARD = 256


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A prepared data set on disk."""

    folder: Path
    classes: tuple[str, ...]
    size: int  # pixels a side
    preprocessing: str
    data_digest: str
    counts: Mapping[str, Mapping[str, int]]  # pictures by split and class

    @staticmethod
    def open(folder: Path) -> "Dataset":
        """Open what `prepare` made.

        Raises:
            DataError: when it is absent, incomplete, or of another version of the preprocessing.
        """
        try:
            values: dict[str, Any] = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
            dataset = Dataset(
                folder=folder,
                classes=tuple(values["classes"]),
                size=int(values["size"]),
                preprocessing=str(values["preprocessing"]),
                data_digest=str(values["data_digest"]),
                counts=values["counts"],
            )
        except OSError as error:
            raise DataError(f"no prepared data set at {folder}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder / _DESCRIPTION} does not describe a data set") from error
        if dataset.preprocessing != images.PREPROCESSING:
            raise DataError(
                f"{folder} was prepared with preprocessing {dataset.preprocessing}, this is "
                f"{images.PREPROCESSING}: prepare it again"
            )
        return dataset

    def arrays(self, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pictures uint8 [n, size, size, 3], mapped from the disk, and labels int64 [n].

        Raises:
            DataError: when the arrays are missing or damaged.
        """
        try:
            pictures = np.load(self.folder / split / "images.npy", mmap_mode="r")
            labels = np.load(self.folder / split / "labels.npy")
        except (OSError, ValueError) as error:
            raise DataError(f"the split {split} of {self.folder} cannot be read") from error
        return pictures, labels

    def digests(self, split: str) -> tuple[str, ...]:
        """sha256 of each picture's original file."""
        return tuple((self.folder / split / "sha256.txt").read_text("ascii").split())

    @property
    def probes(self) -> Path:
        """The folder for `probes.read_probes`."""
        return self.folder / "probes"


def prepare(
    manifest: Manifest,
    root: Path,
    size: int,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """Decode and resize every picture of the manifest, on all cores, into the new folder ``out``.

    Pictures are written in shards, and no more than one shard is held in memory. When it is killed,
    the same call goes on behind the last picture that was written; an error removes what is there.
    ``progress`` is told how many of how many pictures are written, after each shard.

    Raises:
        DataError: when a picture below ``root`` is gone or is not what the manifest says.
        UsageError: when ``out`` is there already and is not empty, or another process makes it.
    """
    key = json.dumps([manifest.digest, size, images.PREPROCESSING])
    with growing_folder(out, hashlib.sha256(key.encode()).hexdigest()[:12]) as folder:
        done, total = 0, sum(len(manifest.split(split)) for split in SPLITS)
        for split in SPLITS:
            for written in _write_arrays(manifest, split, root, size, folder / split):
                progress(done + written, total)
            done += len(manifest.split(split))
        write_probes(
            folder / "probes",
            (make_probe(_original(root, row), row.label) for row in manifest.split("probe")),
        )
        counts = {
            split: dict(sorted(Counter(row.label for row in manifest.split(split)).items()))
            for split in SPLITS
        }
        description = {
            "classes": manifest.classes,
            "size": size,
            "preprocessing": images.PREPROCESSING,
            "data_digest": manifest.digest,
            "counts": counts,
        }
        text = json.dumps(description, ensure_ascii=False, indent=1)
        write_whole(folder / _DESCRIPTION, text.encode())
    return Dataset.open(out)


def _write_arrays(
    manifest: Manifest, split: str, root: Path, size: int, folder: Path
) -> Iterator[int]:
    """Write a split, and say after each shard how many pictures of it there are."""
    folder.mkdir(exist_ok=True)
    rows = manifest.split(split)
    numbers = {label: number for number, label in enumerate(manifest.classes)}
    labels = np.array([numbers[row.label] for row in rows], np.int64)
    write_whole(folder / "labels.npy", _header(labels.dtype, labels.shape) + labels.tobytes())
    write_whole(folder / "sha256.txt", "".join(f"{row.sha256}\n" for row in rows).encode())

    def load(row: Row) -> bytes:
        return images.load(_original(root, row), size).tobytes()

    header = _header(np.dtype(np.uint8), (len(rows), size, size, 3))
    # A plain file, written in order: its length says how far it is, and on a full disk a memory
    # map would kill the process.
    with (
        one_thread_a_picture(),
        ThreadPoolExecutor(os.cpu_count()) as pool,
        (folder / "images.npy").open("a+b") as file,
    ):
        there = max(0, file.tell() - len(header)) // (size * size * 3)
        file.truncate(len(header) + there * size * size * 3 if there else 0)
        if not there:
            file.write(header)
        for start in range(there, len(rows), _SHARD):
            shard = rows[start : start + _SHARD]
            file.writelines(pool.map(load, shard))
            file.flush()
            yield start + len(shard)


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    kind = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(
        header, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return header.getvalue()


def _original(root: Path, row: Row) -> bytes:
    try:
        data = (root / row.path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {root / row.path}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise DataError(f"{root / row.path} has changed since it was validated: validate again")
    return data
