"""Splits: exact, grouped, seeded, and the same whatever the order of files."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from weathervane.config import SplitConfig
from weathervane.data.manifest import SPLITS, Manifest, build, fold_manifest
from weathervane.data.report import Readable, Report
from weathervane.data.splits import loss_seen_by, probes_to_see
from weathervane.data.validation import validate
from weathervane.errors import DataError, UsageError
from weathervane.rollout.plan import Plan
from weathervane.rollout.power import probes_needed


def picture(label: str, number: int, cluster: str | None = None) -> Readable:
    sha256 = f"{label}{number:04d}"
    return Readable(
        path=f"{label}/{number:04d}.jpg",
        label=label,
        sha256=sha256,
        phash="0" * 16,
        width=64,
        height=48,
        cluster=cluster or sha256,
        scene=cluster or sha256,
        left_out="",
    )


def report(*pictures: Readable) -> Report:
    return Report(folder="pictures", findings=(), classes={}, pictures=pictures)


HUNDRED_AND_FIFTY = report(
    *(picture("rainy", number) for number in range(100)),
    *(picture("sunny", number) for number in range(50)),
)


def counts(manifest: Manifest) -> Counter:
    return Counter((row.label, row.split) for row in manifest.rows)


def test_every_class_has_its_exact_share_in_every_split():
    assert counts(build(HUNDRED_AND_FIFTY)) == {
        ("rainy", "train"): 55,
        ("rainy", "validation"): 15,
        ("rainy", "test"): 20,
        ("rainy", "probe"): 10,
        ("sunny", "train"): 27,
        ("sunny", "validation"): 8,
        ("sunny", "test"): 10,
        ("sunny", "probe"): 5,
    }


def test_the_order_of_files_changes_nothing():
    shuffled = list(HUNDRED_AND_FIFTY.pictures)
    random.Random(0).shuffle(shuffled)

    assert build(report(*shuffled)) == build(HUNDRED_AND_FIFTY)


def test_the_seed_changes_who_goes_where():
    one, other = (build(HUNDRED_AND_FIFTY, SplitConfig(seed=seed)) for seed in (0, 1))

    assert one.digest != other.digest
    assert counts(one) == counts(other)
    moved = sum(a.split != b.split for a, b in zip(one.rows, other.rows, strict=True))
    assert 60 < moved < 120


def test_the_splits_do_not_follow_the_names():
    tested = [int(row.path[-8:-4]) for row in build(HUNDRED_AND_FIFTY).split("test")]

    assert 35 < sum(number for number in tested) / len(tested) < 55
    assert len({number // 10 for number in tested}) >= 7


def test_no_cluster_crosses_a_border_and_shares_stay_near():
    rng = random.Random(1)
    pictures = [
        picture(label, number, cluster=f"{label}{rng.randrange(45)}")
        for label in ("rainy", "sunny")
        for number in range(100)
    ]

    manifest = build(report(*pictures))

    homes = {(row.cluster, row.split) for row in manifest.rows}
    assert len(homes) == len({cluster for cluster, _ in homes})
    for label in ("rainy", "sunny"):
        for split, wanted in (("validation", 15), ("test", 20), ("probe", 10)):
            assert abs(counts(manifest)[label, split] - wanted) <= 1


def test_what_the_report_leaves_out_stays_out():
    kept = HUNDRED_AND_FIFTY.pictures[1:]
    out = replace(HUNDRED_AND_FIFTY.pictures[0], left_out="conflict")

    assert build(report(out, *kept)) == build(report(*kept))


@pytest.mark.parametrize(
    ("few", "says"),
    [
        ([picture("foggy", number) for number in range(3)], "'foggy' has 3 pictures"),
        ([picture("foggy", number, "same") for number in range(12)], "'foggy' has too few"),
    ],
)
def test_a_class_that_cannot_reach_every_split_is_named(few, says):
    with pytest.raises(DataError, match=says):
        build(report(*HUNDRED_AND_FIFTY.pictures, *few))


def test_four_pictures_are_enough_for_four_splits():
    manifest = build(report(*(picture("foggy", number) for number in range(4))))

    assert {row.split for row in manifest.rows} == set(SPLITS)


def test_a_report_with_errors_makes_no_manifest(folder_of):
    with pytest.raises(DataError, match="WV101"):
        build(validate(folder_of({"rainy": 12})))


def test_the_digest_knows_content_path_class_and_split_and_nothing_else():
    manifest = build(HUNDRED_AND_FIFTY)
    first, *rest = manifest.rows

    def digest(**changes):
        return Manifest((replace(first, **changes), *rest)).digest

    assert digest() == manifest.digest
    assert digest(phash="f" * 16, width=1, height=1, cluster="other") == manifest.digest
    other = "test" if first.split == "train" else "train"
    changes = ({"sha256": "x"}, {"path": "rainy/x.jpg"}, {"label": "sunny"}, {"split": other})
    assert len({manifest.digest, *(digest(**change) for change in changes)}) == 5


def test_the_digest_does_not_see_how_a_file_system_spells_an_umlaut():
    composed, decomposed = "rainy/gr\u00fcn.jpg", "rainy/gru\u0308n.jpg"
    row = build(HUNDRED_AND_FIFTY).rows[0]

    one, other = (Manifest((replace(row, path=path),)) for path in (composed, decomposed))

    assert one.digest == other.digest


def test_what_was_written_is_read(tmp_path):
    manifest = build(HUNDRED_AND_FIFTY)
    manifest.write(tmp_path / "manifest.parquet")

    assert Manifest.read(tmp_path / "manifest.parquet") == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.parquet"]


def test_what_is_no_manifest_is_refused(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 or so")

    with pytest.raises(DataError, match="not a manifest"):
        Manifest.read(tmp_path / "broken.parquet")
    with pytest.raises(DataError, match="cannot read the manifest"):
        Manifest.read(tmp_path / "nowhere.parquet")


def splits(manifest: Manifest) -> dict[str, str]:
    return {row.sha256: row.split for row in manifest.rows}


def test_an_old_picture_keeps_its_split_when_others_come_and_shares_are_made_up_for():
    old = build(HUNDRED_AND_FIFTY)
    more = [picture("sunny", number) for number in range(50, 150)]

    new = build(report(*HUNDRED_AND_FIFTY.pictures, *more), previous=old)

    assert {sha256: splits(new)[sha256] for sha256 in splits(old)} == splits(old)
    assert counts(new)["sunny", "test"] == 30
    assert counts(new)["sunny", "train"] == 83
    assert new.set_aside == ()


def test_a_renamed_picture_keeps_its_split_and_a_lost_one_is_gone():
    old = build(HUNDRED_AND_FIFTY)
    first, _, *rest = HUNDRED_AND_FIFTY.pictures

    new = build(report(replace(first, path="rainy/new name.jpg"), *rest), previous=old)

    assert splits(new) == {k: v for k, v in splits(old).items() if k != "rainy0001"}


def test_what_is_new_joins_the_split_of_its_scene():
    old = build(HUNDRED_AND_FIFTY)
    tested = next(row for row in old.rows if row.split == "test")
    crop = replace(picture("rainy", 900), scene=tested.scene)

    new = build(report(*HUNDRED_AND_FIFTY.pictures, crop), previous=old)

    assert splits(new)[crop.sha256] == "test"


def test_a_new_picture_that_bridges_two_splits_is_set_aside_and_told(tmp_path):
    old = build(HUNDRED_AND_FIFTY)
    one = next(row for row in old.rows if row.split == "train")
    two = next(row for row in old.rows if row.split == "probe")
    bridge = picture("rainy", 900)
    connected = {one.sha256, two.sha256, bridge.sha256}
    joined = [
        replace(each, scene="both", cluster="both") if each.sha256 in connected else each
        for each in (*HUNDRED_AND_FIFTY.pictures, bridge)
    ]

    new = build(report(*joined), previous=old)

    assert new.set_aside == ("rainy/0900.jpg",)
    assert (new.digest, new.rows) == (old.digest, old.rows)
    new.write(tmp_path / "manifest.parquet")
    assert Manifest.read(tmp_path / "manifest.parquet").set_aside == new.set_aside


def test_no_more_probes_than_see_the_loss_that_is_asked_for():
    many = report(*(picture(label, n) for label in ("rainy", "sunny") for n in range(1000)))

    assert len(build(many, SplitConfig(probe_loss=0.03)).split("probe")) == 200
    assert len(build(many, SplitConfig(probe_loss=0.10)).split("probe")) == 198
    assert len(build(many, SplitConfig(probe_loss=0.20)).split("probe")) == 96


def test_the_rule_for_probes_is_about_what_the_rollout_reckons_exactly():
    plan = Plan(max_probe_loss=0)

    for loss, within in ((0.02, 0.01), (0.03, 0.01), (0.05, 0.12)):
        exact = probes_needed(plan, loss=loss, disagreement=0.06)
        assert abs(probes_to_see(loss) - exact) <= within * exact
        assert loss_seen_by(probes_to_see(loss)) == pytest.approx(loss, abs=0.001)


def test_every_picture_is_validated_on_in_one_fold_and_scenes_are_whole():
    rng = random.Random(2)
    pictures = [
        picture(label, number, cluster=f"{label}{rng.randrange(60)}")
        for label in ("rainy", "sunny")
        for number in range(100)
    ]
    manifest = build(report(*pictures))

    folds = fold_manifest(manifest, 4)

    both = {*manifest.split("train"), *manifest.split("validation")}
    validated = [row.sha256 for each in folds for row in each.split("validation")]
    assert sorted(validated) == sorted(row.sha256 for row in both)
    for each in folds:
        assert each.split("test") == manifest.split("test")
        homes = {(row.scene, row.split) for row in each.rows}
        assert len(homes) == len({scene for scene, _ in homes})
        for label in ("rainy", "sunny"):
            wanted = sum(row.label == label for row in both) / 4
            assert abs(counts(each)[label, "validation"] - wanted) <= 1


def test_folds_that_cannot_be_are_refused():
    manifest = build(report(*(picture("foggy", number) for number in range(8))))

    with pytest.raises(DataError, match="'foggy' has 5 different pictures to train on"):
        fold_manifest(manifest, 7)
    with pytest.raises(UsageError, match="at least 2 folds"):
        fold_manifest(manifest, 1)
