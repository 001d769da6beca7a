"""The report survives being written, stops what must stop, and its page needs nothing beside it."""

import re

import pytest

from weathervane.data.report import Report
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
    # Two of the copies, six samples of two classes, three of the third, less one shown twice.
    assert page.count("data:image/jpeg;base64,") == 2 + 6 + 6 + 3
    assert "sunny &lt;b&gt;" in page
    assert "sunny <b>" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import""", page)


def test_a_page_can_be_made_when_the_pictures_are_gone(report, tmp_path):
    (tmp_path / "pictures").rename(tmp_path / "moved")

    assert "data:image" not in report.as_html()
