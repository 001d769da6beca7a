"""Each thing that breaks a set of pictures has its finding; nothing else has one."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from weathervane.config import Bounds, ValidationConfig
from weathervane.data.report import Report
from weathervane.data.validation import validate
from weathervane.errors import DataError, UsageError

TWELVE_EACH = {"rainy": 12, "sunny": 12}


def codes(report: Report) -> dict[str, int]:
    return {finding.code: finding.count for finding in report.findings}


@pytest.fixture
def healthy(folder_of):
    return folder_of(TWELVE_EACH)


def test_healthy_pictures_have_no_finding(healthy):
    report = validate(healthy)

    assert report.findings == ()
    assert report.passed
    assert len(report.pictures) == 24
    summary = report.classes["rainy"]
    assert (summary.files, summary.readable, summary.usable) == (12, 12, 12)
    assert (summary.width, summary.height) == (64, 48)
    assert 0 < summary.brightness < 1


def lose_a_class(folder, _):
    (folder / "rainy").rename(folder.parent / "elsewhere")


def lose_all_classes(folder, _):
    lose_a_class(folder, _)
    (folder / "sunny").rename(folder.parent / "elsewhere too")


def add_an_empty_class(folder, _):
    (folder / "windy").mkdir()


def lose_pictures(folder, _):
    for number in range(5):
        (folder / "rainy" / f"{number:03d}.jpg").unlink()


def add_a_loose_file(folder, _):
    (folder / "readme.txt").write_text("what this is")


def lead_a_folder_back(folder, _):
    (folder / "rainy" / "more").symlink_to(folder)


def add_an_unnamed_file(folder, _):
    Path(os.fsdecode(os.fsencode(folder) + b"/rainy/gr\xfc.jpg")).write_bytes(b"whatever")


def write(name, data):
    def write_it(folder, _):
        (folder / "rainy" / name).write_bytes(data)

    return write_it


def add_a_tiny_one(folder, encode):
    tiny = encode(np.zeros((8, 8, 3), np.uint8))
    (folder / "rainy" / "new.jpg").write_bytes(tiny)


def cut_one_short(folder, _):
    path = folder / "rainy" / "001.jpg"
    path.write_bytes(path.read_bytes()[:-60])


def link_to_nowhere(folder, _):
    (folder / "rainy" / "new.jpg").symlink_to(folder / "nowhere.jpg")


def misname_one(folder, _):
    (folder / "rainy" / "001.jpg").rename(folder / "rainy" / "001.png")


def copy_one(folder, _):
    (folder / "rainy" / "copy.jpg").write_bytes((folder / "rainy" / "001.jpg").read_bytes())


def encode_one_again(folder, encode):
    picture = cv2.imread(str(folder / "rainy" / "001.jpg"))[..., ::-1]
    again = encode(np.ascontiguousarray(picture[:, ::-1]), ".png")
    (folder / "rainy" / "again.png").write_bytes(again)


def copy_one_to_another_class(folder, _):
    (folder / "sunny" / "copy.jpg").write_bytes((folder / "rainy" / "001.jpg").read_bytes())


def encode_one_for_another_class(folder, encode):
    encode_one_again(folder, encode)
    (folder / "rainy" / "again.png").rename(folder / "sunny" / "again.png")


@pytest.mark.parametrize(
    ("spoil", "expected", "passes"),
    [
        (lose_a_class, {"WV101": 1}, False),
        (lose_all_classes, {"WV101": 0}, False),
        (add_an_empty_class, {"WV102": 1}, False),
        (lose_pictures, {"WV103": 1}, False),
        (add_a_loose_file, {"WV111": 1}, True),
        (lead_a_folder_back, {"WV112": 1}, True),
        (add_an_unnamed_file, {"WV113": 1}, True),
        (write("new.jpg", b""), {"WV201": 1}, True),
        (write("new.jpg", b"version https://git-lfs.github.com/spec/v1"), {"WV202": 1}, True),
        (write("new.jpg", b"GIF89a" + bytes(40)), {"WV203": 1}, True),
        (write("new.heic", b"\0\0\0\x18ftypheic" + bytes(40)), {"WV203": 1}, True),
        (write("notes.txt", b"a rainy day"), {"WV204": 1}, True),
        (add_a_tiny_one, {"WV207": 1}, True),
        (cut_one_short, {"WV208": 1}, True),
        (link_to_nowhere, {"WV209": 1}, True),
        (misname_one, {"WV301": 1}, True),
        (copy_one, {"WV401": 1}, True),
        (encode_one_again, {"WV402": 1}, True),
        (copy_one_to_another_class, {"WV403": 1}, True),
        (encode_one_for_another_class, {"WV403": 1}, True),
    ],
)
def test_one_change_has_one_finding(spoil, expected, passes, healthy, encode):
    spoil(healthy, encode)

    report = validate(healthy)

    assert codes(report) == expected
    assert report.passed is passes
    assert all(finding.recommendation for finding in report.findings)


def test_too_many_broken_files_stop_everything(healthy):
    for number in range(4):
        (healthy / "rainy" / f"broken{number}.jpg").write_bytes(b"")

    assert codes(validate(healthy)) == {"WV200": 4, "WV201": 4}
    lenient = ValidationConfig(max_unreadable_share=0.2)
    assert codes(validate(healthy, lenient)) == {"WV201": 4}


def add(name, make):
    def add_it(folder, _):
        picture = Image.fromarray(draw_sharp())
        made, settings = make(picture)
        made.save(folder / "rainy" / name, **settings)

    return add_it


def draw_sharp():
    return np.random.default_rng(3).integers(60, 200, (48, 64, 3), dtype=np.uint8)


def turned(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture, {"exif": exif}


def deep(picture):
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257), {}


def plain(value):
    return lambda picture: (Image.new("RGB", picture.size, (value,) * 3), {})


def around(value):
    return lambda picture: (picture.point(lambda grey: value + (grey - 130) // 8), {})


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("new.jpg", turned, {"WV302"}),
        ("new.png", turned, {"WV302"}),
        ("new.webp", turned, {"WV302"}),
        ("new.jpg", lambda picture: (picture.convert("L"), {}), {"WV303"}),
        ("new.png", lambda picture: (picture.convert("RGBA"), {}), {"WV304"}),
        ("new.webp", lambda picture: (picture.convert("RGBA").rotate(9), {}), {"WV304"}),
        ("new.png", lambda picture: (picture.convert("P"), {}), {"WV305"}),
        ("new.jpg", lambda picture: (picture.convert("CMYK"), {}), {"WV306"}),
        ("new.png", deep, {"WV303", "WV307"}),
        ("new.png", lambda picture: (picture.resize((320, 48)), {}), {"WV308"}),
        ("new.png", lambda picture: (picture.resize((4000, 2500)), {}), {"WV309"}),
        ("new.png", plain(128), {"WV311", "WV314"}),
        ("new.png", around(9), {"WV312"}),
        ("new.png", around(246), {"WV313"}),
        ("new.png", lambda picture: (picture.resize((6, 4)).resize((640, 480)), {}), {"WV314"}),
    ],
)
def test_an_odd_picture_is_used_and_told(name, make, expected, healthy):
    add(name, make)(healthy, None)

    report = validate(healthy)

    assert set(codes(report)) - {"WV311"} == expected - {"WV311"}
    assert ("WV311" in codes(report)) >= ("WV311" in expected)
    assert report.passed
    assert report.classes["rainy"].usable == 13


def test_settings_decide_what_warns_and_what_stops(healthy):
    (healthy / "rainy" / "001.jpg").rename(healthy / "rainy" / "001.png")

    def told(**bounds):
        config = ValidationConfig(checks={"WV301": Bounds(**bounds)})
        (found,) = validate(healthy, config).findings
        return found.severity, found.bound

    (found,) = validate(healthy).findings
    assert (found.severity, found.figure) == ("info", round(1 / 24, 6))
    assert told(warn=0.01) == ("warning", 0.01)
    assert told(warn=0.01, stop=0.04) == ("error", 0.04)
    assert told(warn=0.01, stop=0.05) == ("warning", 0.01)
    assert told(stop=0.05) == ("info", 0.05)


def test_the_ratio_of_classes_has_bounds_of_its_own(folder_of):
    folder = folder_of({"rainy": 10, "sunny": 25})

    assert codes(validate(folder)) == {}
    config = ValidationConfig(checks={"WV501": Bounds(warn=2, stop=2.4)})
    (found,) = validate(folder, config).findings
    assert (found.code, found.severity, found.figure, found.bound) == ("WV501", "error", 2.5, 2.4)


def test_bounds_of_a_check_that_does_not_exist_are_wrong_usage(healthy):
    with pytest.raises(UsageError, match="there is no check WV310, did you mean WV31"):
        validate(healthy, ValidationConfig(checks={"WV310": Bounds(warn=0)}))
    with pytest.raises(UsageError, match="warn must not be above stop"):
        Bounds(warn=2, stop=1)


def test_what_is_like_a_picture_to_be_tested_on_is_not_trained_on(healthy, folder_of, encode):
    test = folder_of({"rainy": 2, "sunny": 1}, "test")
    for path in test.rglob("*.jpg"):
        path.unlink()
    picture = cv2.imread(str(healthy / "rainy" / "001.jpg"))[..., ::-1]
    (test / "rainy" / "half.jpg").write_bytes(encode(cv2.resize(picture, (32, 32))))
    (test / "sunny" / "same.jpg").write_bytes((healthy / "rainy" / "002.jpg").read_bytes())

    report = validate(healthy, test=test)

    assert left_out(report) == {"rainy/001.jpg": "leak", "rainy/002.jpg": "leak"}
    (found,) = report.findings
    assert (found.code, found.count) == ("WV405", 2)
    assert found.examples[0] == ("rainy/001.jpg", f"{test}/rainy/half.jpg")
    assert len(report.pictures) == 24


def test_unequal_classes_are_a_warning(folder_of):
    assert codes(validate(folder_of({"rainy": 10, "sunny": 51}))) == {"WV501": 1}


def left_out(report: Report) -> dict[str, str]:
    return {each.path: each.left_out for each in report.pictures if each.left_out}


def test_copies_are_kept_once_and_contradictions_not_at_all(healthy):
    copy_one(healthy, None)
    (healthy / "sunny" / "two.jpg").write_bytes((healthy / "rainy" / "002.jpg").read_bytes())
    (healthy / "sunny" / "two too.jpg").write_bytes((healthy / "rainy" / "002.jpg").read_bytes())

    report = validate(healthy)

    assert left_out(report) == {
        "rainy/copy.jpg": "copy",
        "rainy/002.jpg": "conflict",
        "sunny/two.jpg": "conflict",
        "sunny/two too.jpg": "conflict",
    }
    assert report.classes["rainy"].usable == 11


def test_a_copy_in_the_other_class_of_a_copied_picture_takes_all_of_them_out(healthy):
    # The contradiction is between the second and the third of them, by name.
    copy_one(healthy, None)
    encode_one = (healthy / "rainy" / "001.jpg").read_bytes()
    (healthy / "sunny" / "same.jpg").write_bytes(encode_one)

    reasons = left_out(validate(healthy))

    assert reasons == dict.fromkeys(
        ("rainy/001.jpg", "rainy/copy.jpg", "sunny/same.jpg"), "conflict"
    )


def test_pictures_that_are_the_same_share_a_cluster_and_others_do_not(healthy, encode):
    encode_one_again(healthy, encode)

    clusters = {each.path: each.cluster for each in validate(healthy).pictures}

    assert clusters["rainy/again.png"] == clusters["rainy/001.jpg"]
    assert len(set(clusters.values())) == 24


def test_unicode_names_links_and_hidden_files(healthy, encode, draw):
    (healthy / "sunny").rename(healthy / "Schönwetter ☀")
    elsewhere = healthy.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "bild ü.jpg").write_bytes(encode(draw(777)))
    (healthy / "rainy" / "link.jpg").symlink_to(elsewhere / "bild ü.jpg")
    (healthy / "linked").symlink_to(elsewhere)
    (healthy / ".git").mkdir()
    (healthy / "rainy" / ".DS_Store").write_bytes(b"hidden")

    report = validate(healthy, ValidationConfig(min_pictures_per_class=4))

    assert set(report.classes) == {"rainy", "Schönwetter ☀", "linked"}
    assert report.classes["rainy"].files == 13
    assert {each.path for each in report.pictures} > {"rainy/link.jpg", "linked/bild ü.jpg"}


def test_a_read_only_folder_is_enough(healthy):
    for path in (*healthy.rglob("*"), healthy):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        assert validate(healthy).passed
    finally:
        for path in (healthy, *healthy.iterdir()):
            path.chmod(0o755)


def test_a_missing_folder_is_an_error_and_not_a_report(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        validate(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        validate(tmp_path / "file")


def test_progress_is_told_of_every_file(healthy):
    told = []

    validate(healthy, progress=lambda done, total: told.append((done, total)))

    assert told == [(number, 24) for number in range(1, 25)]
