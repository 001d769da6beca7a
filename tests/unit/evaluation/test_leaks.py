"""Test pictures that training has seen are counted: the file, the picture, or a part of it."""

from dataclasses import replace

import pytest

from tests.unit.evaluation.test_folds import row
from weathervane.data.manifest import Manifest, Row
from weathervane.evaluation.contest import leaked

TRAINED = row(1, "sunny", cluster="one")
TESTED = row(2, "sunny", cluster="two", split="test")


@pytest.mark.parametrize(
    ("tested", "pictures"),
    [
        (TESTED, 0),
        (replace(TESTED, sha256=TRAINED.sha256), 1),
        (replace(TESTED, cluster=TRAINED.cluster, scene=TRAINED.scene), 1),
        (replace(TESTED, scene=TRAINED.scene), 1),
    ],
    ids=["another picture", "the same file", "a near duplicate", "a part of it"],
)
def test_what_training_has_seen_is_counted(tested: Row, pictures: int):
    assert leaked(Manifest((TRAINED, tested))) == pictures
