"""A folder appears whole or not at all, and nobody's files are overwritten."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from weathervane.errors import UsageError
from weathervane.folders import emptied, forget_old_runs, new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_full(tmp_path: Path):
    with new_folder(tmp_path / "deep" / "out") as folder:
        (folder / "file").write_text("content")
        assert not (tmp_path / "deep" / "out").exists()

    assert (tmp_path / "deep" / "out" / "file").read_text() == "content"
    assert names(tmp_path / "deep") == ["out"]


def test_an_empty_folder_may_be_filled(tmp_path: Path):
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "file").touch()

    assert names(tmp_path / "out") == ["file"]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path: Path, interruption: type[BaseException]):
    def write() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "file").touch()
            raise interruption

    with pytest.raises(interruption):
        write()

    assert names(tmp_path) == []


def test_a_killed_writer_leaves_nothing_that_looks_complete(tmp_path: Path):
    program = (
        "import os, signal; from pathlib import Path; from weathervane.folders import new_folder\n"
        f"with new_folder(Path({str(tmp_path / 'out')!r})) as folder:\n"
        "    (folder / 'file').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )

    ended = subprocess.run([sys.executable, "-c", program], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    with new_folder(tmp_path / "out") as folder:
        (folder / "again").touch()
    assert names(tmp_path / "out") == ["again"]


def test_a_folder_with_something_in_it_is_refused_before_any_work(tmp_path: Path):
    (tmp_path / "diary.txt").touch()

    with pytest.raises(UsageError, match="not an empty folder"), new_folder(tmp_path):
        pytest.fail("the work began")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_refused(tmp_path: Path, kind: str):
    out = tmp_path / "out"
    out.touch() if kind == "file" else out.symlink_to(tmp_path)

    with pytest.raises(UsageError, match="name a new one"), new_folder(out):
        pytest.fail("the work began")


def test_a_folder_that_is_taken_meanwhile_keeps_what_is_in_it(tmp_path: Path):
    out = tmp_path / "out"

    # The inner one ends first.
    both = pytest.raises(UsageError, match="not an empty folder")
    with both, new_folder(out), new_folder(out) as first:
        (first / "file").touch()

    assert names(out) == ["file"]


def test_of_runs_the_newest_stay_and_what_is_no_run_is_left_alone(tmp_path: Path):
    runs = ["20260101-000000-00af", "20260101-000001", "20260201-000000-00aa"]
    for name in (*runs, "notes", "20260101"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()

    forget_old_runs(tmp_path, keep=2)
    forget_old_runs(tmp_path / "absent")

    assert names(tmp_path) == ["20260101", "20260101-000001", "20260201-000000-00aa", "notes"]


def test_a_step_finds_its_output_without_what_earlier_tries_left(tmp_path: Path):
    for left in ("out", ".out.partial-1", ".out.growing-1", "other", ".other.partial-1"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "file").touch()

    assert emptied(tmp_path / "out") == tmp_path / "out"

    assert names(tmp_path) == [".other.partial-1", ".out.growing-1", "other"]
    assert emptied(tmp_path / "absent" / "out") == tmp_path / "absent" / "out"
