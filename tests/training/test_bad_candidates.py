"""Faults of a graph are stopped by their gates: one seed of `make bench-gate PART=packages`."""

from pathlib import Path

import pytest

from tests.evaluation.bad_packages import BAD, refusals, spoilt
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset


def test_the_candidate_that_they_are_made_of_passes(
    candidate: Path, dataset: Dataset, manifest: Manifest
):
    assert refusals(candidate, dataset, manifest) == []


@pytest.mark.parametrize("name", BAD)
def test_a_candidate_with_a_bad_graph_is_stopped_by_the_gate_that_is_about_it(
    name: str, candidate: Path, dataset: Dataset, manifest: Manifest, tmp_path: Path
):
    gate, spoil = BAD[name]

    assert gate in refusals(spoilt(candidate, spoil, tmp_path / "bad"), dataset, manifest)
