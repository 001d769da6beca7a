"""A prepared data set holds the pixels that a model will see, in the manifest's order."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from weathervane.data import images
from weathervane.data import prepare as module
from weathervane.data.manifest import SPLITS, build
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.probes import read_probes
from weathervane.data.validation import validate
from weathervane.errors import DataError, UsageError


@pytest.fixture
def pictures(folder_of):
    return folder_of({"sunny": 14, "rainy": 11})


@pytest.fixture
def manifest(pictures):
    return build(validate(pictures))


def test_every_row_of_the_manifest_is_there_as_it_will_be_served(pictures, manifest, tmp_path):
    dataset = prepare(manifest, pictures, 40, tmp_path / "out")

    assert dataset == Dataset.open(tmp_path / "out")
    assert (dataset.classes, dataset.size) == (("rainy", "sunny"), 40)
    assert dataset.data_digest == manifest.digest
    assert sum(sum(counts.values()) for counts in dataset.counts.values()) == 25
    for split in SPLITS:
        rows = manifest.split(split)
        arrays, labels = dataset.arrays(split)
        assert arrays.shape == (len(rows), 40, 40, 3)
        assert (arrays.dtype, labels.dtype) == (np.uint8, np.int64)
        assert [dataset.classes[label] for label in labels] == [row.label for row in rows]
        assert dataset.digests(split) == tuple(row.sha256 for row in rows)
        for pixels, row in zip(arrays, rows, strict=True):
            assert np.array_equal(pixels, images.load((pictures / row.path).read_bytes(), 40))


def test_probes_are_the_original_files(pictures, manifest, tmp_path):
    dataset = prepare(manifest, pictures, 32, tmp_path / "out")

    probes = read_probes(dataset.probes)

    assert [probe.label for probe in probes] == [row.label for row in manifest.split("probe")]
    originals = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path.parent.name
        for path in pictures.rglob("*.jpg")
    }
    assert all(originals[probe.sha256] == probe.label for probe in probes)


def test_a_picture_that_changed_stops_and_leaves_nothing(
    pictures, manifest, tmp_path, encode, draw
):
    (pictures / manifest.rows[3].path).write_bytes(encode(draw(4711)))

    with pytest.raises(DataError, match="has changed since it was validated"):
        prepare(manifest, pictures, 32, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


def test_a_picture_that_is_gone_is_named(pictures, manifest, tmp_path):
    (pictures / manifest.rows[3].path).unlink()

    with pytest.raises(DataError, match=manifest.rows[3].path):
        prepare(manifest, pictures, 32, tmp_path / "out")


def test_a_folder_that_is_taken_is_not_touched(pictures, manifest, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()

    with pytest.raises(UsageError, match="not an empty folder"):
        prepare(manifest, pictures, 32, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"preprocessing": "0"}, "prepare it again"),
        ({"classes": None}, "does not describe"),
    ],
)
def test_what_cannot_be_used_is_refused(change, says, pictures, manifest, tmp_path):
    out = tmp_path / "out"
    prepare(manifest, pictures, 32, out)
    description = json.loads((out / "dataset.json").read_text())
    (out / "dataset.json").write_text(json.dumps(description | change))

    with pytest.raises(DataError, match=says):
        Dataset.open(out)


def test_missing_parts_are_named(pictures, manifest, tmp_path):
    dataset = prepare(manifest, pictures, 32, tmp_path / "out")
    (tmp_path / "out" / "test" / "images.npy").unlink()

    with pytest.raises(DataError, match="split test"):
        dataset.arrays("test")
    with pytest.raises(DataError, match="no prepared data set"):
        Dataset.open(tmp_path / "nowhere")


# Prepares in shards of four, and kills itself when some are written.
KILLED = """
import os, signal, sys
from pathlib import Path
from weathervane.data import prepare
from weathervane.data.manifest import Manifest

def die(done, total):
    if done >= 8:
        os.kill(os.getpid(), signal.SIGKILL)

prepare._SHARD = 4
root, manifest, out = map(Path, sys.argv[1:])
prepare.prepare(Manifest.read(manifest), root, 32, out, die)
"""


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def decoded(monkeypatch):
    """How many pictures were decoded since."""
    seen = []
    load = images.load
    monkeypatch.setattr(images, "load", lambda *args: seen.append(1) or load(*args))
    return seen


@pytest.mark.parametrize("torn", [0, 1000])
def test_a_killed_preparation_goes_on_where_it_was(torn, pictures, manifest, tmp_path, decoded):
    manifest.write(tmp_path / "manifest.parquet")
    prepare(manifest, pictures, 32, tmp_path / "at once")
    total = len(decoded)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, pictures, tmp_path / "manifest.parquet", tmp_path / "out"],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    (half,) = tmp_path.glob(".out.growing-*/train/images.npy")
    # A kill may come in the middle of a picture.
    os.truncate(half, half.stat().st_size - torn)
    decoded.clear()

    prepare(manifest, pictures, 32, tmp_path / "out")

    assert len(decoded) == total - 8 + bool(torn)
    assert contents(tmp_path / "out") == contents(tmp_path / "at once")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "at once",
        "manifest.parquet",
        "out",
        "pictures",
    ]


def test_an_interrupted_preparation_of_something_else_is_not_gone_on_with(
    pictures, manifest, tmp_path, decoded
):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(manifest, pictures, 32, tmp_path / "out", interrupt)
    decoded.clear()

    prepare(manifest, pictures, 40, tmp_path / "out")

    assert len(decoded) == 25
    assert Dataset.open(tmp_path / "out").arrays("train")[0].shape[1:] == (40, 40, 3)


def test_only_one_process_prepares_the_same(pictures, manifest, tmp_path):
    def another(done, total):
        with pytest.raises(UsageError, match="another process is making"):
            prepare(manifest, pictures, 32, tmp_path / "out")

    prepare(manifest, pictures, 32, tmp_path / "out", another)


def test_progress_is_told_after_each_shard_and_a_shard_is_all_that_is_held(
    pictures, manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_SHARD", 4)
    told = []

    prepare(manifest, pictures, 32, tmp_path / "out", lambda *now: told.append(now))

    assert told[-1] == (25, 25)
    done = [0] + [now for now, _ in told]
    assert all(0 < after - before <= 4 for before, after in itertools.pairwise(done))
