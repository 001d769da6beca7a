"""``weathervane data``: what a person sees, and the exit codes."""

import cv2
import pytest
from typer.testing import CliRunner

from weathervane.data.commands import app
from weathervane.data.report import Report
from weathervane.errors import DataError, UsageError


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_good_pictures_are_done_with_in_two_lines(folder_of):
    answer = run("validate", folder_of({"rainy": 12, "sunny": 12}))

    assert answer.exit_code == 0
    first, last = answer.output.splitlines()
    assert first.endswith("24 files; usable: rainy 12, sunny 12")
    assert last == "0 errors, 0 warnings, 0 for information"


def test_bad_pictures_are_listed_and_refused_and_the_report_stays(folder_of, tmp_path):
    answer = run("validate", folder_of({"rainy": 12}), "--out", tmp_path / "out")

    assert isinstance(answer.exception, DataError)
    assert "WV101" in answer.output
    assert "1 error, 0 warnings" in answer.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.json",
    ]


def test_settings_decide_what_stops(folder_of, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("min_pictures_per_class: 13\n")

    assert isinstance(
        run("validate", folder_of({"rainy": 12, "sunny": 13}), "--settings", settings).exception,
        DataError,
    )


def test_warnings_are_done_with_unless_somebody_is_strict(folder_of):
    folder = folder_of({"rainy": 12, "sunny": 12})
    (folder / "rainy" / "empty.jpg").touch()

    assert run("validate", folder).exit_code == 0
    refused = run("validate", folder, "--strict").exception
    assert isinstance(refused, DataError)
    assert "1 warning" in str(refused)


@pytest.mark.parametrize("text", ["min_pictures: 13", "min_classes: 1", "- 3"])
def test_wrong_settings_are_wrong_usage(text, folder_of, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(text)

    answer = run("validate", folder_of({"rainy": 12, "sunny": 12}), "--settings", settings)

    assert isinstance(answer.exception, UsageError)


def test_names_that_look_like_markup_are_printed_as_they_are(folder_of):
    folder = folder_of({"[red]rainy": 12, "sunny": 12})
    (folder / "[bold]").mkdir()

    output = run("validate", folder).output

    assert "[red]rainy 12" in output
    assert "no file in 1 class: [bold]" in output


def test_a_sample_passes_its_own_validation(tmp_path):
    drawn = run("sample", tmp_path / "scenes", "--pictures", 60, "--seed", 5)

    assert drawn.exit_code == 0
    assert "60 pictures" in drawn.output
    assert run("validate", tmp_path / "scenes").exit_code == 0


def test_pictures_are_compared_with_others_and_with_a_baseline(folder_of, tmp_path):
    usual = folder_of({"rainy": 40, "sunny": 40}, "usual")
    larger = folder_of({"rainy": 40, "sunny": 40}, "larger")
    for path in larger.rglob("*.jpg"):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (256, 192)))
    baseline = tmp_path / "baseline.json"

    assert run("baseline", usual, baseline).exit_code == 0
    assert "0 of 22 comparisons differ" in run("shift", baseline, usual).output
    refused = run("shift", baseline, larger)

    assert isinstance(refused.exception, DataError)
    assert "area" in refused.output
    assert "warmth" not in refused.output
    report = run("validate", larger, "--against", baseline, "--out", tmp_path / "out")
    assert isinstance(report.exception, DataError)
    assert "WV601" in report.output
    assert Report.read(tmp_path / "out" / "report.json").shift is not None
    assert f"Compared with {usual}" in (tmp_path / "out" / "report.html").read_text()
    assert "WV601" not in run("validate", usual, "--against", usual).output


def test_labels_are_looked_at_when_somebody_asks(folder_of):
    folder = folder_of({"rainy": 12, "sunny": 12})

    assert "WV701" not in run("validate", folder).output
    # Blobs have no class: a model that guesses suspects some.
    assert "WV701" in run("validate", folder, "--label-errors").output


def test_a_report_becomes_a_manifest_and_folds_of_it(folder_of, tmp_path):
    run("validate", folder_of({"rainy": 12, "sunny": 12}), "--out", tmp_path / "out")
    report = tmp_path / "out" / "report.json"

    made = run("split", report, tmp_path / "m.parquet", "--folds", 3)
    settings = tmp_path / "split.yaml"
    settings.write_text(f"previous: {tmp_path / 'm.parquet'}\nseed: 9\n")
    again = run("split", report, tmp_path / "again.parquet", "--settings", settings)

    assert made.exit_code == 0, made.exception
    assert "probe: 2 pictures, which see" in made.output
    assert sorted(path.name for path in tmp_path.glob("m*.parquet")) == [
        "m-fold-1.parquet",
        "m-fold-2.parquet",
        "m-fold-3.parquet",
        "m.parquet",
    ]
    prepared = run("prepare", tmp_path / "pictures", tmp_path / "m.parquet", tmp_path / "arrays")
    assert prepared.exit_code == 0, prepared.exception
    assert "test: " in prepared.output
    # Another seed deals otherwise, but what was dealt stays where it was.
    assert again.output.splitlines()[-1] == made.output.splitlines()[-1]


def test_parts_that_were_looked_at_apart_are_judged_together(folder_of, tmp_path):
    folder = folder_of({"rainy": 12, "sunny": 12})
    parts = [tmp_path / f"looks-{number}.parquet" for number in (1, 2)]

    looked = [run("look", folder, part, "--shard", f"{n}/2") for n, part in enumerate(parts, 1)]
    judged = run("judge", *parts, "--out", tmp_path / "out")

    assert [answer.exit_code for answer in looked] == [0, 0]
    assert judged.exit_code == 0, judged.exception
    assert "24 files; usable: rainy 12, sunny 12" in judged.output
    assert (tmp_path / "out" / "report.json").exists()
    assert isinstance(run("judge", parts[0]).exception, DataError)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "x/y"])
def test_a_shard_that_cannot_be_is_wrong_usage(shard, folder_of, tmp_path):
    folder = folder_of({"rainy": 1})

    answer = run("look", folder, tmp_path / "looks.parquet", "--shard", shard)

    assert isinstance(answer.exception, UsageError)


def test_a_cache_and_pictures_to_test_on_are_options(folder_of, tmp_path):
    folder, cache = folder_of({"rainy": 12, "sunny": 12}), tmp_path / "cache.parquet"

    run("validate", folder, "--cache", cache)
    answer = run("validate", folder, "--cache", cache, "--test", folder)

    assert cache.exists()
    # Everything is like itself.
    assert "WV405" in answer.output
    assert "usable: rainy 0, sunny 0" in answer.output
