"""Pixels ready for training: a manifest and its pictures in, arrays of one size out.

A prepared data set is a folder:

    dataset.json                     classes in order, size, preprocessing, data digest, counts
    <split>/images.npy               uint8 [n, size, size, 3], RGB
    <split>/labels.npy               int64 [n], places in the list of classes
    <split>/sha256.txt               of the original files, one a line, in the same order
    probes/                          the probe split's original files, see `probes`
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.data import images
from weathervane.data.images import one_thread_a_picture
from weathervane.data.manifest import SPLITS, Manifest, Row
from weathervane.data.probes import make_probe, write_probes
from weathervane.errors import DataError
from weathervane.folders import new_folder

_DESCRIPTION = "dataset.json"


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


def prepare(manifest: Manifest, root: Path, size: int, out: Path) -> Dataset:
    """Decode and resize every picture of the manifest, on all cores, into the new folder ``out``.

    Raises:
        DataError: when a picture below ``root`` is gone or is not what the manifest says.
        UsageError: when ``out`` is there already and is not empty.
    """
    with new_folder(out) as folder:
        for split in SPLITS:
            _write_arrays(manifest, split, root, size, folder / split)
        rows = manifest.split("probe")
        write_probes(
            folder / "probes", [make_probe(_original(root, row), row.label) for row in rows]
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
        (folder / _DESCRIPTION).write_text(text, encoding="utf-8")
    return Dataset.open(out)


def _write_arrays(manifest: Manifest, split: str, root: Path, size: int, folder: Path) -> None:
    folder.mkdir()
    rows = manifest.split(split)

    def load(row: Row) -> bytes:
        return images.load(_original(root, row), size).tobytes()

    with one_thread_a_picture(), ThreadPoolExecutor(os.cpu_count()) as pool:
        shape = (len(rows), size, size, 3)
        _write_array(folder / "images.npy", np.dtype(np.uint8), shape, pool.map(load, rows))
    numbers = {label: number for number, label in enumerate(manifest.classes)}
    labels = np.array([numbers[row.label] for row in rows], np.int64)
    _write_array(folder / "labels.npy", labels.dtype, labels.shape, [labels.tobytes()])
    (folder / "sha256.txt").write_text("".join(f"{row.sha256}\n" for row in rows), "ascii")


def _write_array(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], chunks: Iterable[bytes]
) -> None:
    # A plain file, written in order: on a full disk a memory map would kill the process.
    with path.open("wb") as file:
        kind = np.lib.format.dtype_to_descr(dtype)
        header = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.writelines(chunks)


def _original(root: Path, row: Row) -> bytes:
    try:
        data = (root / row.path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {root / row.path}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise DataError(f"{root / row.path} has changed since it was validated: validate again")
    return data
