"""A prepared data set holds the pixels that a model will see, in the manifest's order."""

import hashlib
import json

import numpy as np
import pytest

from weathervane.data import images
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
