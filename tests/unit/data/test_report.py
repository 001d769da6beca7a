"""The report survives being written, stops what must stop, and its page needs nothing beside it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from weathervane.data.page import find_clusters, scatter
from weathervane.data.report import ClassSummary, Readable, Report
from weathervane.data.validation import validate
from weathervane.errors import DataError


@pytest.fixture
def report(folder_of):
    folder = folder_of({"rainy": 12, "sunny <b>": 12, "windy": 3})
    (folder / "rainy" / "copy.jpg").write_bytes((folder / "rainy" / "001.jpg").read_bytes())
    (folder / "rainy" / "empty.jpg").touch()
    return validate(folder)


def test_what_was_written_is_read(report, tmp_path):
    report.write(tmp_path / "out")

    assert Report.read(tmp_path / "out" / "report.json") == report


def test_an_error_stops_and_says_what_to_do(report):
    with pytest.raises(DataError, match=r"windy \(3\).*WV103.*add pictures") as stopped:
        report.require_passed()

    assert stopped.value.exit_code == 3


def test_what_is_no_report_is_refused(tmp_path):
    for name, text in (("a.json", "[]"), ("b.json", "{}"), ("c.json", "no")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="not a validation report"):
            Report.read(tmp_path / name)
    with pytest.raises(DataError, match="cannot read"):
        Report.read(tmp_path / "nowhere.json")


def test_the_page_shows_findings_and_thumbnails_and_loads_nothing(report):
    page = report.as_html()

    assert "cannot be trained on" in page
    for finding in report.findings:
        assert finding.code in page
    # Two copies as finding and as cluster, six samples of two classes, three of the third.
    assert page.count("data:image/jpeg;base64,") == 2 + 2 + 6 + 6 + 3
    assert "sunny &lt;b&gt;" in page
    assert "sunny <b>" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import""", page)


def readable(path, **values):
    usual = {"label": "rainy", "sha256": path, "phash": "0" * 16, "width": 512, "height": 384}
    return Readable(path=path, cluster=path, scene=path, left_out="", **(usual | values))


def test_the_page_of_18000_pictures_is_as_small_as_that_of_some_hundred(tmp_path, encode):
    # Noise is what compresses worst; all that could be shown is there to be shown.
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3)).astype(np.uint8)
    (tmp_path / "noise.jpg").write_bytes(encode(noise))
    pictures = []
    for number in range(18_000):
        path = f"{number % 30}/{number}.jpg"
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).hardlink_to(tmp_path / "noise.jpg")
        made = readable(path, label=str(number % 30), width=32 + number, height=32 + number // 3)
        pictures.append(replace(made, cluster=str(number // 3)))
    classes = {
        str(label): ClassSummary(
            files=600,
            readable=600,
            usable=600,
            width=9,
            height=9,
            brightness=0,
            contrast=0,
            sharpness=0,
            saturation=0,
        )
        for label in range(30)
    }

    page = Report(
        folder=str(tmp_path), findings=(), classes=classes, pictures=tuple(pictures)
    ).as_html()

    assert 2_000_000 < len(page) < 4_000_000
    assert "The first 20 of 30 classes" in page
    assert "5,940 more clusters" in page


def test_clusters_stand_side_by_side_those_with_different_labels_first():
    same = [readable(f"same/{number}") for number in range(6)]
    odd = [readable("odd/1"), readable("odd/2"), readable("odd/3", label="sunny")]
    pictures = [
        *(replace(each, cluster="a") for each in same),
        *(replace(each, cluster="b") for each in odd),
        readable("alone"),
    ]

    clusters, more = find_clusters(pictures)

    assert more == 0
    assert [[each.path for each in cluster.shown] for cluster in clusters] == [
        ["odd/1", "odd/3", "odd/2"],
        ["same/0", "same/1", "same/2", "same/3"],
    ]
    assert [(cluster.more, cluster.labels_differ) for cluster in clusters] == [
        (0, True),
        (2, False),
    ]


def test_sizes_are_dots_between_powers_of_two():
    pictures = [readable("a", width=64, height=64)] * 3 + [readable("b", width=256, height=128)]

    plot = scatter(pictures)

    assert [pixels for _, pixels in plot.across] == [64, 128, 256]
    assert [(dot.across, dot.up) for dot in plot.dots] == [(0, 0), (1, 0.5)]
    assert plot.dots[0].radius > plot.dots[1].radius
    assert plot.dots[0].told == "rainy: 3 pictures"
    assert scatter([]) is None


def test_the_page_is_called_as_the_pictures_were(report):
    assert (
        "Pictures in s3://weather/first" in replace(report, source="s3://weather/first").as_html()
    )


def test_a_page_can_be_made_when_the_pictures_are_gone(report, tmp_path):
    (tmp_path / "pictures").rename(tmp_path / "moved")

    assert "data:image" not in report.as_html()
