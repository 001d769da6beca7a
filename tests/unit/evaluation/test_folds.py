"""Every picture is in the test of one fold, and what is alike stays together."""

from collections import Counter

import pytest

from weathervane.data.manifest import Manifest, Row
from weathervane.errors import DataError, UsageError
from weathervane.evaluation.folds import deal


def row(number: int, label: str, cluster: str, split: str = "train") -> Row:
    return Row(
        path=f"{label}/{number:03d}.jpg",
        label=label,
        sha256=f"{number:064x}",
        phash="0" * 16,
        width=64,
        height=64,
        split=split,
        cluster=cluster,
        scene=cluster,
    )


# Every seventh picture is like the one before it; every tenth is a probe.
MANIFEST = Manifest(
    tuple(
        row(
            number,
            "rainy" if number % 3 else "sunny",
            cluster=str(number - 3 if number % 7 == 0 and number else number),
            split="probe" if number % 10 == 9 else "train",
        )
        for number in range(90)
    )
)


def test_every_picture_but_the_probes_is_in_one_test_and_one_validation():
    dealt = list(deal(MANIFEST, folds=5, seed=0))

    for split in ("test", "validation"):
        seen = Counter(one.path for fold in dealt for one in fold.split(split))
        assert set(seen.values()) == {1}
        assert len(seen) == sum(one.split != "probe" for one in MANIFEST.rows)


def test_near_duplicates_are_in_one_split():
    for fold in deal(MANIFEST, folds=5, seed=0):
        splits = Counter({(one.scene, one.split) for one in fold.rows})
        assert len({scene for scene, _ in splits}) == len(splits)


def test_every_fold_has_about_as_many_pictures_of_each_class():
    for fold in deal(MANIFEST, folds=5, seed=0):
        tested = Counter(one.label for one in fold.split("test"))
        assert tested["sunny"] == pytest.approx(27 / 5, abs=1.5)
        assert tested["rainy"] == pytest.approx(54 / 5, abs=1.5)


def test_another_seed_deals_otherwise_and_the_same_one_alike():
    first, again, other = (
        [fold.digest for fold in deal(MANIFEST, folds=4, seed=seed)] for seed in (0, 0, 1)
    )

    assert first == again
    assert not set(first) & set(other)


def test_a_class_of_too_few_pictures_is_named():
    few = Manifest(
        tuple(row(number, "foggy" if number < 2 else "sunny", str(number)) for number in range(20))
    )

    with pytest.raises(
        DataError, match="class 'foggy' has 2 different pictures to train on, too few for 3 folds"
    ):
        list(deal(few, folds=3, seed=0))


def test_two_folds_leave_nothing_to_stop_by():
    with pytest.raises(UsageError, match="3 folds at least"):
        list(deal(MANIFEST, folds=2, seed=0))
