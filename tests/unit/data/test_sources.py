"""One argument names pictures in any of their forms, and all forms are the same pictures."""

import csv
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from weathervane.data.manifest import build
from weathervane.data.prepare import prepare
from weathervane.data.sources import list_pictures, local_folder, local_source
from weathervane.data.sources.folders import list_names
from weathervane.data.validation import validate
from weathervane.errors import DataError


@pytest.fixture
def pictures(folder_of) -> Path:
    return folder_of({"rainy": 11, "sunny": 12})


def rows(folder: Path) -> list[tuple[str, str]]:
    return [(path.relative_to(folder.parent).as_posix(), path.parent.name) for path in
            sorted(folder.rglob("*.jpg"))]  # fmt: skip


def as_csv(folder: Path) -> Path:
    with (folder.parent / "labels.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "Label", "path"])
        writer.writerows((number, label, path) for number, (path, label) in enumerate(rows(folder)))
    return folder.parent / "labels.csv"


def as_parquet(folder: Path) -> Path:
    paths, labels = zip(*rows(folder), strict=True)
    table = pa.table({"label": labels, "split": ["train"] * len(labels), "path": paths})
    parquet.write_table(table, folder.parent / "labels.parquet")
    return folder.parent / "labels.parquet"


def as_archive(kind: str):
    def pack(folder: Path) -> Path:
        return Path(shutil.make_archive(str(folder.parent / "packed"), kind, folder))

    return pack


@pytest.mark.parametrize(
    "form", [as_csv, as_parquet, *map(as_archive, ("zip", "tar", "gztar", "bztar"))]
)
def test_every_form_gives_the_same_pictures_to_validation_and_training(
    form, pictures: Path, tmp_path: Path
):
    source = str(form(pictures))

    report = validate(local_source(source, tmp_path / "scratch"))
    dataset = prepare(
        build(report), local_folder(source, tmp_path / "again"), 32, tmp_path / "dataset"
    )

    assert report.passed
    assert {label: one.usable for label, one in report.classes.items()} == {
        "rainy": 11,
        "sunny": 12,
    }
    assert sum(sum(counts.values()) for counts in dataset.counts.values()) == 23
    if form not in (as_csv, as_parquet):
        assert build(report).digest == build(validate(pictures)).digest


def test_nested_folders_belong_to_the_class_above_them(pictures: Path):
    (pictures / "rainy" / "2026" / "november").mkdir(parents=True)
    (pictures / "rainy" / "003.jpg").rename(pictures / "rainy" / "2026" / "november" / "3.jpg")

    listing = list_pictures(pictures)

    assert len(listing.classes["rainy"]) == 11
    assert "rainy/2026/november/3.jpg" in listing.classes["rainy"]
    assert listing.nested == ()


def test_links_that_lead_back_and_depths_without_end_are_not_followed(pictures: Path):
    (pictures / "rainy" / "loop").symlink_to(pictures / "rainy")
    (pictures / "sunny" / ("x/" * 30)).mkdir(parents=True)
    (pictures / "sunny" / ("x/" * 30) / "deep.jpg").touch()

    listing = list_pictures(pictures)

    assert listing.nested == ("rainy/loop", "sunny" + "/x" * 16)
    assert (len(listing.classes["rainy"]), len(listing.classes["sunny"])) == (11, 12)


def test_what_would_block_is_not_opened(pictures: Path):
    os.mkfifo(pictures / "rainy" / "pipe.jpg")
    (pictures / "rainy" / "zero.jpg").symlink_to("/dev/zero")

    assert len(list_pictures(pictures).classes["rainy"]) == 11


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,class\na.jpg,rainy\n", "no column 'label'; its columns are: path, class"),
        ("", "no column 'path'; its columns are: none"),
        ("path,label\n../a.jpg,rainy\n", "line 2: path must lead to a file in or below"),
        ("path,label\n/etc/passwd,rainy\n", "line 2: path must lead"),
        ("path,label\n,rainy\n", "line 2: path must lead"),
        ("path,label\na.jpg,\n", "line 2: label must be one short name"),
        ("path,label\na.jpg,a/b\n", "label must be one short name"),
        ("path,label\na.jpg\n", "line 2: 1 columns"),
        (
            "path,label\na.jpg,rainy\n./a.jpg,sunny\n",
            "line 3: a.jpg is sunny here and rainy before",
        ),
        ("path,label\npictures,rainy\n", "pictures is not a file"),
        ('path,label\n"a.jpg,rainy\n', "not CSV"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_with_its_line(
    text: str, says: str, pictures: Path, tmp_path: Path
):
    (tmp_path / "labels.csv").write_text(text)

    with pytest.raises(DataError, match=says):
        validate(tmp_path / "labels.csv")


def test_a_file_that_a_table_names_and_is_not_there_is_a_finding(pictures: Path):
    table = as_csv(pictures)
    (pictures / "rainy" / "004.jpg").unlink()

    findings = {each.code: each.examples for each in validate(table).findings}

    assert findings["WV209"] == (("pictures/rainy/004.jpg",),)


def test_other_tables_and_files_are_told_apart(tmp_path: Path):
    parquet.write_table(pa.table({"path": [1], "label": ["x"]}), tmp_path / "numbers.parquet")
    (tmp_path / "no.parquet").write_text("path,label\n")
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff")

    with pytest.raises(DataError, match="row 1: path and label must be text"):
        list_pictures(tmp_path / "numbers.parquet")
    with pytest.raises(DataError, match="not Parquet"):
        list_pictures(tmp_path / "no.parquet")
    with pytest.raises(DataError, match="is a file; a folder of class folders is meant"):
        list_pictures(tmp_path / "picture.jpg")
    with pytest.raises(DataError, match="is not unpacked: it is no zip or tar"):
        local_source(str(tmp_path / "picture.jpg"), tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        list_pictures(local_source(str(tmp_path / "nowhere"), tmp_path / "out"))


def test_names_in_the_store_are_listed_as_the_folder_that_they_would_be(tmp_path):
    names = [
        "sunny/1.jpg",
        "sunny/deeper/2.jpg",
        "sunny/.hidden/3.jpg",
        "sunny/.4.jpg",
        ".hidden/sunny/5.jpg",
        "loose.txt",
        "nebli\u0301g/6.jpg",
        "/".join(["rainy", *"a" * 15, "7.jpg"]),
        "/".join(["rainy", *"b" * 16, "8.jpg"]),
        "/".join(["rainy", *"b" * 18, "9.jpg"]),
        "/".join(["rainy", *"c" * 16, ".10.jpg"]),
        "windy/.keep",
        ".keep",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    listed = list_names(tmp_path, reversed(names))

    assert listed == list_pictures(tmp_path)
    assert [len(paths) for paths in listed.classes.values()] == [1, 1, 2, 0]
    assert len(listed.nested) == 2
