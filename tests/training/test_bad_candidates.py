"""Faults of a graph are stopped by their gates: one seed of `make bench-gate PART=packages`.

A slow graph takes long to be found slow, and is left to the bench.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.bad_packages import BAD, CONFIG, refusals, spoilt
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset

# Others may have the cores meanwhile.
PATIENT = replace(CONFIG, max_latency_p95_seconds=10.0)


def test_the_candidate_that_they_are_made_of_passes(
    candidate: Path, dataset: Dataset, manifest: Manifest
):
    assert refusals(candidate, dataset, manifest, PATIENT) == []


@pytest.mark.parametrize("name", ["NaN weights", "wrong normalisation"])
def test_a_candidate_with_a_bad_graph_is_stopped_by_the_gate_that_is_about_it(
    name: str, candidate: Path, dataset: Dataset, manifest: Manifest, tmp_path: Path
):
    gate, spoil = BAD[name]

    bad = spoilt(candidate, spoil, tmp_path / "bad")

    assert gate in refusals(bad, dataset, manifest, PATIENT)
