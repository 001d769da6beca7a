"""Probe pictures keep their bytes, their labels and their order."""

import json

import pytest

from weathervane.data.probes import make_probe, read_probes, write_probes
from weathervane.errors import DataError

PROBES = (make_probe(b"one", "sunny"), make_probe(b"two", "rainy"), make_probe(b"zwei", "rainy"))


def test_what_was_written_is_read(tmp_path):
    write_probes(tmp_path / "probes", PROBES)

    assert read_probes(tmp_path / "probes") == PROBES


def alter(folder):
    (folder / PROBES[1].sha256).write_bytes(b"something else")


def remove(folder):
    (folder / PROBES[1].sha256).unlink()


def remove_list(folder):
    (folder / "probes.json").unlink()


def spoil_list(folder):
    (folder / "probes.json").write_text(json.dumps([{"label": "sunny"}]))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (alter, "was altered"),
        (remove, "cannot read"),
        (remove_list, "cannot read"),
        (spoil_list, "not a list of probes"),
    ],
)
def test_altered_probes_are_refused(spoil, says, tmp_path):
    write_probes(tmp_path, PROBES)
    spoil(tmp_path)

    with pytest.raises(DataError, match=says):
        read_probes(tmp_path)
